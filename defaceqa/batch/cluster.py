"""The engine: Dask, with processes on this machine or a running cluster. The only module that imports it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from defaceqa.batch.settings import Workers
from defaceqa.batch.task import Done, Task, failed, perform
from defaceqa.errors import ClusterError, DefaceQAError

if TYPE_CHECKING:
    from distributed import Client

ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",  # Mesa's software renderer
    "VTK_SMP_MAX_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
}
"""Environment of a worker process: one core each, else N workers start N × cores threads and wait for each other."""

MEMORY_GB = 1.5
"""Of one worker at its largest."""

WAITING_PER_WORKER = 3
LEAST_WAITING = 64
"""Tasks that the scheduler holds at a time: enough that nobody waits, and no more for a million scans than for a
thousand."""

ENGINE = {
    # Spawned, never forked: a forked child shares its parent's graphics driver and hangs or crashes.
    "distributed.worker.multiprocessing-method": "spawn",
    # A worker holds no task but the one it performs: when it dies, only that one is to blame.
    "distributed.scheduler.worker-saturation": 1.0,
}

CONNECT_SECONDS = 30
ASK_SECONDS = 5

MOST_TIMES = 10
"""Dask gives up a result that was lost with its worker some times over; so often a task is handed in anew."""

LOST = "The connection to the scheduler was lost; results written so far are whole. Start again to continue."


@contextmanager
def connected(workers: Workers) -> Iterator[Client]:
    """Start workers here or reach a running scheduler.

    Raises
    ------
    ClusterError
        No scheduler answers.
    """
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(ENGINE))
        stack.enter_context(_quiet())
        if workers.scheduler is None:
            cluster = LocalCluster(
                n_workers=workers.number or default_number(),
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any free port: two runs on one machine do not collide
                worker_dashboard_address=None,
                memory_limit=None,  # tasks keep nothing; a limit would only pause workers for what libraries hold
                env=ONE_CORE,
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
            yield stack.enter_context(Client(cluster, set_as_default=False))
        else:
            yield stack.enter_context(_reach(workers.scheduler))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own words off the terminal: what matters of them is said in one sentence here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def default_number() -> int:
    """As many workers as there are cores, and as memory holds; containers' limits count."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return max(1, min(int(CPU_COUNT), int(MEMORY_LIMIT / (MEMORY_GB * 1e9))))


def performed(client: Client, tasks: Iterator[Task]) -> Iterator[Done]:
    """Perform tasks in any order, a window of them at a time.

    A task whose worker dies is given to another; one that kills worker after worker is a pair that cannot be judged.

    Raises
    ------
    ClusterError, ModelError, RenderError
        Nobody can work, or the connection is lost.
    """
    from distributed import as_completed

    waiting: dict[str, tuple[Task, int]] = {}
    window, asked = _window(client), time.monotonic()
    futures = as_completed(loop=client.loop, raise_errors=False)

    def submit(task: Task, times: int) -> None:
        future = client.submit(perform, task, pure=False)
        waiting[str(future.key)] = (task, times)
        futures.add(future)

    def fill() -> None:
        nonlocal window, asked
        if time.monotonic() - asked > ASK_SECONDS:  # workers come and go; asking for each scan would be slow
            window, asked = _window(client), time.monotonic()
        for task in islice(tasks, max(0, window - len(waiting))):
            submit(task, 1)

    fill()
    for future in futures:
        task, times = waiting.pop(str(future.key))
        done = _outcome(future, task)
        del future  # the scheduler forgets a result that nobody holds
        if done is not None:
            yield done
        elif times < MOST_TIMES:
            submit(task, times + 1)
        else:
            raise ClusterError(LOST)
        fill()


def _window(client: Client) -> int:
    return max(LEAST_WAITING, WAITING_PER_WORKER * sum(client.nthreads().values()))


def _outcome(future: Any, task: Task) -> Done | None:
    """What became of a task; None when its result died with its worker before it got here."""
    from distributed import CancelledError, KilledWorker

    if future.client.status != "running":
        raise ClusterError(LOST)
    try:
        if future.status == "finished":
            return future.result()
        error = future.exception() if future.status == "error" else None
    except CancelledError:
        return None
    except KilledWorker as killed:
        error = killed
    if error is None:
        return None
    if isinstance(error, KilledWorker):
        return failed(
            task,
            "Every worker that judged this pair died (no memory, or a crash); judge it alone with defaceqa predict.",
        )
    if isinstance(error, DefaceQAError):
        raise error
    raise ClusterError(
        f"A worker cannot do the work ({type(error).__name__}: {error}); install the same defaceqa on every worker."
    )


def _reach(address: str) -> Client:
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {address} ({error}); expected one started with 'dask scheduler'. "
            "Check the address."
        ) from None
