"""The command line: each command parses, makes one library call, prints, and returns an exit code.

Exit codes of ``predict``: 0 pass, 1 fail, 2 could not be judged, 3 review. Nothing heavy is imported before a command
runs, so that ``defaceqa --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from defaceqa.errors import DefaceQAError
from defaceqa.whole_file import write_file

if TYPE_CHECKING:
    from defaceqa.assessment import Assessment

EXIT_ERROR = 2
"""Could not be judged: wrong usage, bad input, no renderer. Never 0 when unjudged."""

EXIT_REVIEW = 3

FILE = click.Path(path_type=Path)
CRITERION = click.option(
    "--criterion",
    type=click.Choice(["lenient", "strict"]),
    default="lenient",
    show_default=True,
    help="lenient: a trace of one facial feature may stay; strict: none, and most of cheeks and jaw gone.",
)
MODEL = click.option("--model", "model_folder", type=FILE, help="Model folder to use instead of the shipped one.")

Command = Callable[..., int]


def together(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """One decorator for arguments and options that several commands share."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


for_pair = together(
    (
        click.argument("original", type=FILE),
        click.argument("defaced", type=FILE),
        click.option("--brain-mask", type=FILE, help="Mask of the brain on the original's grid."),
    )
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="defaceqa", prog_name="defaceqa")
def commands() -> None:
    """Judge whether a defaced head MRI is really defaced and the brain still whole."""


def main() -> None:
    """Entry point: run a command, turn refusals into one sentence and exit code 2."""
    try:
        code = commands.main(standalone_mode=False, prog_name="defaceqa")
    except DefaceQAError as error:
        click.echo(f"defaceqa: {error}", err=True)
        code = EXIT_ERROR
    except click.exceptions.Abort:
        click.echo("defaceqa: stopped.", err=True)
        code = EXIT_ERROR
    except click.ClickException as error:
        error.show()
        code = EXIT_ERROR
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            click.echo(f"defaceqa: {error.filename or 'a file'}: {error.strerror}.", err=True)
        code = EXIT_ERROR
    sys.exit(code if isinstance(code, int) else 0)


@commands.command()
@for_pair
@CRITERION
@click.option("--method", help="Name of the defacing tool; written into the record.")
@MODEL
@click.option("--json", "json_file", type=FILE, help="Write the full record as JSON; - for standard output.")
@click.option("--html", "html_file", type=FILE, help="Write a page with the evidence: one file, no face in it.")
@click.option("--with-faces", is_flag=True, help="Show original and defaced head in the page, whatever the verdict.")
def predict(
    original: Path, defaced: Path, brain_mask: Path | None, criterion: str, method: str | None,
    model_folder: Path | None, json_file: Path | None, html_file: Path | None, with_faces: bool,
) -> int:  # fmt: skip
    """Judge DEFACED against its ORIGINAL: pass, review or fail, with reasons.

    Exit codes: 0 pass, 1 fail, 2 could not be judged, 3 review.
    """
    from defaceqa.terminal import progress_line, show, warn_of_faces

    if with_faces and html_file is None:
        raise click.UsageError("--with-faces shows faces in a page: give --html FILE as well.")
    with progress_line() as progress:
        from defaceqa.assessment import assess
        from defaceqa.model import load_model
        from defaceqa.report import check_place, write_report

        if html_file is not None:
            check_place(html_file, original, defaced)
        assessment = assess(
            original, defaced, brain_mask=brain_mask, method=method, criterion=criterion,
            model=load_model(model_folder) if model_folder else None, progress=progress,
            evidence=html_file is not None,
        )  # fmt: skip
        if html_file is not None:
            write_report(assessment, html_file, with_faces=with_faces)
    if with_faces:
        warn_of_faces(html_file)
    if json_file is not None:
        write_text(assessment.to_json(), json_file)
    if str(json_file) != "-":
        show(assessment)
    return exit_code(assessment)


