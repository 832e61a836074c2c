"""What a run is told: how to judge, and who does the work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How to judge.

    Parameters
    ----------
    criterion : {"lenient", "strict"}
    model_folder : str, optional
        Instead of the shipped model; workers on other machines must see the same path.
    method : str, optional
        Defacing tool of all pairs that do not say theirs.
    """

    criterion: str = "lenient"
    model_folder: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Pages:
    """What people are to look at. No record depends on it, so it is no part of what one rests on.

    Parameters
    ----------
    with_faces : bool
        Show original and defaced heads whatever the verdict, in files only their owner can read.
    """

    with_faces: bool = False


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Parameters
    ----------
    number : int, optional
        Processes on this machine, one core each; by default as many as cores and memory allow.
    scheduler : str, optional
        Address of a running Dask scheduler, ``tcp://host:8786``; then nothing is started here.
    """

    number: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class Basis:
    """What every record of a run rests on besides its files; part of the content hash, so a change is judged anew.

    Parameters
    ----------
    settings : Settings
    model_sha256 : str
    render_settings : str
        Hash of the render settings.
    version : str
        Of DefaceQA.
    schema_version : str
        Of the record.
    """

    settings: Settings
    model_sha256: str
    render_settings: str
    version: str
    schema_version: str


def basis_of(settings: Settings) -> Basis:
    """Load the model once, here, so that a wrong one is refused before any work begins.

    Raises
    ------
    ModelError
    """
    from importlib.metadata import version

    from defaceqa.assessment import SCHEMA_VERSION
    from defaceqa.model import load_model
    from defaceqa.renders import settings_hash

    model = load_model(settings.model_folder or settings.criterion)
    return Basis(settings, model.card.artefact_sha256, settings_hash(), version("defaceqa"), SCHEMA_VERSION)
