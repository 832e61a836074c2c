"""All features of one pair: one row of named numbers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from defaceqa import head as head_module
from defaceqa import renders
from defaceqa.anatomy.registration import Anatomy
from defaceqa.features import loss, residual
from defaceqa.features.evidence import Evidence, gather
from defaceqa.features.original import MeasuredOriginal
from defaceqa.features.table import FEATURES
from defaceqa.surfaces import Surface, clear_defaced, skin_surface
from defaceqa.volumes import Pair

Progress = Callable[[str], None]


@dataclass(frozen=True)
class FeatureRow:
    """The features of one pair.

    Parameters
    ----------
    values : dict
        Every name of ``FEATURES``; NaN where undefined.
    undefined : dict
        Reason for each NaN, in plain words.
    flags : tuple of str
        What keeps the face from being judged as usual, in plain words.
    settings_hash : str
        Of the render settings.
    evidence : Evidence or None
        Pictures for a report, in memory only and never part of a record.
    """

    values: dict[str, float]
    undefined: dict[str, str]
    flags: tuple[str, ...] = ()
    settings_hash: str = field(default_factory=renders.settings_hash)
    evidence: Evidence | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class WorkingPair:
    """A pair on the working grid, with the head found on the original.

    Parameters
    ----------
    original, defaced : ndarray of float32
        The defaced image in the original's units.
    head : ndarray of bool
    threshold, tissue : float
        Skin level, and tissue level above the air.
    origin_mm : ndarray, shape (3,)
    gain : float
        Rescaling that was taken back.
    measured : MeasuredOriginal
        What is known of the original alone.
    """

    original: NDArray[np.float32]
    defaced: NDArray[np.float32]
    head: NDArray[np.bool_]
    threshold: float
    tissue: float
    origin_mm: NDArray[np.float64]
    gain: float
    measured: MeasuredOriginal


def extract(
    pair: Pair,
    *,
    anatomy: Anatomy | Future[Anatomy] | None = None,
    progress: Progress | None = None,
    measured: MeasuredOriginal | None = None,
    evidence: bool = False,
) -> FeatureRow:
    """Measure a pair.

    Parameters
    ----------
    pair : Pair
    anatomy : Anatomy or Future of one, optional
        Where the face is in the original (:func:`defaceqa.anatomy.registration.locate`), perhaps still being found
        by another thread; without it the region features are undefined.
    progress : callable, optional
        Told the name of each slow step.
    measured : MeasuredOriginal, optional
        Of ``pair.original``, kept from an earlier pair of the same original; the numbers are the same without it.
    evidence : bool
        Keep renders and slices for a report.

    Returns
    -------
    FeatureRow
    """
    say = progress or (lambda step: None)
    say("measuring head and surfaces")
    working = working_pair(pair, measured)
    _, defaced = pair_surfaces(working)
    say("rendering five views")
    views = working.measured.views_beside(defaced)
    say("comparing views")
    values = _similarity(views, working.measured)
    say("measuring brain and regions of the face")
    found = anatomy.result() if isinstance(anatomy, Future) else anatomy
    brain, change = brain_of(pair, found), _change(pair, working)
    values |= _losses(pair, working, change, brain)
    share = values.get("brain_to_head_ratio", float("nan"))
    seen = gather(pair, views, change, brain, share, found) if evidence else None
    if found is None or not found.located:
        return _row(values, pair, working, found, evidence=seen)
    skin = outer_skin_points(working, found.landmarks_mm)
    difference = np.abs(working.defaced - working.original)
    changed = residual.changed_under_skin(skin, difference, working.origin_mm, working.tissue)
    survival = residual.skin_survival(skin, defaced.vertices_mm, defaced.normals, changed=changed)
    values |= residual.region_residuals(skin, survival) | residual.face_distances(skin, survival)
    return _row(values, pair, working, found, residual.original_flags(skin, found.landmarks_mm), evidence=seen)


def working_pair(pair: Pair, measured: MeasuredOriginal | None = None) -> WorkingPair:
    """Bring a pair to the working grid and find its head."""
    known = measured or MeasuredOriginal(pair.original)
    defaced = head_module.to_working_grid(pair.defaced.data, pair.original.spacing_mm)
    gain = loss.intensity_gain(known.data, defaced, known.head, known.threshold)
    return WorkingPair(
        known.data, defaced / np.float32(gain), known.head, known.threshold, known.tissue, known.origin_mm, gain, known
    )


def pair_surfaces(working: WorkingPair) -> tuple[Surface, Surface]:
    """Skin of the original, and of the defaced image at the same iso-value."""
    cleared = clear_defaced(working.defaced, working.original, working.head, working.threshold)
    return working.measured.surface, skin_surface(cleared, working.threshold, working.origin_mm)


def outer_skin_points(working: WorkingPair, landmarks_mm: dict[str, NDArray[np.float64]]) -> residual.Skin:
    """The original's outer skin in the face regions that landmarks (grid mm) define."""
    return working.measured.skin(landmarks_mm)


