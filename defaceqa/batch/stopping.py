"""Ending in good order when a queue system or a person says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from defaceqa.errors import StoppedError


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, SIGTERM raises :class:`StoppedError` in the main thread; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the second must not break off the tidying
    raise StoppedError("Stopped; results written so far are whole. Start again to continue.")
