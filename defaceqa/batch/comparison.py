"""Several defacing methods on the same subjects: how often each passes, what it costs the brain, what it leaves."""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defaceqa.batch.gate import read_table
from defaceqa.batch.group import UNDEFINED, UNJUDGED, cell, tsv_writer
from defaceqa.datasets.scan_name import bids_entities, label, scan_name
from defaceqa.errors import InputError

Floats = NDArray[np.float64]
Interval = tuple[float, float]

NEEDED = ("bids_name", "subject", "method", "verdict", "brain", "brain_removed_ml")
REGION = "residual_"
RESAMPLES = 2000
CONFIDENCE = 0.95
SEED = 0
NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Scan:
    """What is compared of one row.

    Parameters
    ----------
    key : str
        Name of the scan without the method: two methods on one scan share it.
    subject, verdict : str
    brain_cut : bool or None
        None when the brain was not judged.
    brain_ml : float
        Removed brain; NaN unknown.
    residuals : tuple of float
        One for each region, NaN unknown.
    """

    key: str
    subject: str
    verdict: str
    brain_cut: bool | None
    brain_ml: float
    residuals: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Figures per method, and per two methods on the scans that both did.

    Parameters
    ----------
    methods, pairs : list of dict
        Rows of the two tables; an interval has the columns ``_low`` and ``_high``.
    scans : dict
        By method.
    regions : tuple of str
    """

    methods: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    scans: Mapping[str, Sequence[Scan]]
    regions: tuple[str, ...]

    @property
    def text(self) -> str:
        """The figures for reading."""
        return f"{_aligned(_method_lines(self.methods))}\n\n{_aligned(_pair_lines(self.pairs))}"


def compare(tables: Sequence[Path]) -> Comparison:
    """Compare defacing methods.

    Parameters
    ----------
    tables : sequence of Path
        Group tables; the method stands in their column ``method``, or the folder of a table is named after it.

    Returns
    -------
    Comparison
        Rates are of judged scans, with Wilson intervals; means have percentile intervals over resampled subjects; two
        methods are compared on the scans that both did.

    Raises
    ------
    InputError
        A table that cannot be used, one scan twice under one method, or fewer than two methods.
    """
    scans: dict[str, dict[str, Scan]] = defaultdict(dict)
    regions: tuple[str, ...] = ()
    for table in tables:
        for row in read_table(table, NEEDED):
            regions = regions or tuple(name for name in row if name.startswith(REGION))
            method = row["method"] if row["method"] != UNDEFINED else table.resolve().parent.name
            scan = _scan(row, regions)
            if scan.key in scans[method]:
                raise InputError(f"{scan.key} occurs twice under the method {method}; expected once. Check the tables.")
            scans[method][scan.key] = scan
    if len(scans) < 2:
        raise InputError(
            f"The tables hold {' and '.join(scans) or 'no method'}; expected two methods or more to compare. "
            "Name them with --method or a column method when judging."
        )
    by_method = {method: list(scans[method].values()) for method in sorted(scans)}
    rows = [_method_row(method, by_method[method], regions) for method in by_method]
    pairs = [_pair_row(first, second, scans) for first, second in combinations(sorted(scans), 2)]
    for pair, p in zip(pairs, holm([pair["mcnemar_p"] for pair in pairs]), strict=True):
        pair["mcnemar_p_holm"] = p
    return Comparison(rows, pairs, by_method, regions)


def as_tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table."""
    stream = io.StringIO()
    tsv_writer(stream, list(rows[0])).writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def share(count: int, total: int) -> tuple[float, Interval]:
    """A rate and its Wilson interval; NaN of nothing."""
    from scipy.stats import binomtest

    if total == 0:
        return math.nan, NOWHERE
    interval = binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return count / total, (float(interval.low), float(interval.high))