@commands.command()
@for_pair
@click.option(
    "--set",
    "feature_set",
    type=click.Choice(["full", "paper-ism"]),
    default="full",
    show_default=True,
    help="paper-ism: the four numbers of image-similarity-measures on the same renders.",
)
@click.option("--out", type=FILE, default="-", show_default=True, help="TSV file; - for standard output.")
def extract(original: Path, defaced: Path, brain_mask: Path | None, feature_set: str, out: Path) -> int:
    """Measure a pair: one row of features as TSV, n/a where undefined."""
    from defaceqa.terminal import progress_line

    with progress_line() as progress:
        from defaceqa.features.rows import feature_table, measure

        row = measure(original, defaced, brain_mask=brain_mask, feature_set=feature_set, progress=progress)
    write_text(feature_table([row]), out)
    return 0


@commands.command()
@for_pair
@CRITERION
@MODEL
@click.option("--out", type=FILE, help="Write the picture: .png, .pdf or .svg.")
@click.option("--tsv", type=FILE, default="-", show_default=True, help="Table of the values; - for standard output.")
def explain(
    original: Path, defaced: Path, brain_mask: Path | None, criterion: str, model_folder: Path | None,
    out: Path | None, tsv: Path,
) -> int:  # fmt: skip
    """Show what each feature adds to the probability for a pair: Shapley values, as a table and a picture."""
    from defaceqa.terminal import progress_line

    with progress_line() as progress:
        from defaceqa.assessment import assess
        from defaceqa.explanation import contribution_table, draw_explanation
        from defaceqa.model import load_model

        assessment = assess(
            original, defaced, brain_mask=brain_mask, criterion=criterion,
            model=load_model(model_folder) if model_folder else None, progress=progress,
        )  # fmt: skip
        if out is not None:
            draw_explanation(assessment, out)
    write_text(contribution_table(assessment), tsv)
    return 0


@commands.command()
def features() -> int:
    """List every feature: name, unit, range, direction, meaning and source, as TSV."""
    from defaceqa.features.rows import describe_features

    click.echo(describe_features(), nl=False)
    return 0


@commands.command()
@click.argument("table", type=FILE, required=False)
@click.option("--out", type=FILE, required=True, help="Folder for the models, one per criterion.")
@click.option("--own", type=FILE, help="Measured pairs of your own, to be learnt together with TABLE.")
@click.option("--labels", type=FILE, help="Label table of the pairs in --own; people's labels weigh more.")
@click.option("--own-weight", type=click.FloatRange(0, min_open=True), default=3.0, show_default=True,
              help="Weight of a pair that a person has judged.")  # fmt: skip
@click.option(
    "--criterion",
    "criteria",
    type=click.Choice(["lenient", "strict"]),
    multiple=True,
    default=("lenient", "strict"),
    show_default=True,
)
@click.option("--max-miss-rate", type=click.FloatRange(0, 1), default=0.01, show_default=True,
              help="Share of insufficient pairs that may pass.")  # fmt: skip
