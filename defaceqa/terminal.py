"""What a person sees on a terminal: a moving line during slow steps, and a verdict that reads well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def show(assessment: Assessment) -> None:
    """Print a verdict: coloured on a terminal, plain lines in a pipe."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    verdict = assessment.verdict
    head = Text(f" {verdict.verdict.upper()} ", style=STYLES[verdict.verdict])
    console.print(head + Text(f"  {assessment.inputs['defaced']['name']}", style="bold"))
    console.print(f"  face   {verdict.face.verdict:<7}{verdict.face.sentence}")
    console.print(f"  brain  {verdict.brain.verdict:<7}{verdict.brain.sentence}")
    for number, reason in enumerate(verdict.reasons[:SHOWN_REASONS], start=1):
        console.print(Padding(f"{number}. {reason}", (0, 0, 0, 2)))
    for flag in verdict.flags:
        console.print(f"  note   {flag}")
