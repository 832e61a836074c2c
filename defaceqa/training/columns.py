"""Which features a model is given, and which way each may push it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from defaceqa.features.table import FEATURES, PAPER_FEATURES

PAPER_4: tuple[str, ...] = PAPER_FEATURES
"""The published method-free set, reported beside every model on the same folds."""

PAPER_7: tuple[str, ...] = (
    "fsim_mean", "ssim_mean", "rmse_mean", "psnr_mean", "head_removed_fraction", "brain_removed_fraction",
    "brain_to_head_ratio",
)  # fmt: skip
"""The published set before selection, without the method."""

METHOD = "method:"
"""How the columns that say which method was used begin: 1 where it was, else 0."""

_CONSTRAINT = {"more face left": 1, "less face left": -1}


def monotone_directions() -> dict[str, int]:
    """Direction of every feature of the table: +1 where more of it means more face left, -1 the opposite, else 0.

    A model held to them cannot be talked into a pass by more of the face being there.
    """
    return {name: _CONSTRAINT.get(feature.direction, 0) for name, feature in FEATURES.items()}


def published_sets(own: Sequence[str], present: Sequence[str], methods: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Feature sets reported beside the model's own, as far as the table has their columns.

    Parameters
    ----------
    own : sequence of str
        Columns the model may choose from.
    present : sequence of str
        Columns of the table.
    methods : sequence of str
        Method columns.

    Returns
    -------
    dict
        ``paper-4``; with ``paper-8`` and ``paper-11`` (the paper's counts, of four methods) the methods are known, as
        they are in ``defaceqa+method``; ``defaceqa-all`` is the own set before selection.
    """
    known = tuple(methods)
    sets = {"defaceqa-all": tuple(own), "paper-4": PAPER_4}
    if known:
        sets |= {"defaceqa+method": (*own, *known), "paper-8": (*PAPER_4, *known), "paper-11": (*PAPER_7, *known)}
    return {name: names for name, names in sets.items() if all(n in present or n in known for n in names)}


def units(columns: Sequence[str]) -> Mapping[str, str]:
    """Unit of each column; a column that is not in the table of features counts as a pure number."""
    return {name: FEATURES[name].unit if name in FEATURES else "1" for name in columns}
