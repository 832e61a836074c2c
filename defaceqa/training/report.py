"""The tables of a training as Markdown, laid out as the paper's Tables 1 and 3, and what else a reader asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from defaceqa.model.card import Card

Rows = Sequence[Mapping[str, Any]]

PAPER_SCORES = {
    "accuracy": "accuracy", "specificity": "specificity", "sensitivity": "sensitivity", "precision": "precision",
    "auroc": "AUROC",
}  # fmt: skip
"""Columns of the paper's tables."""

METHODS_TELL = (
    "Where pairs were made by controlled defacing, methods are kinds of outcome, some of which nearly always fail: "
    "knowing them tells more than the name of a tool would in practice."
)

WITH_METHOD = ("defaceqa+method", "paper-11", "paper-8")
MODEL_WORDS = {"lr": "LR", "mlp": "MLP", "rf": "RF", "xgb": "XGB", "rule": "rule"}


def report(card: Card, tables: Mapping[str, Rows]) -> str:
    """Everything a training found out, as one Markdown page.

    Parameters
    ----------
    card : Card
    tables : mapping
        ``scores``, ``breakdown``, ``held_out``, ``calibration``, ``selection``: rows as written to the TSV files.

    Returns
    -------
    str
    """
    parts = [
        _head(card),
        "## Table 1: with the defacing method\n\n" + paper_table(tables["scores"], with_method=True),
        METHODS_TELL,
        "## Table 3: without the method\n\n" + paper_table(tables["scores"], with_method=False),
        method_line(tables["scores"]),
        "## Intervals\n\n" + _intervals(tables["scores"]),
        "## Thresholds\n\n" + _thresholds(card),
        "## Selected features\n\n" + _selection(tables["selection"]),
        "## Calibration\n\n" + _calibration(tables["calibration"]),
        "## Left out\n\n" + _held_out(tables["held_out"]),
        "## By kind of pair\n\n" + _breakdown(tables["breakdown"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def paper_table(scores: Rows, *, with_method: bool) -> str:
    """Mean (sd) over the outer folds, one row per feature set and model, in the paper's columns."""
    rows = [row for row in scores if (row["features"] in WITH_METHOD) == with_method]
    if not rows:
        return "The table names one method only, or none: there is nothing to tell apart."
    body = [
        [
            str(row["features"]) + (" **(shipped)**" if row["shipped"] == "yes" else ""),
            MODEL_WORDS[str(row["model"])],
            *(_mean_sd(row, name) for name in PAPER_SCORES),
        ]
        for row in rows
    ]
    return table(["features", "model", *PAPER_SCORES.values()], body)


def method_line(scores: Rows) -> str:
    """Whether knowing the method helps, judged by the intervals of the same kind of model."""
    pooled = {(row["features"], row["model"]): row for row in scores}
    kind = next((row["model"] for row in scores if row["shipped"] == "yes"), "xgb")
    known, plain = pooled.get(("defaceqa+method", kind)), pooled.get(("defaceqa-all", kind))
    if known is None or plain is None:
        return ""
    gain = known["auroc_pooled"] - plain["auroc_pooled"]
    apart = known["auroc_low"] > plain["auroc_high"] or known["auroc_high"] < plain["auroc_low"]
    words = ("helps" if gain > 0 else "harms") if apart else "makes no difference beyond chance"
    return (
        f"Knowing the method {words}: AUROC {known['auroc_pooled']:.3f} with it, {plain['auroc_pooled']:.3f} without "
        f"({MODEL_WORDS[kind]} on the same features). The shipped model does not ask for it."
    )


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Lay cells out as a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def _head(card: Card) -> str:
    facts = card.training
    return (
        f"# {card.name}\n\n{facts['rows']} pairs of {facts['subjects']} people, {facts['insufficient']} insufficient. "
        f"Nested stratified group {facts['n_outer']}-fold, people kept apart; the inner {facts['n_inner']}-fold "
        "chooses features and hyperparameters, the outer one only tests. Insufficient is the positive class. Written "
        "by `defaceqa train`; the same numbers stand in the `.tsv` files beside this page."
    )


def _intervals(scores: Rows) -> str:
    body = [
        [str(row["features"]), MODEL_WORDS[str(row["model"])],
         *(f"{_number(row[f'{name}_low'])}–{_number(row[f'{name}_high'])}" for name in ("auroc", "pr_auc", "brier"))]
        for row in scores
    ]  # fmt: skip
    lead = "95 % intervals of the pooled out-of-fold probabilities, people resampled.\n\n"
    return lead + table(["features", "model", "AUROC", "area under precision-recall", "Brier"], body)


def _thresholds(card: Card) -> str:
    cuts, crossed = card.thresholds, card.training["thresholds_on_unseen_folds"]
    return (
        f"Pass up to {cuts.low:.4f}, fail from {cuts.high:.4f}, chosen so that at most {cuts.max_miss_rate:.1%} of the "
        f"insufficient pairs pass and {cuts.max_false_fail_rate:.1%} of the sufficient ones fail.\n\n"
        + table(
            ["", "insufficient passed", "sufficient failed", "to review"],
            [
                ["on the pairs the cuts were chosen from", _percent(cuts.miss_rate), _percent(cuts.false_fail_rate),
                 _percent(cuts.review_share)],
                ["each fold with the cuts of the others", _percent(crossed["miss_rate"]),
                 _percent(crossed["false_fail_rate"]), _percent(crossed["review_share"])],
            ],
        )
    )  # fmt: skip


def _selection(rows: Rows) -> str:
    body = [
        [str(row["feature"]), str(row["folds_kept"]), str(row["shipped"]),
         f"{_number(row['importance_mean'])} ({_number(row['importance_sd'])})"]
        for row in rows
    ]  # fmt: skip
    lead = "Importance: loss of AUROC on held-out people when the feature is shuffled, mean (sd) over outer folds.\n\n"
    return lead + table(["feature", "outer folds that kept it", "shipped", "importance"], body)


def _calibration(rows: Rows) -> str:
    body = [
        [f"{row['predicted']:.3f}", f"{row['found']:.3f}", f"{_number(row['found_low'])}–{_number(row['found_high'])}",
         str(int(row["pairs"]))]
        for row in rows
    ]  # fmt: skip
    return table(["predicted", "found insufficient", "95 % interval", "pairs"], body)


def _held_out(rows: Rows) -> str:
    lead = (
        "Models that saw neither the person nor the method (rows of `method`), or all people but one (`subject`); "
        "settings and thresholds of the shipped model.\n\n"
    )
    return lead + _kinds(rows, "left_out")


def _breakdown(rows: Rows) -> str:
    return _kinds(rows, "by")


def _kinds(rows: Rows, first: str) -> str:
    body = [
        [str(row[first]), str(row["kind"]), str(row["pairs"]), str(row["insufficient"]), _number(row["auroc"]),
         _percent(row["miss_rate"]), _percent(row["false_fail_rate"]), _percent(row["review_share"])]
        for row in rows
    ]  # fmt: skip
    header = [first.replace("_", " "), "kind", "pairs", "insufficient", "AUROC"]
    return table([*header, "insufficient passed", "sufficient failed", "to review"], body)


def _mean_sd(row: Mapping[str, Any], name: str) -> str:
    return f"{_number(row[f'{name}_mean'])} ({_number(row[f'{name}_sd'])})"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"
