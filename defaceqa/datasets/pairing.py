"""What pairing yields: pairs with a name each, and what found no partner."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from defaceqa.datasets.scan_name import ScanName
from defaceqa.errors import InputError

SHOWN = 10
"""As many conflicts are named in one message; a data set with more is wrong in one way, many times."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The files of one pair, none of them opened yet.

    Parameters
    ----------
    original, defaced : str
        Paths. Text and not Path objects: a list of a million pairs must fit into memory.
    name : ScanName
        Unique in the data set; the record is called after it.
    brain_mask : str or None
    method : str or None
        Defacing tool.
    """

    original: str
    defaced: str
    name: ScanName
    brain_mask: str | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Unpaired:
    """A file without partner.

    Parameters
    ----------
    file : str
        Path, relative to the folder or table where it was found.
    role : {"original", "defaced"}
    reason : str
    name : ScanName
    """

    file: str
    role: str
    reason: str
    name: ScanName


@dataclass(frozen=True)
class Pairing:
    """All pairs of a data set, sorted by name, and all files that have no partner.

    Parameters
    ----------
    pairs : tuple of PairFiles
    unpaired : tuple of Unpaired
    """

    pairs: tuple[PairFiles, ...]
    unpaired: tuple[Unpaired, ...] = ()


def sorted_pairing(pairs: Iterable[PairFiles], unpaired: Iterable[Unpaired], remedy: str) -> Pairing:
    """Sort by name, so that the order of listing changes nothing, and refuse names that occur twice.

    Raises
    ------
    InputError
        Two pairs, or a pair and a defaced scan without original, would share one record.
    """
    made = tuple(sorted(pairs, key=lambda pair: pair.name))
    rest = tuple(sorted(unpaired, key=lambda scan: (scan.role, scan.file)))
    named: dict[str, list[str]] = defaultdict(list)
    for pair in made:
        named[pair.name.text].append(pair.defaced)
    for scan in rest:
        if scan.role == "defaced":
            named[scan.name.text].append(scan.file)
    refuse_ambiguity({name: files for name, files in named.items() if len(files) > 1}, "the same scan", remedy)
    return Pairing(made, rest)


def refuse_ambiguity(conflicts: Mapping[str, Sequence[str]], what: str, remedy: str) -> None:
    """Raise when something has more than one candidate, and list the candidates.

    Parameters
    ----------
    conflicts : mapping
        Candidates by the name of what they are candidates for.
    what : str
        What they would be.
    remedy : str
        What to do.

    Raises
    ------
    InputError
    """
    if not conflicts:
        return
    lines = [f"{name}: {', '.join(map(os.fspath, sorted(files)))}" for name, files in sorted(conflicts.items())[:SHOWN]]
    more = f"; and {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
    raise InputError(f"Several files would be {what}; expected one each: {'; '.join(lines)}{more}. {remedy}")
