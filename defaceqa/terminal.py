"""What a person sees on a terminal: a moving line during slow steps, and a verdict that reads well."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from defaceqa.assessment import Assessment
    from defaceqa.batch import Counts, Tally
    from defaceqa.datasets import Unpaired

STYLES = {"pass": "bold white on green", "review": "bold black on yellow", "fail": "bold white on red"}
SHOWN_REASONS = 3
SHOWN_ERRORS = 20
QUIET_SECONDS = 60.0
"""In a log, a run over many scans says so often how far it is."""


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


@contextmanager
def tally_line() -> Iterator[Callable[[Tally], None]]:
    """Say how far a run over many scans is: a bar with rate and remaining time on a terminal, else a line now and then.

    Scans that could not be judged get a line each, up to a number; all of them are in the table.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    move = _moving_bar(console) if sys.stderr.isatty() else _lines()
    with move as advance:

        def told(tally: Tally) -> None:
            if tally.error is not None and tally.errors <= SHOWN_ERRORS:
                console.print(f"{tally.name} could not be judged: {tally.error}", markup=False)
            advance(tally)

        yield told


@contextmanager
def _moving_bar(console: Console) -> Iterator[Callable[[Tally], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), "left")
    with Progress(*columns, console=console, transient=True, speed_estimate_period=600) as bar:
        task = bar.add_task("", total=None, rate="starting")
        start = time.monotonic()

        def advance(tally: Tally) -> None:
            bar.update(task, completed=tally.done, total=tally.total, rate=_rate(tally, start))

        yield advance


@contextmanager
def _lines() -> Iterator[Callable[[Tally], None]]:
    start = last = time.monotonic()

    def advance(tally: Tally) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < QUIET_SECONDS:
            return
        last = now
        left = (now - start) / max(tally.done - tally.kept, 1) * (tally.total - tally.done)
        remaining = f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.1f} h"
        sys.stderr.write(f"{tally.done} of {tally.total}, {_rate(tally, start)}, about {remaining} left\n")
        sys.stderr.flush()

    yield advance


def _rate(tally: Tally, start: float) -> str:
    per_minute = (tally.done - tally.kept) / max(time.monotonic() - start, 1e-9) * 60
    return f"{per_minute:.1f} scans per min" if per_minute < 600 else f"{per_minute / 60:.0f} scans per s"


def show_counts(counts: Counts, out: Path) -> None:
    """Print what became of a data set."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    total = sum(counts.verdicts.values())
    parts = ", ".join(f"{number} {name}" for name, number in counts.verdicts.items())
    console.print(f"{total} scans: {parts}", markup=False)
    if counts.unpaired:
        console.print(f"{counts.unpaired} files have no partner: see {out / 'unpaired.tsv'}", markup=False)
    for file in (*counts.tables, *counts.pages):
        console.print(str(out / file), markup=False)


def show_tally(tally: Tally, unpaired: Sequence[Unpaired]) -> None:
    """Print what the participant level did."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{tally.done} scans: {tally.kept} were done before, {tally.errors} could not be judged")
    for scan in unpaired[:SHOWN_ERRORS]:
        console.print(f"{scan.file}: {scan.reason}", markup=False)
    if len(unpaired) > SHOWN_ERRORS:
        console.print(f"and {len(unpaired) - SHOWN_ERRORS} more; the group level lists them all in unpaired.tsv")


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


def warn_of_faces_in(folder: Path) -> None:
    """The same of all pages of a run."""
    import click

    click.echo(
        f"defaceqa: pages and figures in {folder} show people's faces: treat them as you treat the originals, delete "
        "them when you have looked.",
        err=True,
    )


def _brain_word(assessment: Assessment) -> str:
    return assessment.verdict.brain.verdict if assessment.verdict.brain.judged else "-"


def _face_line(assessment: Assessment) -> str:
    face = assessment.verdict.face
    low, high = face.thresholds
    return f"insufficient: {face.probability:.0%} likely ({face.criterion}: pass to {low:.0%}, fail from {high:.0%})"
