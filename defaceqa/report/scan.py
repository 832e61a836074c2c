"""The page of one scan: a record, and the pictures that may be seen, as a dictionary; then as one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defaceqa.features.evidence import Evidence
from defaceqa.features.table import FEATURES
from defaceqa.report import words
from defaceqa.report.colours import region_colour
from defaceqa.report.mean_head import coloured_views, region_rows
from defaceqa.report.page import render_page
from defaceqa.report.pictures import may_be_seen, section_pictures, view_pictures
from defaceqa.report.place import check_place
from defaceqa.whole_file import write_file

if TYPE_CHECKING:
    from defaceqa.assessment import Assessment

SHOWN_SHARES = 8
"""Features whose part in the probability is shown; the rest are one bar."""

HEAD_CHARACTERS = 2000
"""The marks of record and source stand within the first so many of a page."""

FAMILIES = {
    "residual": "What is left of each region",
    "masd": "How far the skin of the face moved",
    "hd95": "How far the skin of the face moved",
    "head": "Removed and altered head",
    "brain": "Removed and altered brain",
    "fsim": "Likeness of the renders: FSIM",
    "ssim": "Likeness of the renders: SSIM",
    "psnr": "Likeness of the renders: PSNR",
    "rmse": "Likeness of the renders: RMSE",
}


def write_report(assessment: Assessment, path: str | os.PathLike[str], *, with_faces: bool = False) -> None:
    """Write the page of one scan: one HTML file that needs no network.

    Without `with_faces` it shows the defaced head only when its face verdict is pass, and never the original; all else
    is drawn on the mean head, which is nobody's.

    Parameters
    ----------
    assessment : Assessment
        From :func:`defaceqa.assess`; pictures come from the evidence it keeps.
    path : path
        File to be written, outside the data set of the defaced image.
    with_faces : bool
        Show the original and the defaced head whatever the verdict; the file is then readable by its owner alone.

    Raises
    ------
    OutputError
        The file would lie in the data set that is to be released.
    """
    target, evidence = Path(path), assessment.features.evidence
    check_place(target, *((evidence.original_path, evidence.defaced_path) if evidence else (None, None)))
    write_file(scan_page(assessment.as_dict(), evidence, with_faces=with_faces), target, private=with_faces)


def write_report_from_record(record: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the page of one scan from its JSON record alone: the mean head and all numbers, no picture of the scan."""
    write_file(scan_page(record, None), Path(path))


