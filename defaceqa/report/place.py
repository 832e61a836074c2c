"""Where a report may be written: into a folder that is there and is not to be released."""

from __future__ import annotations

from pathlib import Path

from defaceqa.datasets.release import check_not_released
from defaceqa.errors import OutputError


def check_place(report: Path, original: Path | None, defaced: Path | None) -> None:
    """Refuse to write a report into what is to be released, or into a folder that is not there.

    Parameters
    ----------
    report : Path
        File to be written.
    original, defaced : Path or None
        The images; without the second every folder is open. Where both lie side by side, the report may join them.

    Raises
    ------
    OutputError
    """
    if not report.parent.is_dir():
        raise OutputError(f"The folder {report.parent} for {report.name} is not there; make it, or give another one.")
    if defaced is not None:
        check_not_released(report.parent, [(original, defaced)], side_by_side=True)
