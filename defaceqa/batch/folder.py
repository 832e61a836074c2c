"""The output folder: where it may lie, who writes into it, and how a file gets there whole or not at all."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from defaceqa.datasets import PairFiles
from defaceqa.datasets.release import DESCRIPTION, check_not_released
from defaceqa.errors import OutputError
from defaceqa.whole_file import replacing

NAME = "DefaceQA"
BIDS_VERSION = "1.10.0"
STATE = ".defaceqa"
"""Folder for locks within the output folder."""

PATIENCE_SECONDS = 5.0
"""A lock that another run only looks at is free again at once."""

IGNORED = ("group_*", "unpaired.tsv", "compare_*", "*.html", "figures/", f"{STATE}/")
"""What the BIDS validator need not know."""


def check_place(out: Path, originals: Path | None, defaced: Path | None, pairs: Sequence[PairFiles]) -> None:
    """Refuse to write into the data set that is to be released, or over the originals.

    Parameters
    ----------
    out : Path
    originals, defaced : Path or None
        Trees of the data set; None for a table.
    pairs : sequence of PairFiles

    Raises
    ------
    OutputError
    """
    place = out.resolve()
    if defaced is not None and place.is_relative_to(defaced.resolve()):
        raise OutputError(
            f"{out.name} lies inside {defaced.name}, the defaced data set, which is released; results tell about the "
            "originals. Choose a folder outside."
        )
    if originals is not None and place == originals.resolve():
        raise OutputError(f"{out.name} is the data set itself; choose another folder, say its derivatives/defaceqa.")
    check_not_released(out, ((pair.original, pair.defaced) for pair in pairs))


@contextmanager
def locked(out: Path, subjects: Sequence[str] = ()) -> Iterator[None]:
    """Hold the output folder against other runs; two that do different subjects may go side by side.

    The lock is the kernel's: it ends with the process, however that ends.

    Parameters
    ----------
    out : Path
    subjects : sequence of str
        Labels of the only subjects this run writes; empty: all.

    Raises
    ------
    OutputError
        Another run is at it.
    """
    state = out / STATE
    with refusing(out):
        state.mkdir(parents=True, exist_ok=True)
    everything = state / "run.lock"
    with ExitStack() as stack:
        if subjects:
            for subject in sorted(set(subjects)):
                stack.enter_context(_lock(state / f"sub-{subject}.lock", out))
            with _lock(everything, out):
                pass  # free: nobody is doing all subjects
        else:
            stack.enter_context(_lock(everything, out))
            for other in sorted(state.glob("sub-*.lock")):
                with _lock(other, out):
                    pass  # free: nobody is doing this subject
        yield


@contextmanager
def _lock(file: Path, out: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    with refusing(out):
        try:
            lock.acquire(timeout=PATIENCE_SECONDS, poll_interval=0.02)
        except Timeout:  # to Python this is an OSError
            raise OutputError(
                f"Another run is writing into {out.name}; expected to be alone there. Wait until it is done, or choose "
                "another folder."
            ) from None
    try:
        yield
    finally:
        lock.release()


def describe(out: Path, version: str) -> None:
    """Write ``dataset_description.json`` and ``.bidsignore``; refuse a folder that another program made.

    Raises
    ------
    OutputError
    """
    content = {
        "Name": "DefaceQA: quality of defacing",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": NAME, "Version": version}],
    }
    file = out / DESCRIPTION
    _check_is_ours(file, out)
    with _lock(out / STATE / "description.lock", out):  # all runs of a job array come here at once
        for path, text in (
            (file, json.dumps(content, indent=2) + "\n"),
            (out / ".bidsignore", "\n".join(IGNORED) + "\n"),
        ):
            with refusing(out):
                same = path.is_file() and path.read_text(encoding="utf-8") == text
            if not same:
                write_whole(path, text, out)


def _check_is_ours(file: Path, out: Path) -> None:
    if not file.exists():
        return
    try:
        makers = json.loads(file.read_bytes()).get("GeneratedBy", [])
        ours = any(maker.get("Name") == NAME for maker in makers)
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise OutputError(
            f"{out.name} holds a data set that DefaceQA did not make; expected a new folder or one of its own. "
            "Choose another."
        )


def write_whole(file: Path, text: str, out: Path) -> None:
    """Write a file so that it is there whole or not at all, even when the power goes.

    Raises
    ------
    OutputError
        Disk full, folder read-only and the like.
    """
    with writing_whole(file, out) as stream:
        stream.write(text)


@contextmanager
def writing_whole(file: Path, out: Path) -> Iterator[IO[str]]:
    """The same for a file that is written bit by bit."""
    with refusing(out):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file, lasting=True) as partial, partial.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream


@contextmanager
def refusing(out: Path) -> Iterator[None]:
    """Turn what the system says about the output folder into one sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{_what(out, error)} Results written so far are whole; start again to continue.") from None


def _what(out: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"There is no space left for {out.name} ({error.strerror}); free some or choose another disk."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{out.name} cannot be written ({error.strerror}); expected a folder you may write. Choose another."
    return f"{out.name} cannot be written ({error.strerror or error}); check the path."
