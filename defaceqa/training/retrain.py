"""The job of ``defaceqa train``: the shipped table, or a user's, or both together, into models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from defaceqa.model import load_model
from defaceqa.shipped import shipped_training_table
from defaceqa.training.own import HUMAN_WEIGHT, compare, merge
from defaceqa.training.run import Progress, train

MERGED = "training.tsv"


def retrain(
    table: Path | None,
    out: Path,
    *,
    own: Path | None = None,
    labels: Path | None = None,
    own_weight: float = HUMAN_WEIGHT,
    criteria: Sequence[str] = ("lenient", "strict"),
    max_miss_rate: float = 0.01,
    max_false_fail_rate: float = 0.01,
    seed: int = 0,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> list[str]:
    """Train one model per criterion; with own pairs, say whether it is better than the shipped one on them.

    Parameters
    ----------
    table : Path or None
        Training table; the shipped one when None.
    out : Path
        Folder of models; with own pairs the merged table is kept there as ``training.tsv``.
    own, labels : Path, optional
        See :func:`defaceqa.training.own.merge`.
    own_weight : float
    criteria : sequence of str
    max_miss_rate, max_false_fail_rate : float
    seed, n_jobs : int
    progress : callable, optional

    Returns
    -------
    list of str
        Lines for a person.

    Raises
    ------
    LabelError, ModelError
    """
    source = table or shipped_training_table()
    lines: list[str] = []
    if own is not None:
        merged = out / MERGED
        lines += merge(own, source, merged, labels, own_weight)
        source = merged
    for criterion in criteria:
        result = train(
            source, out, criterion, seed=seed, n_jobs=n_jobs, progress=progress, max_miss_rate=max_miss_rate,
            max_false_fail_rate=max_false_fail_rate,
        )  # fmt: skip
        lines += [result.summary, *result.notices]
        if own is not None:
            lines.append(compare(source, own, load_model(criterion), criterion, seed=seed).verdict)
    return list(dict.fromkeys(lines))
