"""Pairs in folders: by names in one tree, or between a tree of originals and a tree of defaced scans, BIDS or not."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from defaceqa.datasets.bids_filter import BidsFilter
from defaceqa.datasets.brain_masks import BrainMasks, brain_masks
from defaceqa.datasets.image_files import ImageFile, image_files
from defaceqa.datasets.pairing import PairFiles, Pairing, Unpaired, refuse_ambiguity, sorted_pairing
from defaceqa.datasets.scan_name import (
    ScanName,
    bids_entities,
    label,
    modality_of,
    same_key,
    scan_name,
    without_mark,
)
from defaceqa.errors import InputError

REMEDY = "Keep one of each, or list the pairs in a table."

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Selection:
    """Which scans of a folder to take.

    Parameters
    ----------
    participants, sessions : tuple of str
        Labels with or without ``sub-`` and ``ses-``; empty takes all.
    bids_filter : BidsFilter
    modality : str
        Of scans whose names do not say.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    bids_filter: BidsFilter = field(default_factory=BidsFilter)
    modality: str = "T1w"

    @property
    def subjects(self) -> tuple[str, ...]:
        """Chosen participants, without ``sub-``; empty: all."""
        return tuple(sorted(_labels(self.participants, "sub-")))

    def takes(self, name: ScanName) -> bool:
        """Whether a scan is chosen."""
        if self.participants and name.subject not in _labels(self.participants, "sub-"):
            return False
        if self.sessions and (name.session or "") not in _labels(self.sessions, "ses-"):
            return False
        return self.bids_filter.takes(name)


def pairs_in_folder(
    originals: Path,
    defaced: Path | None = None,
    *,
    selection: Selection | None = None,
    brain_mask_folder: Path | None = None,
    skip: Collection[Path] = (),
) -> Pairing:
    """Find pairs.

    BIDS names are matched by their entities, wherever they lie, run-1 and run-01 being one; other names by relative
    path. ``_defaced``, ``_desc-defaced`` and ``_rec-defaced`` mark the defaced version, in one tree necessarily, in a
    tree of its own perhaps.

    Parameters
    ----------
    originals : Path
        Tree of originals; without ``defaced`` the defaced scans lie in it too.
    defaced : Path, optional
        Tree of defaced scans.
    selection : Selection, optional
    brain_mask_folder : Path, optional
        Where to look for brain masks instead of ``derivatives/*`` below the originals.
    skip : collection of Path
        Folders not to look into, as that of the results.

    Returns
    -------
    Pairing

    Raises
    ------
    InputError
        A folder that cannot be listed, no scan at all, a participant that is not there, or an ambiguity: every
        candidate is then listed.
    """
    chosen = selection or Selection()
    two_trees = defaced is not None and defaced.resolve() != originals.resolve()
    first = _named(originals, chosen, (*skip, defaced) if two_trees and defaced else skip)
    second = _named(defaced, chosen, (*skip, originals)) if two_trees and defaced else first
    stray = [scan for scan in first if scan.marked] if two_trees else []
    sources = _by_key([scan for scan in first if not scan.marked])
    results = _by_key(second if two_trees else [scan for scan in second if scan.marked])
    _check_something_there(originals, defaced, sources, results, chosen)
    _refuse_doubles(sources, "one original")
    _refuse_doubles(results, "the defaced version of one original")
    masks = brain_masks(originals, brain_mask_folder)
    pairs = [_pair(sources[key][0], results[key][0], masks) for key in sources.keys() & results.keys()]
    unpaired = [_unpaired(scan, "original") for key in sources.keys() - results.keys() for scan in sources[key]]
    unpaired += [_unpaired(scan, "defaced") for key in results.keys() - sources.keys() for scan in results[key]]
    unpaired += [_stray(scan) for scan in stray]
    return sorted_pairing(pairs, unpaired, REMEDY)


@dataclass(frozen=True, slots=True)
class _Scan:
    """A file, the name it goes by, what it is matched by, and whether it is marked as defaced."""

    file: ImageFile
    name: ScanName
    key: Key
    marked: bool


def _named(root: Path, selection: Selection, skip: Collection[Path]) -> list[_Scan]:
    subjects = _labels(selection.participants, "sub-")
    scans = (_scan(file, selection.modality) for file in image_files(root, skip=skip, subjects=subjects))
    return [scan for scan in scans if selection.takes(scan.name)]


def _scan(file: ImageFile, modality: str) -> _Scan:
    stem, marked = without_mark(file.stem)
    parsed = bids_entities(stem)
    if parsed is not None:
        entities, suffix = parsed
        name = scan_name(entities, suffix or modality)
        return _Scan(file, name, (*same_key(entities), name.modality), marked)
    path = f"{file.folder}/{stem}" if file.folder else stem
    name = scan_name({"sub": label(path) or "unnamed"}, modality_of(stem, modality))
    return _Scan(file, name, (path,), marked)


def _by_key(scans: list[_Scan]) -> dict[Key, list[_Scan]]:
    found: dict[Key, list[_Scan]] = defaultdict(list)
    for scan in scans:
        found[scan.key].append(scan)
    return found


def _refuse_doubles(scans: Mapping[Key, list[_Scan]], what: str) -> None:
    doubles = {some[0].name.text: [scan.file.relative for scan in some] for some in scans.values() if len(some) > 1}
    refuse_ambiguity(doubles, what, REMEDY)


def _pair(original: _Scan, defaced: _Scan, masks: BrainMasks) -> PairFiles:
    mask = masks.find(original.file.folder, original.file.stem)
    return PairFiles(original.file.path, defaced.file.path, original.name, mask, sidecar_method(defaced.file))


def sidecar_method(file: ImageFile) -> str | None:
    """What the JSON file beside a defaced scan says of its method (``DeidentificationMethod``), told, not proven."""
    sidecar = Path(file.path).with_name(f"{file.stem}.json")
    try:
        said = json.loads(sidecar.read_text(encoding="utf-8")).get("DeidentificationMethod")
    except (OSError, ValueError, AttributeError):
        return None
    listed = said if isinstance(said, list) else [said]
    return ", ".join(" ".join(str(item).split()) for item in listed if item) or None


def _unpaired(scan: _Scan, role: str) -> Unpaired:
    other = "defaced version" if role == "original" else "original"
    return Unpaired(scan.file.relative, role, f"no {other} of this scan was found", scan.name)


def _stray(scan: _Scan) -> Unpaired:
    reason = "named as defaced but lies among the originals; the defaced tree was searched instead"
    return Unpaired(scan.file.relative, "original", reason, scan.name)


def _check_something_there(
    originals: Path,
    defaced: Path | None,
    sources: Mapping[Key, list[_Scan]],
    results: Mapping[Key, list[_Scan]],
    selection: Selection,
) -> None:
    subjects = {scan.name.subject for some in (*sources.values(), *results.values()) for scan in some}
    absent = _labels(selection.participants, "sub-") - subjects
    if absent:
        raise InputError(
            f"No scans of {', '.join(f'sub-{name}' for name in sorted(absent))} were found; "
            "check --participant-label and the filter."
        )
    if not sources and not results:
        where = originals.name if defaced is None else f"{originals.name} and {defaced.name}"
        raise InputError(
            f"No scans were found in {where}; expected image files (.nii, .nii.gz, .mgz). Check folder and filter."
        )


def _labels(given: tuple[str, ...], prefix: str) -> set[str]:
    return {text.removeprefix(prefix) for text in given}
