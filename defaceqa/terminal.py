"""What a person sees on a terminal: a moving line during slow steps, and a verdict that reads well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from defaceqa.assessment import Assessment

STYLES = {"pass": "bold white on green", "review": "bold black on yellow", "fail": "bold white on red"}
SHOWN_REASONS = 3


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Name the running step on standard error when it is a terminal; say nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda step: status.update(step)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar with the remaining time on standard error when it is a terminal; say nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting")
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def show(assessment: Assessment) -> None:
    """Print a verdict: coloured on a terminal, plain lines in a pipe."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    verdict = assessment.verdict
    answer = (f" {verdict.verdict.upper()} ", STYLES[verdict.verdict])
    console.print(Text.assemble(answer, (f"  {assessment.inputs['defaced']['name']}", "bold")))
    console.print(f"  face   {verdict.face.verdict:<7} {_face_line(assessment)}")
    console.print(f"  brain  {_brain_word(assessment):<7} {verdict.brain.reason}")
    for number, reason in enumerate(verdict.reasons[:SHOWN_REASONS], start=1):
        console.print(f"  {number}. {reason}")


def warn_of_faces(page: Path | None) -> None:
    """Say on standard error that a page shows a person's face."""
    import click

    click.echo(
        f"defaceqa: {page} shows a person's face: treat it as you treat the original, delete it when you have looked.",
        err=True,
    )


def _brain_word(assessment: Assessment) -> str:
    return assessment.verdict.brain.verdict if assessment.verdict.brain.judged else "-"


def _face_line(assessment: Assessment) -> str:
    face = assessment.verdict.face
    low, high = face.thresholds
    return f"insufficient: {face.probability:.0%} likely ({face.criterion}: pass to {low:.0%}, fail from {high:.0%})"
