"""The built-in example: a head that is nobody, defaced well, poorly, and into the brain."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from defaceqa.assessment import Assessment, assess
from defaceqa.report import write_report
from defaceqa.simulation.corpus import simulate_head
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.volumes import save_volume

Progress = Callable[[str], None]

SEED = 3
CASES = {
    "plate_clean": ("good", "A good defacing: the whole face is gone, the brain is whole"),
    "eyes_left_in": ("poor", "A poor defacing: the eyes stayed"),
    "frontal_cut": ("brain_cut", "A defacing that cut into the brain"),
}
"""Controlled outcome of the simulation: file name and title."""


@dataclass(frozen=True)
class DemoCase:
    """One defacing of the synthetic head and what DefaceQA says of it.

    Parameters
    ----------
    title : str
    command : str
        What to type to repeat it.
    assessment : Assessment
    """

    title: str
    command: str
    assessment: Assessment


def run_demo(out: Path, *, progress: Progress | None = None) -> list[DemoCase]:
    """Make the synthetic head, deface it three times, judge each.

    Parameters
    ----------
    out : Path
        Folder for images, JSON records and pages; made when missing.
    progress : callable, optional
        Told the name of each slow step.

    Returns
    -------
    list of DemoCase
    """
    say = progress or (lambda step: None)
    out.mkdir(parents=True, exist_ok=True)
    say("making a synthetic head")
    head = synthetic_head(1.0)
    original, mask = out / "original.nii.gz", out / "brain_mask.nii.gz"
    save_volume(head.volume, original)
    save_volume(head.brain, mask, affine=head.volume.affine)
    cases = []
    for defacing in simulate_head(head.volume, head.landmarks_mm, head.brain, CASES, SEED):
        name, title = CASES[defacing.outcome]
        defaced = out / f"{name}.nii.gz"
        save_volume(defacing.defaced, defaced)
        assessment = assess(original, defaced, brain_mask=mask, progress=say)
        (out / f"{name}.json").write_text(assessment.to_json())
        write_report(assessment, out / f"{name}.html")
        command = f"defaceqa predict {_quoted(original)} {_quoted(defaced)} --brain-mask {_quoted(mask)}"
        cases.append(DemoCase(title, command, assessment))
    return cases


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
