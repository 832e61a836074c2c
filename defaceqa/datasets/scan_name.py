"""File names: BIDS entities and marks of defacing in them, and the name a scan is recorded under."""

from __future__ import annotations

import re
from dataclasses import dataclass

ENDINGS = (".nii.gz", ".nii", ".mgz", ".mgh")
"""Image files are found by these; the longer first."""

DEFACED_MARKS = frozenset({"defaced", "desc-defaced", "rec-defaced"})
"""Parts of a file name, between underscores, that say: this is the defaced version."""

ENTITY_ORDER = (
    "sub", "ses", "task", "acq", "ce", "trc", "rec", "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "space",
    "res", "desc",
)  # fmt: skip
"""BIDS writes entities in this order."""

INDICES = frozenset({"run", "echo", "flip", "inv"})
"""Entities that are numbers: run-1 and run-01 are one run."""

MODALITIES = {"t1": "T1w", "t1w": "T1w", "t2": "T2w", "t2w": "T2w", "flair": "FLAIR", "pd": "PDw", "pdw": "PDw"}

_ENTITY = re.compile(r"([A-Za-z]+)-([A-Za-z0-9+]+)")


@dataclass(frozen=True, slots=True, order=True)
class ScanName:
    """A scan's name in BIDS form, made up from what is known when the files are named otherwise.

    Parameters
    ----------
    entities : tuple of (str, str)
        Short key and value, in BIDS order; the first is ``sub``.
    modality : str
        BIDS suffix: T1w, T2w, FLAIR ...
    """

    entities: tuple[tuple[str, str], ...]
    modality: str

    @property
    def text(self) -> str:
        """As in a file name: ``sub-01_ses-2_T1w``."""
        return "_".join([*(f"{key}-{value}" for key, value in self.entities), self.modality])

    @property
    def subject(self) -> str:
        """Label without ``sub-``."""
        return self.get("sub") or ""

    @property
    def session(self) -> str | None:
        """Label without ``ses-``, or None."""
        return self.get("ses")

    def get(self, key: str) -> str | None:
        """Value of an entity, or None."""
        return next((value for name, value in self.entities if name == key), None)

    def with_entity(self, key: str, value: str) -> ScanName:
        """The name with one entity set; one that is there already is kept in front of the new value."""
        found = dict(self.entities)
        found[key] = found.get(key, "") + value
        return scan_name(found, self.modality)


def scan_name(entities: dict[str, str], modality: str) -> ScanName:
    """Name from entities in any order; unknown ones go before ``desc``."""
    rank = {key: place for place, key in enumerate(ENTITY_ORDER)}
    unknown = rank["desc"] - 0.5
    return ScanName(tuple(sorted(entities.items(), key=lambda item: (rank.get(item[0], unknown), item[0]))), modality)


def stem_of(file_name: str) -> str | None:
    """File name without its ending; None when it is no image."""
    lowered = file_name.lower()
    for ending in ENDINGS:
        if lowered.endswith(ending):
            return file_name[: -len(ending)]
    return None


def without_mark(stem: str) -> tuple[str, bool]:
    """A stem without its marks of defacing, and whether there was one."""
    parts = stem.split("_")
    plain = [part for part in parts if part.lower() not in DEFACED_MARKS]
    return "_".join(plain), len(plain) < len(parts)


def bids_entities(stem: str) -> tuple[dict[str, str], str | None] | None:
    """Entities and suffix of a BIDS name; None when it is not one (it must begin with ``sub-``)."""
    *front, last = stem.split("_")
    found = [_ENTITY.fullmatch(part) for part in front]
    suffix: str | None = last
    closing = _ENTITY.fullmatch(last)
    if closing is not None:
        found.append(closing)
        suffix = None
    entities = {match[1]: match[2] for match in found if match}
    if len(entities) < len(found) or "sub" not in entities or not stem.startswith("sub-"):
        return None
    return entities, suffix


def same_key(entities: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Entities for comparison: any order, and numbers without leading zeros."""
    plain = {key: value.lstrip("0") or "0" if key in INDICES else value for key, value in entities.items()}
    return tuple(sorted(plain.items()))


def label(text: str) -> str:
    """Letters and digits only, as BIDS wants labels."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def modality_of(stem: str, default: str) -> str:
    """Modality that a name not in BIDS form mentions last (T1, T2, FLAIR, PD), else the default."""
    words = re.split(r"[^A-Za-z0-9]+", stem.lower())
    return next((MODALITIES[word] for word in reversed(words) if word in MODALITIES), default)
