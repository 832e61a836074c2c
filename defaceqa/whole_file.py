"""A file is there whole or not at all: it is written beside its place under another name, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE = 0o600
"""Mode of a file that shows a face: its owner's alone."""

PUBLIC = 0o666
"""Mode of any other file, less what the user's umask takes away."""


@contextmanager
def replacing(file: Path, *, private: bool = False, lasting: bool = False) -> Iterator[Path]:
    """Write a file in the place of another, which stays as it was when writing fails.

    Parameters
    ----------
    file : Path
        Its folder must be there.
    private : bool
        Readable by its owner alone, from the first byte.
    lasting : bool
        Whole even when the power goes, and nothing is left for long of a writer that was killed: the next one writes
        over it. Only for a file that nobody else writes at the same time.

    Yields
    ------
    Path
        An empty file to write to; its name ends as that of ``file``, unless it is lasting.
    """
    name = f".{file.name}.partial" if lasting else f".{os.getpid()}.{file.name}"
    partial = file.with_name(name)
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE if private else PUBLIC))
        yield partial
        if lasting:
            with partial.open("r+b") as stream:
                os.fsync(stream.fileno())
        partial.replace(file)
    finally:
        with suppress(OSError):  # what went wrong before is what is to be said
            partial.unlink(missing_ok=True)


def write_file(content: str | bytes, file: Path, *, private: bool = False) -> None:
    """Write text (UTF-8, lines as they are) or bytes; parameters as for :func:`replacing`."""
    with replacing(file, private=private) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
