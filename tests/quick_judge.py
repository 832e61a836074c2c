"""Stands in for the real judgement where the running of many pairs is tested, not the judging. Workers import it."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from defaceqa.errors import InputError


class QuickAssessment:
    """What the batch needs of an assessment."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def as_dict(self) -> dict[str, Any]:
        return self.record


def quick_judge(pair, settings, evidence):
    """A verdict from the content of the files: text files whose first word is the verdict; ``bad`` is refused."""
    verdict, *number = Path(pair.defaced).read_text().split()
    if verdict == "bad":
        raise InputError(f"{Path(pair.defaced).name} is truncated; copy it again.")
    if verdict == "bug":
        raise ZeroDivisionError("never thought of")
    share = int(hashlib.sha256(pair.name.text.encode()).hexdigest()[:4], 16) / 65536
    return QuickAssessment(
        {
            "schema_version": "1.0",
            "verdict": verdict,
            "face": {"verdict": verdict, "probability": share, "criterion": settings.criterion},
            "brain": {"verdict": "pass", "judged": True, "largest_piece_ml": share, "depth_mm": None},
            "reasons": ["because", f"of\t{verdict}"],
            "features": {"residual_nose": share, "brain_removed_ml": float(number[0]) if number else 1.0},
            "undefined": {},
            "flags": [],
            "method": pair.method or settings.method,
            "model": {"name": "m", "version": "1", "sha256": "0" * 64},
        }
    )


def slow_judge(pair, settings, evidence):
    """The same, slow enough to be interrupted, and leaving a trace of every scan that was begun."""
    trace = Path(os.environ["DEFACEQA_TEST_TRACE"])
    (trace / f"{pair.name.text}.{os.getpid()}").touch()
    time.sleep(0.15)
    return quick_judge(pair, settings, evidence)


def deadly_judge(pair, settings, evidence):
    """The same, but the first worker that meets subject 03 is killed, and every worker that meets subject 05."""
    trace = Path(os.environ["DEFACEQA_TEST_TRACE"])
    (trace / f"{pair.name.text}.{os.getpid()}").touch()
    met = len(list(trace.glob(f"{pair.name.text}.*")))
    if pair.name.subject == "05" or (pair.name.subject == "03" and met == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return quick_judge(pair, settings, evidence)


def drawn_judge(pair, settings, evidence, *, original=0, defaced=0):
    """An assessment that a page can be drawn from, with noise for evidence; otherwise as the quick judge."""
    from assessments import assessment, noise

    quick_judge(pair, settings, evidence)
    verdict, number = Path(pair.defaced).read_text().split()
    found = assessment(verdict, seed=int(number), method=pair.method or settings.method)
    row = replace(found.features, evidence=noise(int(number), original=original, defaced=defaced) if evidence else None)
    return replace(found, features=row)


def slow_drawn_judge(pair, settings, evidence):
    """The same, slow enough to be interrupted."""
    slow_judge(pair, settings, evidence)
    return drawn_judge(pair, settings, evidence)
