"""The whole job in one function: two files in, an assessment out."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from defaceqa.anatomy.registration import locate
from defaceqa.features.brain_mask import load_masked_pair
from defaceqa.features.extract import FeatureRow, extract
from defaceqa.model import Model, load_model
from defaceqa.renderer import describe_renderer
from defaceqa.verdict import Verdict, decide
from defaceqa.volumes import Pair, Volume

SCHEMA_VERSION = "1.0"
"""Version of the JSON below: raised when a key changes its meaning or goes away."""

Path = str | os.PathLike[str]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Assessment:
    """What DefaceQA says of one pair, and everything it rests on.

    Parameters
    ----------
    verdict : Verdict
    features : FeatureRow
    model : Model
    inputs : dict
        sha256, shape, spacing_mm of both images.
    method : str or None
        Defacing method, as told by the user.
    brain_mask : str or None
        Name of the mask file the brain was judged by; None when it was found by the mean head.
    """

    verdict: Verdict
    features: FeatureRow
    model: Model
    inputs: Mapping[str, Mapping[str, Any]]
    method: str | None = None
    brain_mask: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, in the layout of the JSON; not finite numbers are None."""
        verdict, card = self.verdict, self.model.card
        return _plain(
            {
                "schema_version": SCHEMA_VERSION,
                "verdict": verdict.verdict,
                "face": asdict(verdict.face)
                | {"thresholds": {"low": card.thresholds.low, "high": card.thresholds.high}},
                "brain": asdict(verdict.brain) | {"mask": self._mask()},
                "reasons": verdict.reasons,
                "features": self.features.values,
                "undefined": self.features.undefined,
                "contributions": self.model.contributions(self.features.values),
                "flags": self.features.flags,
                "method": self.method,
                "model": {
                    "name": card.name,
                    "version": card.version,
                    "sha256": card.artefact_sha256,
                    "bias": self.model.bias,
                    "training_range": {column.name: [column.minimum, column.maximum] for column in card.columns},
                    "limits": card.limits,
                },
                "software": _software(),
                "renderer": {"settings_hash": self.features.settings_hash, **describe_renderer()},
                "inputs": self.inputs,
            }
        )

    def _mask(self) -> str | None:
        """By which mask the brain was judged, for the record."""
        return (self.brain_mask or "mean head") if self.verdict.brain.judged else None

    def to_json(self) -> str:
        """The versioned JSON record as text."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"


def assess(
    original: Path,
    defaced: Path,
    *,
    brain_mask: Path | None = None,
    method: str | None = None,
    criterion: str = "lenient",
    model: Model | None = None,
    progress: Progress | None = None,
    evidence: bool = True,
    one_core: bool = False,
    search_mask: bool = True,
) -> Assessment:
    """Judge one defaced scan against its original.

    Parameters
    ----------
    original, defaced : path
        NIfTI or MGZ files of the same scan before and after defacing.
    brain_mask : path, optional
        Mask of the brain on the original's grid. Without it, the one that a BIDS derivative of the data set holds
        (``*_desc-brain_mask.nii.gz``), or else the brain as the mean head finds it.
    method : str, optional
        Name of the defacing tool; written into the record.
    criterion : {"lenient", "strict"}
        Which labels the probability is about.
    model : Model, optional
        Instead of the shipped one for the criterion.
    progress : callable, optional
        Told the name of each slow step.
    evidence : bool
        Keep renders and slices (some 3 MB) for :func:`defaceqa.write_report`.
    one_core : bool
        Do one thing after the other; for many pairs at a time, with a core for each. The answer is the same.
    search_mask : bool
        Look for a mask in the derivatives when none is given; False for callers that have looked themselves.

    Returns
    -------
    Assessment

    Raises
    ------
    InputError
        A file or pair that cannot be judged.
    ModelError
        A model that does not fit this version.
    RenderError
        No off-screen renderer on this machine.
    """
    say = progress or (lambda step: None)
    model = model or load_model(criterion)
    say("reading both images")
    pair, mask = load_masked_pair(original, defaced, brain_mask=brain_mask, search_mask=search_mask)
    search = partial(locate, pair.original, with_brain=pair.brain is None)
    if one_core:
        features = extract(pair, anatomy=search(), progress=progress, evidence=evidence)
    else:
        with ThreadPoolExecutor(max_workers=1) as pool:  # the face is located while the views are rendered
            anatomy = pool.submit(search)
            features = extract(pair, anatomy=anatomy, progress=progress, evidence=evidence)
    say("deciding")
    return judge(pair, features, model, method=method, brain_mask=mask)


def judge(
    pair: Pair, features: FeatureRow, model: Model, *, method: str | None = None, brain_mask: str | None = None
) -> Assessment:
    """Turn the features of a pair into an assessment."""
    row = features.values
    verdict = decide(
        row,
        model.probability(row),
        criterion=model.card.criterion,
        thresholds=(model.card.thresholds.low, model.card.thresholds.high),
        contributions=model.contributions(row),
        flags=features.flags,
        out_of_range=model.out_of_range(row),
    )
    inputs = {"original": _describe(pair.original), "defaced": _describe(pair.defaced)}
    return Assessment(verdict, features, model, inputs, method, brain_mask)


def _software() -> dict[str, str]:
    packages = ("defaceqa", "numpy", "scipy", "scikit-image", "SimpleITK", "vtk")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _describe(volume: Volume) -> dict[str, Any]:
    return {
        "name": volume.name,
        "sha256": volume.sha256,
        "shape": list(volume.shape),
        "spacing_mm": [round(float(s), 4) for s in volume.spacing_mm],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
