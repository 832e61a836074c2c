"""Where a report may be written: never into the data set that is to be released."""

from __future__ import annotations

from pathlib import Path

from defaceqa.errors import DefaceQAError

DATASET_MARK = "dataset_description.json"
APART = ("derivatives", "sourcedata", "code")
"""Folders of a data set that are not its scans."""


class PlaceError(DefaceQAError):
    """A report was to be written where it must not be."""


def check_place(report: Path, original: Path | None, defaced: Path | None) -> None:
    """Refuse to write a report into the data set of the defaced image, or into a folder that is not there.

    The data set is the outermost folder around the defaced image that holds a ``dataset_description.json`` and not the
    original. When every such folder holds the original as well, it is the innermost, and ``derivatives``,
    ``sourcedata`` and ``code`` in it are open. Without any it is the folder the defaced image lies in, unless the
    original lies there too.

    Parameters
    ----------
    report : Path
        File to be written.
    original, defaced : Path or None
        The images; without the second every folder is open.

    Raises
    ------
    PlaceError
    """
    if not report.parent.is_dir():
        raise PlaceError(f"The folder {report.parent} for {report.name} is not there; make it, or give another one.")
    if defaced is None:
        return
    target, image = report.resolve(), defaced.resolve()
    source = None if original is None else original.resolve()
    released, open_folders = _released(image, source)
    if released is None or not target.is_relative_to(released):
        return
    inside = target.relative_to(released).parts
    if len(inside) > 1 and inside[0] in open_folders:
        return
    raise PlaceError(
        f"{report.name} would be written into {released.name or released}, the data set to be released that "
        f"{defaced.name} belongs to; expected a place outside of it. Give another folder."
    )


def _released(image: Path, source: Path | None) -> tuple[Path | None, tuple[str, ...]]:
    datasets = [folder for folder in image.parents if (folder / DATASET_MARK).is_file()]
    without_original = [folder for folder in datasets if source is None or not source.is_relative_to(folder)]
    if without_original:
        return without_original[-1], ()
    if datasets:
        return datasets[0], APART
    if source is None or not source.is_relative_to(image.parent):
        return image.parent, ()
    return None, ()