@click.option("--max-false-fail-rate", type=click.FloatRange(0, 1), default=0.01, show_default=True,
              help="Share of sufficient pairs that may fail.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
def train(
    table: Path | None, out: Path, own: Path | None, labels: Path | None, own_weight: float, criteria: tuple[str, ...],
    max_miss_rate: float, max_false_fail_rate: float, seed: int,
) -> int:  # fmt: skip
    """Fit models to TABLE (features and labels), people kept apart, and write them with their cards.

    TABLE is by default the one the shipped models were made from. With --own, your pairs join it, and the new model is
    compared with the shipped one on them.
    """
    from defaceqa.terminal import progress_bar

    if labels is not None and own is None:
        raise click.UsageError("--labels says nothing without --own, the measurements of the labelled pairs.")
    with progress_bar() as progress:
        from defaceqa.training.retrain import retrain

        results = retrain(
            table, out, own=own, labels=labels, own_weight=own_weight, criteria=criteria, seed=seed,
            max_miss_rate=max_miss_rate, max_false_fail_rate=max_false_fail_rate, n_jobs=os.cpu_count() or 1,
            progress=progress,
        )  # fmt: skip
    for line in results:
        click.echo(line)
    return 0


@commands.command()
@click.argument("originals", type=FILE)
@click.argument("out", type=FILE)
@click.option("--per-head", type=click.IntRange(1), default=14, show_default=True, help="Pairs made of each head.")
@click.option("--variations", type=click.IntRange(0), default=0, show_default=True,
              help="Varied heads per original: other face shape, contrast, voxels, field of view.")  # fmt: skip
@click.option("--landmarks", type=FILE, help="Table of facial landmarks; else found by a careful registration.")
@click.option("--images", is_flag=True, help="Also write originals and defaced images; they show faces.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Heads at the same time.")
def simulate(
    originals: Path, out: Path, per_head: int, variations: int, landmarks: Path | None, images: bool, seed: int,
    workers: int,
) -> int:  # fmt: skip
    """Deface ORIGINALS in many controlled ways and write features and labels to the folder OUT.

    ORIGINALS is a folder of head scans, or a table with the columns id, file, subject, sequence, brain_mask. Labels
    come from geometry. Stopped at any point, the same command goes on.
    """
    from defaceqa.terminal import progress_bar

    with progress_bar() as progress:
        from defaceqa.simulation.run import simulate as make

        made = make(
            originals, out, landmarks=landmarks, per_head=per_head, variations=variations, seed=seed,
            workers=workers, images=images, progress=lambda head, done, total: progress(done, total, head),
        )  # fmt: skip
    for line in made.lines:
        click.echo(line)
    return 0


MANY = (
    CRITERION,
    click.option("--method", help="Name of the defacing tool, for pairs that do not say theirs."),
    MODEL,
    click.option("--brain-mask-dir", type=FILE, help="Where brain masks lie, named as in BIDS or X_brainmask."),
    click.option(
        "--workers", type=click.IntRange(min=1), help="Processes, a core each.  [default: as cores and memory allow]"
    ),
    click.option("--scheduler", help="Use a running Dask cluster, tcp://HOST:PORT, instead of starting processes."),
    click.option("--html", is_flag=True, help="Also write a page per scan, and one for all: no face in them."),
    click.option("--with-faces", is_flag=True, help="Show original and defaced head in pages, whatever the verdict."),
)
for_many = together(MANY)


@commands.command()
@click.argument("source", metavar="TABLE|DIR", type=FILE)
@click.option("--out", type=FILE, required=True, help="Folder for the results, outside the defaced data.")
@click.option("--defaced-dir", type=FILE, help="Tree of defaced scans; without it they lie beside the originals.")
@click.option("--modality", default="T1w", show_default=True, help="Of scans whose names do not say.")
@for_many
def batch(
    source: Path, out: Path, defaced_dir: Path | None, modality: str, criterion: str, method: str | None,
    model_folder: Path | None, brain_mask_dir: Path | None, workers: int | None, scheduler: str | None,
    html: bool, with_faces: bool,
) -> int:  # fmt: skip
    """Judge all pairs of a table or a folder; stopped and started again, it continues.

    TABLE is TSV or CSV with the columns original, defaced and, as wanted, brain_mask, subject, session, run, modality,
    method. In DIR, pairs are found by names (X_defaced, X_desc-defaced, X_rec-defaced) or, with --defaced-dir, by
    relative paths and BIDS entities.

    With --html, a scan that was judged without a page before is judged again.

    Exit codes: 0 all judged, whatever the verdicts (see defaceqa gate), 2 some or all could not be.
    """
    from defaceqa.terminal import show_counts, tally_line, warn_of_faces_in

    check_faces(html, with_faces)
    with tally_line() as told:
        from defaceqa.batch import Pages, Settings, Workers, run_batch
        from defaceqa.datasets import find_pairs

        pairing = find_pairs(source, defaced_dir, modality=modality, brain_mask_folder=brain_mask_dir, skip=(out,))
        counts = run_batch(
            pairing, out, Settings(criterion, _text(model_folder), method), Workers(workers, scheduler),
            originals=source if source.is_dir() else None, defaced=defaced_dir,
            pages=Pages(with_faces) if html else None, told=told,
        )  # fmt: skip
    if with_faces:
        warn_of_faces_in(out)
    show_counts(counts, out)
    return 0 if counts.complete else EXIT_ERROR


def check_faces(html: bool, with_faces: bool) -> None:
    """Faces are shown in pages, so there must be some."""
    if with_faces and not html:
        raise click.UsageError("--with-faces shows faces in pages: give --html as well.")


class ListingCommand(click.Command):
    """A command some of whose options take several values in a row, as BIDS Apps do: ``--participant-label 01 02``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values."""
        several = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        spelled: list[str] = []
        current = ""
        for word in args:
            if word.startswith("-"):
                current = word if word in several else ""
                spelled.append(word)
            elif current and spelled[-1] != current:
                spelled += [current, word]
            else:
                spelled.append(word)
        return super().parse_args(ctx, spelled)


@commands.command(cls=ListingCommand)
@click.argument("bids_dir", type=FILE)
@click.argument("out_dir", type=FILE)
@click.argument(
    "levels", metavar="{participant|group}...", type=click.Choice(["participant", "group"]), nargs=-1, required=True
)
@click.option("--defaced-dir", type=FILE, help="Tree of defaced scans; without it they lie beside the originals.")
@click.option("--participant-label", "--participant_label", multiple=True, help="Subjects, with or without sub-.")
@click.option("--session-label", "--session_label", multiple=True, help="Sessions, with or without ses-.")
@click.option("--bids-filter-file", type=FILE, help="Which scans to take, in the format of fMRIPrep.")
@for_many
def bids(
    bids_dir: Path, out_dir: Path, levels: tuple[str, ...], defaced_dir: Path | None,
    participant_label: tuple[str, ...], session_label: tuple[str, ...], bids_filter_file: Path | None, criterion: str,
    method: str | None, model_folder: Path | None, brain_mask_dir: Path | None, workers: int | None,
    scheduler: str | None, html: bool, with_faces: bool,
) -> int:  # fmt: skip
    """Judge a BIDS data set as a BIDS App: participant writes a record per scan, group the tables.

    With --html, participant writes the page of each scan as well, group the page of the data set: give it to both.
    Runs of the participant level over different subjects may go side by side.

    Exit codes: 0 all judged, whatever the verdicts (see defaceqa gate), 2 some or all could not be.
    """
    from defaceqa.terminal import show_counts, show_tally, tally_line, warn_of_faces_in

    check_faces(html, with_faces)
    with tally_line() as told:
        from defaceqa.batch import Pages, Settings, Workers, run_levels
        from defaceqa.datasets import BidsFilter, Selection, find_pairs, read_bids_filter

        chosen = read_bids_filter(bids_filter_file) if bids_filter_file else BidsFilter()
        selection = Selection(participant_label, session_label, chosen)
        pairing = find_pairs(
            bids_dir, defaced_dir, selection=selection, brain_mask_folder=brain_mask_dir, skip=(out_dir,)
        )
        tally, counts = run_levels(
            levels, pairing, out_dir, Settings(criterion, _text(model_folder), method), Workers(workers, scheduler),
            originals=bids_dir, defaced=defaced_dir, only=selection.subjects,
            pages=Pages(with_faces) if html else None, told=told,
        )  # fmt: skip
    if with_faces:
        warn_of_faces_in(out_dir)
    if counts is None:
        show_tally(tally, pairing.unpaired)
        return EXIT_ERROR if tally.errors else 0
    show_counts(counts, out_dir)
    return 0 if counts.complete else EXIT_ERROR


@commands.command()
@click.argument("table", type=FILE)
@click.option(
    "--fail-on",
    type=click.Choice(["fail", "review"]),
    default="review",
    show_default=True,
    help="Which verdicts count: fail alone, or review as well.",
)
@click.option("--max-fail", type=click.IntRange(min=0), default=0, show_default=True, help="As many are tolerated.")
@click.option("--out", type=FILE, help="Folder for the answers.  [default: that of TABLE]")
@click.option("--each/--no-each", default=True, show_default=True, help="Also write true or false beside each record.")
def gate(table: Path, fail_on: Literal["fail", "review"], max_fail: int, out: Path | None, each: bool) -> int:
    """Say whether a data set may go through: TABLE is group_T1w.tsv of defaceqa batch.

    Writes group_T1w_pass.txt (true or false), the same for each scan, and group_T1w_look.tsv, which lists what to look
    at.

    Exit codes: 0 may go through, 1 too many failed, 2 some could not be judged, 3 too many to review and none failed.
    """
    from defaceqa.batch import open_gate

    answer = open_gate(table, fail_on=fail_on, max_fail=max_fail, out=out, each=each)
    click.echo(answer.summary)
    return answer.exit_code


@commands.command()
@click.argument("tables", metavar="TABLE...", type=FILE, nargs=-1, required=True)
@click.option("--out", type=FILE, help="Folder for compare_methods.tsv and compare_pairs.tsv.")
@click.option("--plot", "picture", type=FILE, help="Draw it: .png, .svg or .pdf.")
def compare(tables: tuple[Path, ...], out: Path | None, picture: Path | None) -> int:
    """Compare defacing methods on the same subjects: TABLEs are group tables of defaceqa batch.

    The method stands in the column method (batch --method, or a column of the table of pairs); without it the folder of
    a table is taken for its name. In brackets: 95 % intervals, of rates after Wilson, of means over resampled
    subjects; quartiles for the brain lost.
    """
    from defaceqa.batch import as_tsv
    from defaceqa.batch import compare as compare_tables
    from defaceqa.batch.comparison_plot import plot

    comparison = compare_tables(tables)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(as_tsv(comparison.methods), out / "compare_methods.tsv")
        write_text(as_tsv(comparison.pairs), out / "compare_pairs.tsv")
    if picture is not None:
        plot(comparison, picture)
    click.echo(comparison.text)
    return 0


@commands.command()
@click.option("--out", type=FILE, default="defaceqa-demo", show_default=True, help="Folder for images and pages.")
def demo(out: Path) -> int:
    """Run the main job on a head the package makes itself: a good, a poor and a brain-cutting defacing."""
    from defaceqa.terminal import progress_line, show

    with progress_line() as progress:
        from defaceqa.demo import run_demo

        cases = run_demo(out, progress=progress)
    for case in cases:
        click.echo(f"\n{case.title}\n  $ {case.command}")
        show(case.assessment)
    click.echo(f"\nImages, JSON records and pages with the evidence are in {out}{os.sep}")
    return 0


@commands.command()
@click.argument("folder", type=FILE)
@click.option("--with-faces", is_flag=True, help="Show pictures of heads whatever their verdict, if the run kept them.")
def report(folder: Path, with_faces: bool) -> int:
    """Write the page of a data set from the records in FOLDER, as batch and bids leave them."""
    from defaceqa.report import write_group_report
    from defaceqa.terminal import warn_of_faces

    for page in write_group_report(folder, with_faces=with_faces):
        click.echo(page)
        if with_faces:
            warn_of_faces(page)
    return 0


@commands.command()
@click.argument("original", type=FILE)
@click.option("--out", type=FILE, help="PNG file; by default ORIGINAL's name with _inspect.png, in this folder.")
def inspect(original: Path, out: Path | None) -> int:
    """Draw where brain and face regions are found in ORIGINAL, to be checked in one look.

    The picture shows the face: only you can read the file. Exit code 3 when brain and face were not located.
    """
    from defaceqa.inspection import inspect as draw

    picture = out or Path(f"{original.name.split('.')[0]}_inspect.png")
    anatomy = draw(original, picture)
    click.echo(f"{picture}: {'; '.join(anatomy.flags) or 'brain and face located'} (quality {anatomy.quality:.2f})")
    return 0 if anatomy.located else EXIT_REVIEW


@commands.command()
def doctor() -> int:
    """Check that this machine can render, and say what is installed."""
    from defaceqa.doctor import examine

    report = examine()
    click.echo(report.text)
    return 0 if report.ok else EXIT_ERROR


def exit_code(assessment: Assessment) -> int:
    """0 pass, 1 fail, 3 review."""
    from defaceqa.verdict import EXIT_CODES

    return EXIT_CODES[assessment.verdict.verdict]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def write_text(text: str, path: Path) -> None:
    """Write to a file, or to standard output for ``-``."""
    if str(path) == "-":
        click.echo(text, nl=False)
    else:
        write_file(text, path)
