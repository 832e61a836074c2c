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
from defaceqa.training import artefact, held_out, pictures, report, results
from defaceqa.training import columns as column_facts
from defaceqa.training.candidates import CANDIDATES, Rows, fit
from defaceqa.training.folds import Fold, fold_numbers, grouped_folds
from defaceqa.training.nested import Chosen, choose, tested_fold
from defaceqa.training.selection import Selection, select
from defaceqa.training.table import TrainingTable, header, read_table

Floats = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and the name of the step just done."""

OWN_SET = "defaceqa"
"""Name, in the tables of scores, of the set the shipped model uses: selected anew in the inner loop of every fold."""

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
    sets: Mapping[str, tuple[str, ...]] | None
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
    notices : tuple of str
        What a person should know besides.
    """

    folder: Path
    card: Card
    scores: tuple[Mapping[str, Any], ...]
    notices: tuple[str, ...] = ()

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
        Other feature sets to report on the same folds; by default those of `columns.published_sets`.
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
        sets=None if beside is None else {name: tuple(names) for name, names in beside.items()},
        directions=column_facts.monotone_directions() if directions is None else directions,
        kinds=_checked_kinds(kinds),
        seed=seed,
        n_outer=n_outer,
        n_inner=n_inner,
        max_miss_rate=max_miss_rate,
        max_false_fail_rate=max_false_fail_rate,
    )
    table = _read(table_path, settings)
    sets = _sets(table, settings)
    folds = grouped_folds(table.labels, table.groups, n_outer, seed, "outer fold")
    numbers = fold_numbers(folds, len(table.labels))
    step = _steps(len(folds) + 1 + (len(sets) + 1) * len(settings.kinds) * len(folds) + 3, progress)
    selections = _select(table, folds, settings, n_jobs, step)
    predicted = _out_of_fold(table, folds, sets, selections, settings, n_jobs, step)
    kind = results.shipped_kind(table, predicted, OWN_SET, settings.kinds, seed)
    kept = selections[-1].columns
    text, chosen = _final_model(table, kind, kept, settings)
    scores = results.score_rows(table, predicted, numbers, (OWN_SET, kind), seed)
    probabilities = predicted[OWN_SET, kind]
    thresholds = _thresholds(table, probabilities, settings)
    crossed = _crossed(table, probabilities, numbers, settings)
    step("shipped model")
    held_out_rows = _held_out(table, kind, kept, chosen, thresholds, numbers, settings, n_jobs)
    step("leaving out methods and people")
    card = _card(table, settings, kind, text, chosen, kept, selections, thresholds, crossed, scores, numbers, version)
    tables = {
        "scores": scores,
        "breakdown": results.breakdown_rows(table, probabilities, thresholds, criterion),
        "held_out": held_out_rows,
        "calibration": evaluation.calibration_curve(table.labels, probabilities, table.groups, seed=seed),
        "selection": _selection_rows(settings.columns, selections),
    }
    files = {
        artefact.ARTEFACT: text,
        **{f"{name}.tsv": artefact.table_text(rows) for name, rows in tables.items()},
        "oof.tsv": artefact.table_text(results.out_of_fold_rows(table, predicted, numbers)),
        "REPORT.md": report.report(card, tables),
        "card.json": card.to_json(),
    }
    folder = Path(out) / criterion
    artefact.write_folder(folder, files)
    notices = pictures.draw(folder, table, settings.columns, predicted, (OWN_SET, kind), tables)
    step("pictures")
    return TrainingResult(folder, card, tuple(scores), notices)


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
    published = [name for name in (*column_facts.PAPER_7, *PAPER_4) if name in present]
    asked = published if settings.sets is None else [name for names in settings.sets.values() for name in names]
    table = read_table(table_path, settings.criterion, list(dict.fromkeys([*settings.columns, *asked, *rules])))
    empty = [name for name in settings.columns if np.isnan(table.select([name])).all()]
    if empty:
        raise LabelError(f"{empty[0]} is undefined in every row of {Path(table_path).name}; leave that column out.")
    return table.with_methods()


def _sets(table: TrainingTable, settings: Settings) -> dict[str, tuple[str, ...]]:
    """Feature sets reported beside the own one."""
    if settings.sets is not None:
        return dict(settings.sets)
    return column_facts.published_sets(settings.columns, table.columns, table.method_columns)


def _steps(total: int, progress: Progress | None) -> Callable[[str], None]:
    """Counts steps for a bar."""
    done = 0

    def step(name: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total, name)

    return step


def _select(
    table: TrainingTable, folds: Sequence[Fold], settings: Settings, n_jobs: int, step: Callable[[str], None]
) -> list[Selection]:
    """Columns of the own set for each outer fold's training rows, and last for all rows."""
    from joblib import Parallel, delayed

    rows, constraints = _rows(table, settings.columns), _constraints(settings.columns, settings)
    parts = [*(rows.take(train) for train, _ in folds), rows]
    found = []
    for selection in Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(select)(part, settings.columns, constraints, settings.n_inner, settings.seed) for part in parts
    ):
        found.append(selection)
        step("selecting features")
    return found


