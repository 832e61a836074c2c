"""Training from a table to a model folder: the whole job in `train`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa import evaluation
from defaceqa.errors import LabelError
from defaceqa.features.table import FACE_FEATURES
from defaceqa.model.card import KINDS, SCHEMA_VERSION, Card, Thresholds
from defaceqa.training import artefact, results
from defaceqa.training import columns as column_facts
from defaceqa.training.candidates import CANDIDATES, Rows, fit
from defaceqa.training.folds import Fold, fold_numbers, grouped_folds
from defaceqa.training.nested import Chosen, choose, tested_fold
from defaceqa.training.table import TrainingTable, header, read_table

Floats = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and the name of the step just done."""

OWN_SET = "defaceqa"
"""Name of the feature set the shipped model uses, in the tables of scores."""

PAPER_4 = column_facts.PAPER_4
monotone_directions = column_facts.monotone_directions

INTENDED_USE = (
    "Judging whether the face in a defaced head MRI is gone, given the original, before data are shared. "
    "It supports the person who is responsible and does not replace them."
)
LIMITS = (
    "A pass is not a proof of anonymity: even well-defaced scans have been matched to photographs.",
    "Labels are those of the people and outcomes counted under training; other scanners, ages and tools may differ.",
    "Values outside the training range are sent to review, not judged.",
)
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Settings:
    """Everything that decides what training gives, apart from the table."""

    criterion: str
    columns: tuple[str, ...]
    sets: Mapping[str, tuple[str, ...]]
    directions: Mapping[str, int]
    kinds: tuple[str, ...]
    seed: int
    n_outer: int
    n_inner: int
    max_miss_rate: float
    max_false_fail_rate: float


@dataclass(frozen=True)
class TrainingResult:
    """What `train` made.

    Attributes
    ----------
    folder : Path
    card : Card
    scores : tuple of mappings
        The rows of ``scores.tsv``.
    """

    folder: Path
    card: Card
    scores: tuple[Mapping[str, Any], ...]

    @property
    def summary(self) -> str:
        """One line: what ships and how well it separates people it has not seen."""
        shipped = next(row for row in self.scores if row["shipped"] == "yes")
        cuts = self.card.thresholds
        return (
            f"{self.folder}: {shipped['model']} on {shipped['features']}, AUROC {shipped['auroc_pooled']:.3f} "
            f"({shipped['auroc_low']:.3f} to {shipped['auroc_high']:.3f}) out of fold; pass up to {cuts.low:.3f}, "
            f"fail from {cuts.high:.3f}, {cuts.review_share:.0%} to review, {cuts.miss_rate:.1%} of insufficient passed"
        )


