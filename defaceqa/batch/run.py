"""The run: pairs in, records out, the tables made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from defaceqa.batch.cluster import connected, performed
from defaceqa.batch.folder import check_place, describe, locked, refusing, write_whole
from defaceqa.batch.group import Counts, write_tables
from defaceqa.batch.pages import has_pages, keep_pages, write_group_pages
from defaceqa.batch.record import known_content, read_record, record_path
from defaceqa.batch.settings import Basis, Pages, Settings, Workers, basis_of
from defaceqa.batch.stopping import stoppable
from defaceqa.batch.task import Done, Judge, Task, assess_pair
from defaceqa.datasets import PairFiles, Pairing


@dataclass(frozen=True)
class Tally:
    """How far a run is; told after every pair.

    Parameters
    ----------
    done, total : int
    kept : int
        Of those done, records that were there already and still hold.
    errors : int
        Of those done, pairs that could not be judged.
    name : str
        The pair that was last.
    error : str or None
        Why that one could not be judged.
    """

    done: int
    total: int
    kept: int = 0
    errors: int = 0
    name: str = ""
    error: str | None = None

    def after(self, done: Done) -> Tally:
        """The tally one pair later."""
        kept, errors = self.kept + (done.text is None), self.errors + (done.error is not None)
        return Tally(self.done + 1, self.total, kept, errors, done.pair.name.text, done.error)


Told = Callable[[Tally], None]


def run_batch(
    pairing: Pairing,
    out: Path,
    settings: Settings,
    workers: Workers,
    *,
    originals: Path | None = None,
    defaced: Path | None = None,
    pages: Pages | None = None,
    told: Told | None = None,
    judge: Judge = assess_pair,
) -> Counts:
    """Judge all pairs and write the tables. Started again it continues; the result is the same to the byte.

    Parameters
    ----------
    pairing : Pairing
    out : Path
        Folder for records and tables; made when missing.
    settings : Settings
    workers : Workers
    originals, defaced : Path, optional
        Trees the pairs come from; nothing is written into the defaced one.
    pages : Pages, optional
        Write a page per scan and one for the data set as well; a scan whose page is missing is judged again.
    told : callable, optional
        Told how far the run is.
    judge : callable
        Stands in for the real judgement in tests.

    Returns
    -------
    Counts

    Raises
    ------
    OutputError
        The folder cannot be written, is to be released, or another run writes there.
    ClusterError, ModelError, RenderError
        Nobody can work.
    """
    check_place(out, originals, defaced, pairing.pairs)
    basis = basis_of(settings)
    with stoppable(), locked(out):
        describe(out, basis.version)
        _judge(_tasks(pairing.pairs, out, basis, judge, pages), len(pairing.pairs), out, workers, told)
        return _group(pairing, out, pages)


def judge_pairs(
    pairing: Pairing,
    out: Path,
    settings: Settings,
    workers: Workers,
    *,
    originals: Path | None = None,
    defaced: Path | None = None,
    only: Sequence[str] = (),
    pages: Pages | None = None,
    told: Told | None = None,
    judge: Judge = assess_pair,
) -> Tally:
    """The participant level alone: records, and pages of scans if asked for, but no tables.

    Runs over different subjects may go side by side.

    Parameters
    ----------
    only : sequence of str
        Labels of the subjects this run is about; empty: all.

    Others are as for :func:`run_batch`.
    """
    check_place(out, originals, defaced, pairing.pairs)
    basis = basis_of(settings)
    with stoppable(), locked(out, only):
        describe(out, basis.version)
        return _judge(_tasks(pairing.pairs, out, basis, judge, pages), len(pairing.pairs), out, workers, told)


def run_levels(
    levels: Sequence[str],
    pairing: Pairing,
    out: Path,
    settings: Settings,
    workers: Workers,
    *,
    originals: Path,
    defaced: Path | None = None,
    only: Sequence[str] = (),
    pages: Pages | None = None,
    told: Told | None = None,
) -> tuple[Tally, Counts | None]:
    """What a BIDS App does: the participant level, the group level, or both; parameters as for :func:`judge_pairs`.

    Returns
    -------
    Tally, Counts or None
        Counts only when the group level was asked for.
    """
    tally, counts = Tally(0, 0), None
    if "participant" in levels:
        tally = judge_pairs(
            pairing, out, settings, workers, originals=originals, defaced=defaced, only=only, pages=pages, told=told
        )
    if "group" in levels:
        counts = write_group(pairing, out, originals=originals, defaced=defaced, pages=pages)
    return tally, counts


def write_group(
    pairing: Pairing,
    out: Path,
    *,
    originals: Path | None = None,
    defaced: Path | None = None,
    pages: Pages | None = None,
) -> Counts:
    """The group level alone: tables, and pages if asked for, of the records that are there.

    A pair without a record is a row that says so.
    """
    from importlib.metadata import version

    check_place(out, originals, defaced, pairing.pairs)
    with stoppable(), locked(out):
        describe(out, version("defaceqa"))
        return _group(pairing, out, pages)


def _judge(tasks: Iterator[Task], total: int, out: Path, workers: Workers, told: Told | None) -> Tally:
    tally = Tally(0, total)
    if not total:
        return tally
    with connected(workers) as client:
        for done in performed(client, tasks):
            if done.text is not None:
                keep_pages(done, out)
                # last: a record that is there says that its scan is done
                write_whole(out / record_path(done.pair.name), done.text, out)
            tally = tally.after(done)
            if told is not None:
                told(tally)
    return tally


def _tasks(pairs: Sequence[PairFiles], out: Path, basis: Basis, judge: Judge, pages: Pages | None) -> Iterator[Task]:
    for pair in pairs:
        with refusing(out):
            known = _known(pair, out, pages)
        yield Task(pair, basis, known, judge, pages)


def _known(pair: PairFiles, out: Path, pages: Pages | None) -> str | None:
    """Content hash of the record that is there, if its pages are there as well."""
    record = read_record(out / record_path(pair.name))
    content = known_content(record)
    if record is None or content is None:
        return None
    return content if pages is None or has_pages(record, out, pair, pages) else None


def _group(pairing: Pairing, out: Path, pages: Pages | None) -> Counts:
    with refusing(out):
        counts = write_tables(pairing, out)
        if pages is None or not counts.tables:
            return counts
        return replace(counts, pages=write_group_pages(out, pages))