def _similarity(views: list[NDArray[np.uint8]], measured: MeasuredOriginal) -> dict[str, float]:
    from defaceqa.features.similarity import similarity_features

    return similarity_features(views[0], views[1], renders.silhouettes(*views), structures=measured.structures)


def brain_of(pair: Pair, anatomy: Anatomy | None) -> NDArray[np.bool_] | None:
    """The brain on the original's grid: as given with the pair, or else as found by the mean head."""
    if pair.brain is not None or anatomy is None or anatomy.brain is None:
        return pair.brain
    return head_module.from_working_grid(anatomy.brain, pair.original.shape, pair.original.spacing_mm)


def _change(pair: Pair, working: WorkingPair) -> loss.Change:
    """Changed voxels on the pair's own grid, so that mL are counted in the voxels that were removed."""
    defaced = pair.defaced.data if working.gain == 1 else pair.defaced.data / np.float32(working.gain)
    return loss.changed_voxels(pair.original.data, defaced, working.threshold, working.tissue)


def _losses(
    pair: Pair, working: WorkingPair, change: loss.Change, brain: NDArray[np.bool_] | None
) -> dict[str, float]:
    spacing = pair.original.spacing_mm
    head = working.measured.head_on_image
    values = loss.loss(change, head, spacing, "head")
    if brain is None:
        return values
    values |= loss.loss(change, brain, spacing, "brain")
    values["brain_to_head_ratio"] = float(brain.sum() / max(head.sum(), 1))
    on_grid = head_module.to_working_grid(brain, spacing) > 0.5
    reduced = loss.changed_voxels(working.original, working.defaced, working.threshold, working.tissue)
    return values | loss.brain_piece(reduced.removed, on_grid, head_module.WORKING_SPACING_MM)


def _row(
    values: dict[str, float],
    pair: Pair,
    working: WorkingPair,
    anatomy: Anatomy | None,
    seen: tuple[str, ...] = (),
    evidence: Evidence | None = None,
) -> FeatureRow:
    filled = {name: float(values.get(name, float("nan"))) for name in FEATURES}
    undefined = {name: _why(name, anatomy) for name, value in filled.items() if np.isnan(value)}
    flags = [*pair.flags, *(anatomy.flags if anatomy else ()), *seen]
    if working.gain != 1:
        flags.append(f"the defaced image is rescaled as a whole (by {working.gain:.3g})")
    return FeatureRow(filled, undefined, tuple(flags), evidence=evidence)


def _why(name: str, anatomy: Anatomy | None) -> str:
    if name.startswith("brain"):
        return "the brain was not found"
    if anatomy is None:
        return "the face was not located"
    if not anatomy.located:
        return "the face could not be located"
    return "this part of the face is outside the field of view"
