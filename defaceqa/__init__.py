"""DefaceQA judges whether a defaced head MRI is really defaced and the brain still whole."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from defaceqa.assessment import Assessment, assess
    from defaceqa.errors import DefaceQAError
    from defaceqa.features.extract import extract
    from defaceqa.features.table import FEATURES
    from defaceqa.model import Model, load_model
    from defaceqa.report import write_report
    from defaceqa.verdict import Verdict
    from defaceqa.volumes import Pair, Volume, load_pair

_HOMES = {
    "assess": "assessment",
    "Assessment": "assessment",
    "Verdict": "verdict",
    "load_pair": "volumes",
    "Pair": "volumes",
    "Volume": "volumes",
    "extract": "features",
    "FEATURES": "features",
    "load_model": "model",
    "Model": "model",
    "write_report": "report",
    "DefaceQAError": "errors",
}

__all__ = [
    "FEATURES",
    "Assessment",
    "DefaceQAError",
    "Model",
    "Pair",
    "Verdict",
    "Volume",
    "assess",
    "extract",
    "load_model",
    "load_pair",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: ``defaceqa --help`` must not wait for VTK."""
    if name not in _HOMES:
        raise AttributeError(f"module 'defaceqa' has no attribute {name!r}")
    return getattr(import_module(f"defaceqa.{_HOMES[name]}"), name)
