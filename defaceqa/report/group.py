"""The page of a data set: tables and records in, one page out, with links to the page of every scan."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from defaceqa.anatomy.patches import REGION_WORDS
from defaceqa.errors import InputError
from defaceqa.features.table import FEATURES
from defaceqa.report import words
from defaceqa.report.colours import grade, region_colour
from defaceqa.report.mean_head import head_views
from defaceqa.report.page import render_page
from defaceqa.report.scan import is_page_of, write_report_from_record
from defaceqa.report.scans import FIGURES, ScanRow, read_scans
from defaceqa.whole_file import write_file

ORDER = ("fail", "error", "review", "pass")
"""Verdicts, worst first."""

QUEUE_SHOWN = 12
"""Scans of the review queue that are seen at once; the rest unfold."""

NOT_TOLD = "not told"


def write_group_report(folder: str | os.PathLike[str], *, with_faces: bool = False) -> list[Path]:
    """Write a page per suffix (``group_T1w.html``) into a folder of results, and scan pages that are missing or old.

    Parameters
    ----------
    folder : path
        As ``defaceqa batch`` and ``defaceqa bids`` write it: records (JSON), and a table ``group_*.tsv`` that names the
        scans that could not be judged as well.
    with_faces : bool
        Show the pictures that a run with faces left beside the page, whatever the verdict; the page is then readable
        by its owner alone.

    Returns
    -------
    list of Path
        The group pages.

    Raises
    ------
    InputError
        Not a folder, or nothing in it.
    """
    place = Path(folder)
    scans = read_scans(place)
    if not scans:
        raise InputError(
            f"{place} holds no record of DefaceQA and no group_*.tsv; expected a folder written by defaceqa batch or "
            "defaceqa bids. Check the path."
        )
    for scan in scans:
        if scan.record is not None and not is_page_of(scan.record, place / scan.page):
            write_report_from_record(scan.record, place / scan.page)
    pages = []
    for suffix in sorted({scan.suffix for scan in scans}):
        page = place / (f"group_{suffix}.html" if suffix else "group.html")
        some = [scan for scan in scans if scan.suffix == suffix]
        write_file(group_page(some, place, with_faces=with_faces), page, private=with_faces)
        pages.append(page)
    return pages


def group_page(scans: Sequence[ScanRow], folder: Path, *, with_faces: bool = False) -> str:
    """HTML of one group."""
    data = group_data(scans, folder, with_faces=with_faces)
    return render_page("group.html", data, styles=("page.css", "group.css"), scripts=("group.js",))


def group_data(scans: Sequence[ScanRow], folder: Path, *, with_faces: bool = False) -> dict[str, Any]:
    """Everything the page of a group says, as plain values.

    Parameters
    ----------
    scans : sequence of ScanRow
    folder : Path
        Where the page will lie; pictures are looked for in it.
    with_faces : bool

    Returns
    -------
    dict
    """
    ordered = sorted(scans, key=_worst_first)
    rows = [_row(scan, folder, with_faces=with_faces) for scan in ordered]
    queue = [row for row in rows if row["verdict"] in ("review", "error")]
    frontal = head_views()["views"]["frontal"]
    return {
        "title": folder.resolve().name,
        "suffix": scans[0].suffix,
        "count": len(rows),
        "criteria": sorted({scan.record["face"]["criterion"] for scan in scans if scan.record}),
        "sign": words.SIGNS,
        "totals": _totals(rows),
        "queue": queue[:QUEUE_SHOWN],
        "queue_rest": queue[QUEUE_SHOWN:],
        "methods": _methods(rows),
        "rows": rows,
        "columns": {name: any(row[name] for row in rows) for name in ("session", "site", "method")},
        "choices": {name: sorted({row[name] for row in rows if row[name]}) for name in ("method", "site")},
        "face": {
            "size": head_views()["size"],
            "shade": frontal["shade"],
            "head": frontal["head"],
            "regions": [
                (number, frontal["regions"][name])
                for number, name in enumerate(REGION_WORDS)
                if name in frontal["regions"]
            ],
        },
        "scale": [region_colour("nose", share) for share in (0.0, 0.1, 0.26, 0.6, 1.0)],
        "plots": _plots(ordered, rows),
        "with_faces": with_faces,
    }


def interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson).

    Parameters
    ----------
    count, total : int
        Total of at least one.
    """
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _worst_first(scan: ScanRow) -> tuple[int, float, str]:
    probability = scan.number("probability")
    return ORDER.index(scan.verdict), -(probability if probability is not None else 2.0), scan.name


