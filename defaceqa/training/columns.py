"""Which features a model is given, and which way each may push it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from defaceqa.features.table import FEATURES, PAPER_FEATURES

PAPER_4: tuple[str, ...] = PAPER_FEATURES
"""The published method-free set, reported beside every model on the same folds."""

_CONSTRAINT = {"more face left": 1, "less face left": -1}


def monotone_directions() -> dict[str, int]:
    """Direction of every feature of the table: +1 where more of it means more face left, -1 the opposite, else 0.

    A model held to them cannot be talked into a pass by more of the face being there.
    """
    return {name: _CONSTRAINT.get(feature.direction, 0) for name, feature in FEATURES.items()}


def units(columns: Sequence[str]) -> Mapping[str, str]:
    """Unit of each column; a column that is not in the table of features counts as a pure number."""
    return {name: FEATURES[name].unit if name in FEATURES else "1" for name in columns}
