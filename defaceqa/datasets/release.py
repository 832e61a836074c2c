"""Where results may lie: never in what is to be released, for they tell about the originals."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from defaceqa.errors import OutputError

DESCRIPTION = "dataset_description.json"
"""The file that makes a folder a BIDS data set."""

APART = ("derivatives", "sourcedata", "code")
"""Folders of a data set that are not its scans."""

File = str | os.PathLike[str]


def check_not_released(folder: Path, pairs: Iterable[tuple[File | None, File]], *, side_by_side: bool = False) -> None:
    """Refuse to write results into a folder that is released together with a defaced image.

    Three folders are closed. Every data set around the defaced image that does not hold its original. When they all
    hold it, the innermost, but for its ``derivatives``, ``sourcedata`` and ``code``. And the folder that the image
    lies in. A link counts where it lies and where it leads.

    Parameters
    ----------
    folder : Path
        To be written into; need not be there.
    pairs : iterable of (path or None, path)
        Original, if it is known, and defaced image. Of pairs from the same two folders the first is looked at.
    side_by_side : bool
        Open the folder of an image that lies there with its original and in no data set.

    Raises
    ------
    OutputError
    """
    target = folder.resolve()
    data_sets = [place for place in (target, *target.parents) if _is_data_set(place)]
    seen: set[tuple[str, ...]] = set()
    for original, defaced in pairs:
        # text, for a Path for each of a million files is slow
        around = tuple(os.path.dirname(file) for file in (original, defaced) if file is not None)  # noqa: PTH120
        if around in seen:
            continue
        seen.add(around)
        for source, images in _folders(original, defaced):
            closed = _closed(target, data_sets, source, images, side_by_side=side_by_side)
            if closed is not None:
                raise OutputError(
                    f"Results would lie in {closed.name or closed}, the data set to be released that "
                    f"{Path(defaced).name} belongs to, and tell about its originals; expected a folder outside of it. "
                    "Give another folder."
                )


def _folders(original: File | None, defaced: File) -> Iterator[tuple[Path | None, Path]]:
    """Folders of original and defaced image: where the names say, and where they lead if they are links."""
    source, image = None if original is None else Path(original), Path(defaced)
    yield None if source is None else source.parent.resolve(), image.parent.resolve()
    if image.is_symlink() or (source is not None and source.is_symlink()):
        yield None if source is None else source.resolve().parent, image.resolve().parent


def _closed(
    target: Path, data_sets: Sequence[Path], source: Path | None, images: Path, *, side_by_side: bool
) -> Path | None:
    """The folder that keeps results out of ``target``; ``data_sets`` are those around it, the innermost first."""
    shared = [data_set for data_set in data_sets if images.is_relative_to(data_set)]
    without_original = [data_set for data_set in shared if not _holds(data_set, source)]
    if without_original:
        return without_original[-1]
    if shared and _is_innermost(shared[0], images) and not _is_apart(target, shared[0]):
        return shared[0]
    open_to_both = side_by_side and not shared and _holds(images, source)
    return images if target.is_relative_to(images) and not open_to_both else None


def _holds(folder: Path, source: Path | None) -> bool:
    return source is not None and source.is_relative_to(folder)


def _is_innermost(data_set: Path, images: Path) -> bool:
    between = (place for place in (images, *images.parents) if place != data_set and place.is_relative_to(data_set))
    return not any(_is_data_set(place) for place in between)


def _is_apart(target: Path, data_set: Path) -> bool:
    return target.relative_to(data_set).parts[:1] in [(name,) for name in APART]


def _is_data_set(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file()