def _selection_rows(columns: Sequence[str], selections: Sequence[Selection]) -> list[dict[str, Any]]:
    """How often each column was kept, its importance over the outer folds, and whether the shipped model reads it."""
    rows = []
    for name in columns:
        values = np.array([found.importance[name] for found in selections[:-1]])
        rows.append(
            {
                "feature": name,
                "folds_kept": sum(name in found.columns for found in selections[:-1]),
                "shipped": "yes" if name in selections[-1].columns else "no",
                "importance_mean": float(values.mean()),
                "importance_sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
            }
        )
    return sorted(rows, key=lambda row: (-row["importance_mean"], row["feature"]))


def _rows(table: TrainingTable, columns: Sequence[str]) -> Rows:
    return Rows(table.select(columns), table.labels, table.weights, table.groups)


def _constraints(columns: Sequence[str], settings: Settings) -> list[int]:
    return [settings.directions.get(name, 0) for name in columns]


def _out_of_fold(
    table: TrainingTable,
    folds: Sequence[Fold],
    sets: Mapping[str, tuple[str, ...]],
    selections: Sequence[Selection],
    settings: Settings,
    n_jobs: int,
    step: Callable[[str], None],
) -> dict[tuple[str, str], Floats]:
    """Calibrated out-of-fold probabilities for every feature set and kind."""
    from joblib import Parallel, delayed

    names = [OWN_SET, *sets]
    tasks = [(name, kind, number) for name in names for kind in settings.kinds for number in range(len(folds))]
    columns_of = {(name, n): sets.get(name, selections[n].columns) for name in names for n in range(len(folds))}
    found = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(tested_fold)(
            CANDIDATES[kind],
            _rows(table, columns_of[name, number]),
            _constraints(columns_of[name, number], settings),
            folds[number],
            settings.n_inner,
            settings.seed,
        )
        for name, kind, number in tasks
    )
    predicted = {key: np.full(len(table.labels), np.nan) for key in product(names, settings.kinds)}
    for (name, kind, number), probabilities in zip(tasks, found, strict=True):
        predicted[name, kind][folds[number][1]] = probabilities
        step(f"{kind}, {name}")
    return predicted


def _final_model(table: TrainingTable, kind: str, kept: Sequence[str], settings: Settings) -> tuple[str, Chosen]:
    """Text of the artefact, fitted on all rows with columns, hyperparameters and sigmoid from folds over all rows."""
    rows, constraints = _rows(table, kept), _constraints(kept, settings)
    chosen = choose(CANDIDATES[kind], rows, constraints, settings.n_outer, settings.seed)
    estimator = fit(CANDIDATES[kind], chosen.parameters, rows, constraints, settings.seed)
    return artefact.artefact_text(kind, estimator, kept), chosen


def _held_out(
    table: TrainingTable,
    kind: str,
    kept: Sequence[str],
    chosen: Chosen,
    thresholds: Thresholds,
    numbers: NDArray[np.int_],
    settings: Settings,
    n_jobs: int,
) -> list[dict[str, Any]]:
    rows, constraints = _rows(table, kept), _constraints(kept, settings)
    shared = (CANDIDATES[kind], chosen.parameters, chosen.calibration, rows, constraints)
    by_method = held_out.leave_one_method_out(*shared, table, numbers, thresholds, settings.seed, n_jobs)
    return by_method + held_out.leave_one_subject_out(*shared, thresholds, settings.seed, n_jobs)


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
    kept: tuple[str, ...],
    selections: Sequence[Selection],
    thresholds: Thresholds,
    crossed: Mapping[str, float],
    scores: Sequence[Mapping[str, Any]],
    numbers: NDArray[np.int_],
    version: str,
) -> Card:
    constraints = _constraints(kept, settings) if kind == "xgb" else [0] * len(kept)
    units = column_facts.units(kept)
    return Card(
        schema_version=SCHEMA_VERSION,
        name=f"defaceqa-{settings.criterion}",
        version=version,
        criterion=settings.criterion,
        kind=kind,
        artefact=artefact.ARTEFACT,
        artefact_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        settings_hash=table.settings_hash,
        columns=artefact.column_cards(kept, table.select(kept), units, constraints),
        calibration=chosen.calibration,
        thresholds=thresholds,
        training=_training_facts(table, settings, chosen, kept, selections, crossed, numbers),
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
    kept: tuple[str, ...],
    selections: Sequence[Selection],
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
        "sources": _counts(table, "source") if "source" in table.identity[0] else {},
        "selected_from": list(settings.columns),
        "selected_in_folds": [list(found.columns) for found in selections[:-1]],
        "thresholds_on_unseen_folds": dict(crossed),
        "out_of_range_share": results.out_of_range_share(table, kept, numbers),
    }


def _counts(table: TrainingTable, column: str) -> dict[str, int]:
    names, counts = np.unique([row[column] for row in table.identity], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
