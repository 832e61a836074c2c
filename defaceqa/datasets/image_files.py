"""Image files below a folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from defaceqa.datasets.scan_name import stem_of
from defaceqa.errors import InputError

ASIDE = frozenset({"derivatives", "sourcedata", "code", "stimuli"})
"""Folders beside the subjects of a BIDS data set that hold other things than its scans."""

OTHER_DATA = frozenset(
    {"func", "dwi", "fmap", "perf", "pet", "eeg", "meg", "ieeg", "beh", "micr", "mrs", "nirs", "motion"}
)
"""BIDS data types that hold no plain head images."""

NO_SCANS = ("mask", "dseg", "probseg")
"""Names ending so are masks and label maps of a scan, not scans."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that is named like an image.

    Parameters
    ----------
    path : str
    folder : str
        Relative to the tree, with ``/``; empty at its top.
    stem : str
        Name without ending.
    """

    path: str
    folder: str
    stem: str

    @property
    def relative(self) -> str:
        """Path within the tree, with ``/``."""
        name = os.path.basename(self.path)  # noqa: PTH119 - a Path for each of a million files is slow
        return f"{self.folder}/{name}" if self.folder else name


def image_files(root: Path, *, skip: Collection[Path] = (), subjects: Collection[str] = ()) -> Iterator[ImageFile]:
    """Files below a folder that are named like scans, in sorted order; links to files not there (DataLad) count too.

    Parameters
    ----------
    root : Path
    skip : collection of Path
        Folders not to look into, besides hidden ones and those BIDS keeps for other things.
    subjects : collection of str
        Of the folders ``sub-*`` at the top only these are looked into; empty: all.

    Raises
    ------
    InputError
        No such folder, or one that may not be read: a data set seen in part must not look whole.
    """
    if not root.is_dir():
        raise InputError(f"{root.name or root} is not a folder; expected the folder of a data set. Check the path.")
    skipped = {str(folder.resolve()) for folder in skip}
    seen: set[str] = set()
    for folder, below, names in os.walk(root, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        top = Path(folder) == root
        if real in seen or (real in skipped and not top):
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith(".") and (not top or _wanted(name, subjects)))
        relative = "" if top else Path(folder).relative_to(root).as_posix()
        for name in sorted(names):
            stem = stem_of(name)
            if stem is not None and not name.startswith(".") and is_scan(stem, relative):
                yield ImageFile(os.path.join(folder, name), relative, stem)  # noqa: PTH118 - as above


def is_scan(stem: str, folder: str) -> bool:
    """Whether a name may be a head image: not a mask, and not of another BIDS data type."""
    if stem.lower().endswith(NO_SCANS):
        return False
    return not (stem.startswith("sub-") and folder.rpartition("/")[2] in OTHER_DATA)


def _wanted(folder: str, subjects: Collection[str]) -> bool:
    """Whether to look into a folder at the top: with one subject of a million to do, the others are not listed."""
    if folder in ASIDE:
        return False
    return not subjects or not folder.startswith("sub-") or folder.removeprefix("sub-") in subjects


def _refuse(error: OSError) -> None:
    name = os.path.basename(os.fspath(error.filename)) if error.filename else "A folder"  # noqa: PTH119
    raise InputError(f"The folder {name} cannot be listed ({error.strerror}); expected one you may read.")