def train(
    table_path: str | Path,
    out: str | Path,
    criterion: str,
    *,
    columns: Sequence[str] | None = None,
    beside: Mapping[str, Sequence[str]] | None = None,
    directions: Mapping[str, int] | None = None,
    kinds: Sequence[str] = tuple(CANDIDATES),
    seed: int = 0,
    n_outer: int = 5,
    n_inner: int = 3,
    max_miss_rate: float = 0.01,
    max_false_fail_rate: float = 0.01,
    version: str = "1",
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train, test on people not seen, choose thresholds, and write ``out/<criterion>/``.

    Parameters
    ----------
    table_path : str or Path
        Training table, see `table.read_table`.
    out : str or Path
        Folder of models; ``<criterion>`` is made below it and its files are replaced.
    criterion : str
        "lenient" or "strict".
    columns : sequence of str, optional
        Features of the model; by default those of `FACE_FEATURES` that the table has.
    beside : mapping, optional
        Other feature sets to report on the same folds; by default the paper's four, as "paper-4".
    directions : mapping, optional
        +1, -1 or 0 per feature for boosted trees; by default those of `FEATURES`.
    kinds : sequence of str
        Of lr, mlp, rf, xgb; at least one of xgb and lr, the two that can ship.
    seed, n_outer, n_inner : int
    max_miss_rate, max_false_fail_rate : float
        See `evaluation.choose_thresholds`.
    version : str
        Of the model, for its card.
    n_jobs : int
        Processes; the result does not depend on it.
    progress : callable, optional

    Returns
    -------
    TrainingResult
        The same table, settings and library versions give the same bytes.

    Raises
    ------
    LabelError
        The table does not fit, or a fold lacks a label or splits a person.
    """
    settings = Settings(
        criterion=criterion,
        columns=_columns(table_path, columns),
        sets={name: tuple(names) for name, names in (beside if beside is not None else {"paper-4": PAPER_4}).items()},
        directions=column_facts.monotone_directions() if directions is None else directions,
        kinds=_checked_kinds(kinds),
        seed=seed,
        n_outer=n_outer,
        n_inner=n_inner,
        max_miss_rate=max_miss_rate,
        max_false_fail_rate=max_false_fail_rate,
    )
    table = _read(table_path, settings)
    folds = grouped_folds(table.labels, table.groups, n_outer, seed, "outer fold")
    predicted = _out_of_fold(table, folds, settings, n_jobs, progress)
    kind = results.shipped_kind(table, predicted, OWN_SET, settings.kinds, seed)
    text, chosen = _final_model(table, kind, settings)
    numbers = fold_numbers(folds, len(table.labels))
    scores = results.score_rows(table, predicted, numbers, (OWN_SET, kind), seed)
    thresholds = _thresholds(table, predicted[OWN_SET, kind], settings)
    crossed = _crossed(table, predicted[OWN_SET, kind], numbers, settings)
    card = _card(table, settings, kind, text, chosen, thresholds, crossed, scores, numbers, version)
    files = {
        artefact.ARTEFACT: text,
        "scores.tsv": artefact.table_text(scores),
        "oof.tsv": artefact.table_text(results.out_of_fold_rows(table, predicted, numbers)),
        "breakdown.tsv": artefact.table_text(results.breakdown_rows(table, predicted[OWN_SET, kind], thresholds)),
        "card.json": card.to_json(),
    }
    folder = Path(out) / criterion
    artefact.write_folder(folder, files)
    return TrainingResult(folder, card, tuple(scores))


def _columns(table_path: str | Path, columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is not None:
        return tuple(columns)
    present = header(table_path)
    return tuple(name for name in FACE_FEATURES if name in present)


def _checked_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    unknown = [kind for kind in kinds if kind not in CANDIDATES]
    if unknown:
        raise LabelError(f"Unknown kind of model {unknown[0]!r}; expected some of {', '.join(CANDIDATES)}.")
    if not set(kinds) & set(KINDS):
        raise LabelError(f"None of {', '.join(kinds)} can be shipped; add {' or '.join(KINDS)}.")
    return tuple(kinds)


def _read(table_path: str | Path, settings: Settings) -> TrainingTable:
    present = header(table_path)
    rules = [name for name in evaluation.BASELINES.values() if name in present]
    wanted = [*settings.columns, *(name for names in settings.sets.values() for name in names), *rules]
    table = read_table(table_path, settings.criterion, list(dict.fromkeys(wanted)))
    empty = [name for name in settings.columns if np.isnan(table.select([name])).all()]
    if empty:
        raise LabelError(f"{empty[0]} is undefined in every row of {Path(table_path).name}; leave that column out.")
    return table


def _rows(table: TrainingTable, columns: Sequence[str]) -> Rows:
    return Rows(table.select(columns), table.labels, table.weights, table.groups)


def _constraints(columns: Sequence[str], settings: Settings) -> list[int]:
    return [settings.directions.get(name, 0) for name in columns]


def _out_of_fold(
    table: TrainingTable, folds: Sequence[Fold], settings: Settings, n_jobs: int, progress: Progress | None
) -> dict[tuple[str, str], Floats]:
    """Calibrated out-of-fold probabilities for every feature set and kind."""
    from joblib import Parallel, delayed

    sets = {OWN_SET: settings.columns, **settings.sets}
    tasks = [(name, kind, fold) for (name, kind), fold in product(product(sets, settings.kinds), folds)]
    found = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(tested_fold)(
            CANDIDATES[kind],
            _rows(table, sets[name]),
            _constraints(sets[name], settings),
            fold,
            settings.n_inner,
            settings.seed,
        )
        for name, kind, fold in tasks
    )
    predicted = {key: np.full(len(table.labels), np.nan) for key in product(sets, settings.kinds)}
    for done, ((name, kind, (_, test)), probabilities) in enumerate(zip(tasks, found, strict=True), start=1):
        predicted[name, kind][test] = probabilities
        if progress:
            progress(done, len(tasks), f"{kind}, {name}")
    return predicted


def _final_model(table: TrainingTable, kind: str, settings: Settings) -> tuple[str, Chosen]:
    """Text of the artefact, fitted on all rows with hyperparameters and sigmoid from folds over all rows."""
    rows, constraints = _rows(table, settings.columns), _constraints(settings.columns, settings)
    chosen = choose(CANDIDATES[kind], rows, constraints, settings.n_outer, settings.seed)
    estimator = fit(CANDIDATES[kind], chosen.parameters, rows, constraints, settings.seed)
    return artefact.artefact_text(kind, estimator, settings.columns), chosen


def _thresholds(table: TrainingTable, probabilities: Floats, settings: Settings) -> Thresholds:
    return evaluation.choose_thresholds(
        table.labels,
        probabilities,
        table.groups,
        max_miss_rate=settings.max_miss_rate,
        max_false_fail_rate=settings.max_false_fail_rate,
        seed=settings.seed,
    )


def _crossed(
    table: TrainingTable, probabilities: Floats, numbers: NDArray[np.int_], settings: Settings
) -> dict[str, float]:
    return evaluation.crossed_threshold_cost(
        table.labels,
        probabilities,
        table.groups,
        numbers,
        max_miss_rate=settings.max_miss_rate,
        max_false_fail_rate=settings.max_false_fail_rate,
    )


def _card(
    table: TrainingTable,
    settings: Settings,
    kind: str,
    text: str,
    chosen: Chosen,
    thresholds: Thresholds,
    crossed: Mapping[str, float],
    scores: Sequence[Mapping[str, Any]],
    numbers: NDArray[np.int_],
    version: str,
) -> Card:
    constraints = _constraints(settings.columns, settings) if kind == "xgb" else [0] * len(settings.columns)
    units = column_facts.units(settings.columns)
    return Card(
        schema_version=SCHEMA_VERSION,
        name=f"defaceqa-{settings.criterion}",
        version=version,
        criterion=settings.criterion,
        kind=kind,
        artefact=artefact.ARTEFACT,
        artefact_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        settings_hash=table.settings_hash,
        columns=artefact.column_cards(settings.columns, table.select(settings.columns), units, constraints),
        calibration=chosen.calibration,
        thresholds=thresholds,
        training=_training_facts(table, settings, chosen, crossed, numbers),
        scores=tuple(scores),
        packages=artefact.package_versions(),
        intended_use=INTENDED_USE,
        limits=LIMITS,
        licence=LICENCE,
    )


def _training_facts(
    table: TrainingTable,
    settings: Settings,
    chosen: Chosen,
    crossed: Mapping[str, float],
    numbers: NDArray[np.int_],
) -> dict[str, Any]:
    return {
        "table_sha256": table.sha256,
        "group_key": "subject",
        "rows": len(table.labels),
        "subjects": len(np.unique(table.groups)),
        "insufficient": int(table.labels.sum()),
        "outcomes": _counts(table, "outcome"),
        "methods": _counts(table, "method"),
        "hyperparameters": dict(chosen.parameters),
        "seed": settings.seed,
        "n_outer": settings.n_outer,
        "n_inner": settings.n_inner,
        "thresholds_on_unseen_folds": dict(crossed),
        "out_of_range_share": results.out_of_range_share(table, settings.columns, numbers),
    }


def _counts(table: TrainingTable, column: str) -> dict[str, int]:
    names, counts = np.unique([row[column] for row in table.identity], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
