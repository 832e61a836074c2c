"""Many defacings of one head, each with its truth."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from defaceqa.simulation.external_tools import command_line
from defaceqa.simulation.face import prepare_face
from defaceqa.simulation.outcome import Tendency
from defaceqa.simulation.outcomes import OUTCOMES
from defaceqa.simulation.real_tools import ToolFailedError, ToolMissingError
from defaceqa.simulation.truth import Truth, truth, yardstick
from defaceqa.volumes import Volume

log = logging.getLogger(__name__)

ALWAYS = ("untouched", "pydeface", "quickshear")
"""Outcomes made of every head that gives more than ``FEW`` pairs."""

FEW = 7

SHARES: Mapping[Tendency, float] = {"good": 0.22, "borderline": 0.50, "poor": 0.18, "brain": 0.10}
"""How the other outcomes are drawn: the borderline is where a gate earns its keep."""


@dataclass(frozen=True)
class Defacing:
    """One controlled defacing of one head.

    Parameters
    ----------
    outcome, method : str
        Names in ``OUTCOMES``.
    defaced : Volume
        On the original's grid.
    truth : Truth
    """

    outcome: str
    method: str
    defaced: Volume
    truth: Truth


def choose_outcomes(count: int, seed: int) -> list[str]:
    """Draw outcomes for one head, the borderline dense, none twice before all were drawn once.

    Parameters
    ----------
    count : int
        How many, those of ``ALWAYS`` included; any number.
    seed : int

    Returns
    -------
    list of str
    """
    generator = np.random.default_rng(seed)
    always = ALWAYS if count > FEW else ()
    others = [outcome for outcome in OUTCOMES.values() if outcome.name not in always and outcome.tool is None]
    held = {tendency: sum(o.tendency == tendency for o in others) for tendency in SHARES}
    weights = np.array([SHARES[o.tendency] / held[o.tendency] for o in others])
    chosen = list(always)
    while len(chosen) < count:
        wanted = min(count - len(chosen), len(others))
        drawn = generator.choice(len(others), wanted, replace=False, p=weights / weights.sum())
        chosen += [others[index].name for index in sorted(drawn)]
    return chosen


def installed_tools() -> tuple[list[str], list[str]]:
    """Outcomes of external tools that are on PATH, and the programs of those that are not."""
    found, missing = [], []
    for outcome in OUTCOMES.values():
        if outcome.tool is not None:
            try:
                command_line(outcome.tool, Path(), Path())
            except ToolMissingError:
                missing.append(outcome.tool)
            else:
                found.append(outcome.name)
    return found, missing


def simulate_head(
    volume: Volume,
    landmarks_mm: Mapping[str, ArrayLike],
    brain: NDArray[np.bool_],
    outcomes: Iterable[str],
    seed: int,
    *,
    brain_trusted: bool = True,
) -> Iterator[Defacing]:
    """Deface one head in many controlled ways.

    Parameters
    ----------
    volume : Volume
        An original with a face.
    landmarks_mm : mapping
        Careful landmarks in grid mm; absent or NaN when outside the field of view.
    brain : ndarray of bool, shape of ``volume``
        Brain mask, which good defacings spare.
    outcomes : iterable of str
        Names in ``OUTCOMES``, which may repeat; a real tool that is not installed is skipped with a notice in the log.
    seed : int
        The same seed gives the same defacings, whatever other outcomes are asked for.
    brain_trusted : bool
        Whether the mask is good enough to say how much brain was removed.

    Yields
    ------
    Defacing

    Raises
    ------
    InputError
        The landmarks do not show where the face is.
    """
    face = prepare_face(volume, landmarks_mm, brain)
    original = yardstick(volume, landmarks_mm, brain if brain_trusted else None)
    times: Counter[str] = Counter()
    for name in outcomes:
        outcome = OUTCOMES[name]
        again = [times[name]] if times[name] else []
        times[name] += 1
        generator = np.random.default_rng([seed, zlib.crc32(name.encode()), *again])
        try:
            data = outcome.make(face, generator)
        except (ToolMissingError, ToolFailedError) as error:
            log.warning("%s skipped: %s", name, error)
            continue
        yield Defacing(name, outcome.method, Volume(data, volume.affine), truth(original, data, seen=outcome.seen))