def mean_over_subjects(values: Floats, subjects: Sequence[str]) -> tuple[float, Interval]:
    """Mean over scans, with an interval from resampling subjects: scans of one person are not independent."""
    from scipy.stats import bootstrap

    known = np.isfinite(values)
    if not known.any():
        return math.nan, NOWHERE
    _, index = np.unique(np.asarray(subjects)[known], return_inverse=True)
    sums, counts = np.bincount(index, values[known]), np.bincount(index).astype(float)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return mean, NOWHERE
    found = bootstrap(
        (sums, counts),
        lambda total, number, axis: total.sum(axis=axis) / number.sum(axis=axis),
        paired=True, vectorized=True, method="percentile", confidence_level=CONFIDENCE, n_resamples=RESAMPLES,
        batch=max(1, 10_000_000 // len(sums)), random_state=np.random.default_rng(SEED),
    ).confidence_interval  # fmt: skip
    return mean, (float(found.low), float(found.high))


def mcnemar(first_only: int, second_only: int) -> float:
    """Exact two-sided p of McNemar's test from the scans that only one of two methods passes."""
    from scipy.stats import binomtest

    discordant = first_only + second_only
    return float(binomtest(first_only, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted after Holm for the number of tests; NaN stays NaN and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[place] = largest
    return adjusted


def _scan(row: Mapping[str, str], regions: tuple[str, ...]) -> Scan:
    verdict = UNJUDGED if row["verdict"] == UNDEFINED else row["verdict"]
    cut = None if row["brain"] == UNDEFINED else row["brain"] == "fail"
    residuals = tuple(_number(row[region]) for region in regions)
    return Scan(_key(row), row["subject"], verdict, cut, _number(row["brain_removed_ml"]), residuals)


def _key(row: Mapping[str, str]) -> str:
    """The name without the method, which a table of pairs puts behind the entity ``rec``."""
    parsed = bids_entities(row["bids_name"])
    if parsed is None or parsed[1] is None:
        return row["bids_name"]
    entities, modality = parsed[0], parsed[1]
    rest = entities.pop("rec", "").removesuffix(label(row["method"]))
    return scan_name(entities | ({"rec": rest} if rest else {}), modality).text


def _number(text: str) -> float:
    try:
        return math.nan if text == UNDEFINED else float(text)
    except ValueError:
        raise InputError(f"A group table holds {text!r} where a number is expected; make the table again.") from None


def _method_row(method: str, scans: Sequence[Scan], regions: tuple[str, ...]) -> dict[str, Any]:
    judged = [scan for scan in scans if scan.verdict != UNJUDGED]
    subjects = [scan.subject for scan in judged]
    row: dict[str, Any] = {"method": method, "subjects": len({scan.subject for scan in scans}), "scans": len(scans)}
    row["not_judged"] = len(scans) - len(judged)
    for verdict in ("pass", "review", "fail"):
        row |= _spread(verdict, share(sum(scan.verdict == verdict for scan in judged), len(judged)))
    brains = [scan.brain_cut for scan in judged if scan.brain_cut is not None]
    row |= {"brains_judged": len(brains)} | _spread("brain_cut", share(sum(brains), len(brains)))
    removed = np.array([scan.brain_ml for scan in judged], dtype=np.float64)
    known = removed[np.isfinite(removed)]
    quartiles = np.percentile(known, [25, 50, 75]) if len(known) else [math.nan] * 3
    row |= {f"brain_removed_ml_{name}": float(q) for name, q in zip(("q1", "median", "q3"), quartiles, strict=True)}
    row |= _spread("brain_removed_ml", mean_over_subjects(removed, subjects))
    for place, region in enumerate(regions):
        values = np.array([scan.residuals[place] for scan in judged], dtype=np.float64)
        row |= _spread(region, mean_over_subjects(values, subjects))
    return row


def _spread(name: str, figure: tuple[float, Interval]) -> dict[str, float]:
    value, (low, high) = figure
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _pair_row(first: str, second: str, scans: Mapping[str, Mapping[str, Scan]]) -> dict[str, Any]:
    both = [
        (scan, scans[second][key])
        for key, scan in scans[first].items()
        if key in scans[second] and UNJUDGED not in (scan.verdict, scans[second][key].verdict)
    ]
    passes = np.array([[a.verdict == "pass", b.verdict == "pass"] for a, b in both], dtype=np.float64).reshape(-1, 2)
    brain_ml = np.array([[a.brain_ml, b.brain_ml] for a, b in both], dtype=np.float64).reshape(-1, 2)
    subjects = [scan.subject for scan, _ in both]
    first_only, second_only = (int((passes @ weights == 1).sum()) for weights in ([1, -1], [-1, 1]))
    row: dict[str, Any] = {"first": first, "second": second, "subjects": len(set(subjects)), "scans": len(both)}
    row |= {"only_first_passes": first_only, "only_second_passes": second_only}
    row |= _spread("pass_difference", mean_over_subjects(passes @ [1, -1], subjects))
    # Scans of one person are not independent, as the test supposes.
    row["mcnemar_p"] = mcnemar(first_only, second_only) if both and len(set(subjects)) == len(both) else math.nan
    row |= _spread("brain_removed_ml_difference", mean_over_subjects(brain_ml @ [1, -1], subjects))
    return row


def _percent(row: Mapping[str, Any], name: str) -> str:
    if math.isnan(row[name]):
        return UNDEFINED
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    spread = "" if math.isnan(low) else f" ({100 * low:.0f}–{100 * high:.0f})"
    return f"{100 * row[name]:.0f}{spread}"


def _method_lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    lines = [["method", "subjects", "scans", "pass %", "review %", "fail %", "not judged", "brain cut %",
              "brain lost mL", "eyes %", "nose %", "mouth %"]]  # fmt: skip
    for row in rows:
        lost = [row[f"brain_removed_ml_{name}"] for name in ("median", "q1", "q3")]
        brain = UNDEFINED if math.isnan(lost[0]) else f"{lost[0]:.1f} ({lost[1]:.1f}–{lost[2]:.1f})"
        left = [_percent(row, f"{REGION}{region}") if f"{REGION}{region}" in row else UNDEFINED
                for region in ("eyes", "nose", "mouth")]  # fmt: skip
        rates = [_percent(row, name) for name in ("pass", "review", "fail")]
        lines.append([row["method"], str(row["subjects"]), str(row["scans"]), *rates, str(row["not_judged"]),
                      _percent(row, "brain_cut"), brain, *left])  # fmt: skip
    return lines


def _pair_lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    lines = [["same scans", "subjects", "scans", "pass, difference in %", "brain lost, difference in mL",
              "McNemar p (Holm)"]]  # fmt: skip
    for row in rows:
        brain = row["brain_removed_ml_difference"]
        low, high = (row[f"brain_removed_ml_difference_{end}"] for end in ("low", "high"))
        spread = "" if math.isnan(low) else f" ({low:.1f} to {high:.1f})"
        p = row["mcnemar_p_holm"]
        lines.append([f"{row['first']} − {row['second']}", str(row["subjects"]), str(row["scans"]),
                      _percent(row, "pass_difference").replace("–", " to "),
                      UNDEFINED if math.isnan(brain) else f"{brain:.1f}{spread}",
                      UNDEFINED if math.isnan(p) else f"{p:.3g}"])  # fmt: skip
    return lines


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
