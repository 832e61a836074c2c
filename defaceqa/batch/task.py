"""One pair, one task: what a worker process does. A lost worker costs one scan, which another then judges."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defaceqa.batch.record import error_record, judged_record, to_text
from defaceqa.batch.settings import Basis, Pages, Settings
from defaceqa.datasets import PairFiles
from defaceqa.errors import ClusterError, DefaceQAError, ModelError, RenderError

if TYPE_CHECKING:
    from defaceqa.assessment import Assessment
    from defaceqa.model import Model
    from defaceqa.report import DrawnScan


Judge = Callable[[PairFiles, Settings, bool], "Assessment"]
"""Judges a pair; told last whether to keep the evidence, for a page to be drawn from."""

_ONE_AT_A_TIME = threading.Lock()
"""Rendering in several threads of one process is asking for trouble; a worker with many threads waits instead."""


@dataclass(frozen=True)
class Task:
    """All a worker needs.

    Parameters
    ----------
    pair : PairFiles
    basis : Basis
    known : str or None
        Content hash of the record that is there already.
    judge : callable
    pages : Pages or None
        Which pages to draw; None: none.
    """

    pair: PairFiles
    basis: Basis
    known: str | None
    judge: Judge
    pages: Pages | None = None


@dataclass(frozen=True)
class Done:
    """What comes back.

    Parameters
    ----------
    pair : PairFiles
    text : str or None
        The record as JSON; None when the one that is there still holds.
    error : str or None
        Why the pair could not be judged.
    drawn : DrawnScan or None
        Its page, where one was asked for: what the evidence shows, not the evidence, which stays with the worker.
    """

    pair: PairFiles
    text: str | None
    error: str | None = None
    drawn: DrawnScan | None = None


def perform(task: Task) -> Done:
    """Judge one pair; whatever is wrong with it becomes its record.

    Raises
    ------
    ClusterError, ModelError, RenderError
        What is wrong with this worker and would spoil every scan it gets.
    """
    _check_worker(task.basis)
    try:
        content = content_sha256(task.pair, task.basis)
        if content == task.known:
            return Done(task.pair, None)
        with _ONE_AT_A_TIME:
            assessment = task.judge(task.pair, task.basis.settings, task.pages is not None)
            drawn = _drawn(assessment, task.pages)
        text = to_text(judged_record(task.pair, task.basis, assessment.as_dict(), content))
        return Done(task.pair, text, drawn=drawn)
    except (ClusterError, ModelError, RenderError) as error:
        raise type(error)(f"{error} (on {socket.gethostname()})") from None
    except DefaceQAError as error:
        return failed(task, str(error))
    except OSError as error:
        return failed(task, f"A file of this pair cannot be read ({error.strerror}); check it and start again.")
    except MemoryError:
        return failed(task, "There was not enough memory for this pair; start again with fewer workers.")
    except Exception as error:  # noqa: BLE001 - one scan nobody foresaw must not end a run over thousands
        return failed(task, f"An unexpected {type(error).__name__}: {error}. Please report it.")


def failed(task: Task, message: str) -> Done:
    """A pair that could not be judged, with one line that says why."""
    line = " ".join(message.split())
    return Done(task.pair, to_text(error_record(task.pair, task.basis, line)), line)


def assess_pair(pair: PairFiles, settings: Settings, evidence: bool = False) -> Assessment:
    """The real judge."""
    from defaceqa.assessment import assess

    return assess(
        pair.original,
        pair.defaced,
        brain_mask=pair.brain_mask,
        method=pair.method or settings.method,
        criterion=settings.criterion,
        model=_model(settings),
        evidence=evidence,
        one_core=True,
        search_mask=False,  # pairing has looked: the content hash, and --brain-mask-dir, must know of every mask
    )


def content_sha256(pair: PairFiles, basis: Basis) -> str:
    """Hash of everything a record rests on: the bytes of the files, the model, the settings, the version.

    Raises
    ------
    OSError
    """
    files = {"original": pair.original, "defaced": pair.defaced, "brain_mask": pair.brain_mask}
    content: dict[str, Any] = {
        "name": pair.name.text,
        "method": pair.method,
        "basis": asdict(basis) | {"settings": asdict(basis.settings) | {"model_folder": None}},
        "files": {role: (Path(file).name, _sha256(file)) for role, file in files.items() if file is not None},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(file: str) -> str | None:
    """None for a file that is not there: saying so well is the judge's part."""
    try:
        with Path(file).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _drawn(assessment: Assessment, pages: Pages | None) -> DrawnScan | None:
    if pages is None:
        return None
    from defaceqa.report import draw_scan

    return draw_scan(assessment, with_faces=pages.with_faces)


@lru_cache(maxsize=2)
def _model(settings: Settings) -> Model:
    from defaceqa.model import load_model

    return load_model(settings.model_folder or settings.criterion)


def _check_worker(basis: Basis) -> None:
    from importlib.metadata import version

    if version("defaceqa") != basis.version:
        raise ClusterError(
            f"A worker on {socket.gethostname()} has defaceqa {version('defaceqa')}, this machine has {basis.version}; "
            "install the same version everywhere."
        )
    if _model(basis.settings).card.artefact_sha256 != basis.model_sha256:
        raise ClusterError(
            f"A worker on {socket.gethostname()} has another model than this machine; install the same everywhere."
        )