def _row(scan: ScanRow, folder: Path, *, with_faces: bool) -> dict[str, Any]:
    residuals = {name: scan.number(f"residual_{name}") for name in REGION_WORDS}
    left = [f"{REGION_WORDS[name]} {words.percent(share)}" for name, share in residuals.items() if _is_left(share)]
    picture = f"{FIGURES}/{scan.name}.webp"
    shown = (with_faces or scan.face_verdict == "pass") and (folder / picture).is_file()
    return {
        "name": scan.name,
        "subject": scan.subject,
        "session": scan.session,
        "site": scan.site,
        "method": scan.method,
        "verdict": scan.verdict,
        "face": scan.face_verdict,
        "brain": scan.brain_verdict,
        "probability": scan.number("probability"),
        "percent": words.percent(scan.number("probability")),
        "worst": scan.number("residual_worst"),
        "worst_percent": words.percent(scan.number("residual_worst")),
        "brain_ml": scan.number("brain_removed_ml"),
        "brain_words": words.number(scan.number("brain_removed_ml"), "mL"),
        "reason": scan.reason,
        "link": scan.page if scan.record is not None or (folder / scan.page).is_file() else "",
        "colours": [region_colour(name, share) for name, share in residuals.items()],
        "left": ", ".join(left) or ("nothing left" if scan.face_verdict else "not measured"),
        "picture": picture if shown else "",
    }


def _is_left(share: float | None) -> bool:
    return grade(share) in ("a trace", "still there")


def _totals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter(row["verdict"] for row in rows)
    names = {"error": "not judged"}
    return [
        {
            "verdict": verdict,
            "words": names.get(verdict, verdict),
            "count": counts[verdict],
            "percent": words.percent(counts[verdict] / len(rows)),
        }
        for verdict in ("review", "fail", "pass", "error")
        if counts[verdict] or verdict != "error"
    ]


def _methods(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counts and shares with intervals of each method, the fullest first."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["method"] or NOT_TOLD, Counter())[row["verdict"]] += 1
    found = []
    for method, count in sorted(counts.items(), key=lambda item: (-item[1].total(), item[0])):
        judged = count.total() - count["error"]
        shares = [_share(verdict, count[verdict], judged) for verdict in ("pass", "review", "fail")]
        found.append({"method": method, "judged": judged, "errors": count["error"], "shares": shares})
    return found


def _share(verdict: str, count: int, judged: int) -> dict[str, Any]:
    if judged == 0:
        return {"verdict": verdict, "count": count, "share": 0.0, "percent": words.NOT_KNOWN, "interval": ""}
    low, high = interval(count, judged)
    return {
        "verdict": verdict,
        "count": count,
        "share": count / judged,
        "percent": words.percent(count / judged),
        "interval": f"{100 * low:.0f}–{100 * high:.0f} %",
    }


def _plots(scans: Sequence[ScanRow], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the plot needs: scans in the order of the rows, and a list of values per feature."""
    meanings = {"probability": ("probability of “insufficiently defaced”", "")}
    meanings |= {name: (row.meaning, "" if row.unit == "1" else row.unit) for name, row in FEATURES.items()}
    values = {name: [_short(scan.number(name)) for scan in scans] for name in meanings}
    known = [name for name, column in values.items() if any(value is not None for value in column)]
    return {
        "features": [{"name": name, "meaning": meanings[name][0], "unit": meanings[name][1]} for name in known],
        "values": {name: values[name] for name in known},
        "scans": [[row["name"], row["link"], row["verdict"], row["method"] or NOT_TOLD] for row in rows],
    }


def _short(value: float | None) -> float | None:
    """Four digits are more than a dot on a screen can show."""
    return None if value is None else float(f"{value:.4g}")