def record_mark(record: Mapping[str, Any]) -> str:
    """Hash of what a page says of a scan, by which an old page is told from a new one."""
    said = {key: record[key] for key in ("verdict", "face", "brain", "reasons", "features", "model", "inputs")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def source_of(*, has_evidence: bool, with_faces: bool) -> str:
    """What a page was drawn from, as it says of itself: "record", "evidence" or "evidence with faces"."""
    if not has_evidence:
        return "record"
    return "evidence with faces" if with_faces else "evidence"


def is_page_of(record: Mapping[str, Any], page: Path, source: str | None = None) -> bool:
    """Whether a file is the page of this very record and, if that matters, was drawn from this source."""
    try:
        with page.open(encoding="utf-8", errors="replace") as stream:
            head = stream.read(HEAD_CHARACTERS)
    except OSError:
        return False
    return f'content="{record_mark(record)}"' in head and (source is None or f'content="{source}"' in head)


def scan_page(record: Mapping[str, Any], evidence: Evidence | None, *, with_faces: bool = False) -> str:
    """HTML of one scan."""
    scripts = ("compare.js",) if with_faces and evidence is not None else ()
    return render_page("scan.html", scan_data(record, evidence, with_faces=with_faces), scripts=scripts)


def scan_data(record: Mapping[str, Any], evidence: Evidence | None, *, with_faces: bool = False) -> dict[str, Any]:
    """Everything the page of one scan says, as plain values.

    Parameters
    ----------
    record : mapping
        The JSON record.
    evidence : Evidence or None
        Pictures; without them the page shows the mean head alone.
    with_faces : bool

    Returns
    -------
    dict
    """
    seen = may_be_seen(record, with_faces=with_faces)
    rows = region_rows(record["features"])
    return {
        "mark": record_mark(record),
        "source": source_of(has_evidence=evidence is not None, with_faces=with_faces),
        "inputs": record["inputs"],
        "method": record["method"],
        "verdict": record["verdict"],
        "words": words.OVERALL_WORDS[record["verdict"]],
        "sign": words.SIGNS,
        "face": _face(record),
        "brain": _brain(record),
        "reasons": record["reasons"],
        "regions": rows,
        "mean_head": coloured_views(rows),
        "scale": [region_colour("nose", share) for share in (0.0, 0.1, 0.26, 0.6, 1.0)],
        "views": view_pictures(evidence, seen),
        "sections": section_pictures(evidence, seen),
        "has_evidence": evidence is not None,
        "with_faces": with_faces and evidence is not None,
        "shares": _shares(record),
        "ranges": _ranges(record),
        "families": _families(record),
        "provenance": _provenance(record),
        "limits": record["model"]["limits"],
    }


def _face(record: Mapping[str, Any]) -> dict[str, Any]:
    face = record["face"]
    thresholds = face["thresholds"]
    return {
        **face,
        "words": words.FACE_WORDS[face["verdict"]],
        "percent": words.percent(face["probability"]),
        "low": words.percent(thresholds["low"]),
        "high": words.percent(thresholds["high"]),
    }


def _brain(record: Mapping[str, Any]) -> dict[str, Any]:
    brain = record["brain"]
    return {**brain, "words": words.brain_words(brain), "detail": words.brain_detail(brain)}


def _shares(record: Mapping[str, Any]) -> dict[str, Any]:
    """Contributions as bars: the largest one by one, the others as one."""
    ordered = sorted(record["contributions"].items(), key=lambda item: -abs(item[1]))
    rows = [
        {"name": name, "meaning": FEATURES[name].meaning if name in FEATURES else name, "value": value}
        for name, value in ordered[:SHOWN_SHARES]
    ]
    others = [value for _, value in ordered[SHOWN_SHARES:]]
    if others:
        rows.append({"name": "", "meaning": f"{len(others)} other features together", "value": sum(others)})
    largest = max((abs(row["value"]) for row in rows), default=0.0) or 1.0
    bias = record["model"]["bias"]
    return {
        "rows": [{**row, "length": abs(row["value"]) / largest, "text": f"{row['value']:+.2f}"} for row in rows],
        "bias": f"{bias:+.2f}",
        "total": f"{bias + sum(record['contributions'].values()):+.2f}",
    }


def _ranges(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each feature of the model against the range it was trained on."""
    rows = []
    for name, (low, high) in record["model"]["training_range"].items():
        value = record["features"].get(name)
        feature = FEATURES.get(name)
        unit = feature.unit if feature else "1"
        known = value is not None and low is not None and high is not None and high > low
        rows.append(
            {
                "name": name,
                "meaning": feature.meaning if feature else name,
                "value": words.number(value, unit),
                "low": words.number(low),
                "high": words.number(high),
                "at": min(max((value - low) / (high - low), 0.0), 1.0) if known else None,
                "outside": bool(known and not low <= value <= high),
            }
        )
    return rows


def _families(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All features, in families that a reader can open one by one."""
    groups: dict[str, list[dict[str, str]]] = {}
    for name, value in record["features"].items():
        feature = FEATURES.get(name)
        row = {
            "name": name,
            "meaning": feature.meaning if feature else "",
            "value": words.number(value, feature.unit if feature else "1"),
            "why": record["undefined"].get(name, ""),
        }
        groups.setdefault(FAMILIES.get(name.split("_")[0], "Others"), []).append(row)
    return [{"words": family, "rows": rows} for family, rows in groups.items()]


def _provenance(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    model, inputs = record["model"], record["inputs"]
    rows: list[tuple[str, str]] = []
    for kind in ("original", "defaced"):
        image = inputs[kind]
        voxels, spacing = (" × ".join(f"{size:g}" for size in image[key]) for key in ("shape", "spacing_mm"))
        rows.append((f"{kind} image", f"{image['name']}, {voxels} voxels of {spacing} mm"))
        rows.append((f"{kind} sha256", image["sha256"]))
    return [
        *rows,
        ("method", record["method"] or "not told"),
        ("criterion", record["face"]["criterion"]),
        ("model", f"{model['name']} {model['version']}"),
        ("model sha256", model["sha256"]),
        ("software", ", ".join(f"{name} {number}" for name, number in record["software"].items())),
        *((f"renderer {key.replace('_', ' ')}", str(value)) for key, value in record["renderer"].items()),
        ("schema of the record", record["schema_version"]),
    ]
