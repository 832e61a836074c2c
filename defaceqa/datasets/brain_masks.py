"""Brain masks that other programs have left: in the derivatives of a BIDS data set, or in a folder the user names."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from defaceqa.datasets.pairing import refuse_ambiguity
from defaceqa.datasets.release import DESCRIPTION
from defaceqa.datasets.scan_name import bids_entities, same_key, stem_of
from defaceqa.errors import InputError

MASK_ENDINGS = ("_desc-brain_mask", "_brain_mask", "_brainmask", "_mask")
"""What is put behind the name of a scan for its brain mask; the longer first."""

OWN_SPACES = (None, "orig", "T1w")
"""Values of the entity ``space`` of a mask that lies on its own scan."""

REMEDY = "Say where to look with --brain-mask-dir, or list the masks in a table."


@dataclass
class BrainMasks:
    """Finds the brain mask of an original.

    Parameters
    ----------
    folders : tuple of Path
        Each laid out like the data set: ``sub-01/[ses-1/]anat/sub-01[_ses-1]_desc-brain_mask.nii.gz`` for BIDS names,
        else the scan's relative path with ``_brain_mask``, ``_brainmask`` or ``_mask`` added.
    """

    folders: tuple[Path, ...]
    _listings: dict[str, list[str]] = field(default_factory=dict)

    def find(self, folder: str, stem: str) -> str | None:
        """Path of the mask, None when there is none.

        Parameters
        ----------
        folder : str
            The original's folder within its data set.
        stem : str
            Its name without ending.

        Raises
        ------
        InputError
            Several masks fit.
        """
        parsed = bids_entities(stem)
        if parsed is None:
            found = [path for root in self.folders for path in self._by_path(root, folder, stem)]
        elif parsed[1] in ("T1w", None):  # such a mask does not say of which modality it is; by custom it is the T1w's
            found = [path for root in self.folders for path in self._by_entities(root, parsed[0])]
        else:
            found = []
        refuse_ambiguity({stem: found} if len(found) > 1 else {}, "the brain mask of one scan", REMEDY)
        return found[0] if found else None

    def _by_entities(self, root: Path, entities: dict[str, str]) -> list[str]:
        session = [f"ses-{entities['ses']}"] if "ses" in entities else []
        folder = str(root.joinpath(f"sub-{entities['sub']}", *session, "anat"))
        wanted = same_key(entities)
        found = []
        for name in self._listing(folder):
            parsed = bids_entities(stem_of(name) or "")
            if parsed is None or parsed[1] != "mask" or parsed[0].get("desc") != "brain":
                continue
            if parsed[0].get("space") not in OWN_SPACES:
                continue
            if same_key({key: value for key, value in parsed[0].items() if key not in ("desc", "space")}) == wanted:
                found.append(os.path.join(folder, name))  # noqa: PTH118 - text, as in PairFiles
        return found

    def _by_path(self, root: Path, folder: str, stem: str) -> list[str]:
        place = str(root / folder)
        wanted = {stem + ending for ending in MASK_ENDINGS}
        return [str(Path(place, name)) for name in self._listing(place) if stem_of(name) in wanted]

    def _listing(self, folder: str) -> list[str]:
        if folder not in self._listings:
            if len(self._listings) > 10_000:  # scans come folder by folder; what lies behind is not asked again
                self._listings.clear()
            try:
                self._listings[folder] = sorted(entry.name for entry in os.scandir(folder))
            except (FileNotFoundError, NotADirectoryError):
                self._listings[folder] = []
        return self._listings[folder]


def mask_beside(original: Path) -> Path | None:
    """The brain mask that a derivative of the data set holds for an original, or one that lies beside the image.

    The data set is the innermost folder around the original with a ``dataset_description.json``.

    Raises
    ------
    InputError
        Several masks fit.
    """
    original = original.absolute()
    stem = stem_of(original.name)
    if stem is None or bids_entities(stem) is None:
        return None
    roots = [folder for folder in original.parents if (folder / DESCRIPTION).is_file()]
    for root in roots[:1]:
        masks = BrainMasks((root, *brain_masks(root, None).folders))
        found = masks.find(str(original.parent.relative_to(root)), stem)
        return None if found is None else Path(found)
    return None


def brain_masks(data_set: Path, named: Path | None) -> BrainMasks:
    """Where to look: in the folder the user names, else in each derivative of the data set.

    Raises
    ------
    InputError
        The named folder does not exist.
    """
    if named is not None:
        if not named.is_dir():
            raise InputError(f"The folder of brain masks {named.name} was not found; check --brain-mask-dir.")
        return BrainMasks((named,))
    try:
        folders = sorted(path for path in (data_set / "derivatives").iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        folders = []
    return BrainMasks(tuple(folders))

