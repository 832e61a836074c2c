"""Outcomes of real tools, run as they are, or with their own mask laid on badly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defaceqa.head import WORKING_SPACING_MM, to_working_grid, working_origin_mm
from defaceqa.simulation import external_tools, real_tools
from defaceqa.simulation.face import Face
from defaceqa.simulation.intensities import remove
from defaceqa.simulation.outcome import Register

FloatArray = NDArray[np.float32]
Generator = np.random.Generator

TOOL_OUTCOMES = Register()


@TOOL_OUTCOMES.add("good", "pydeface")
def pydeface(face: Face, generator: Generator) -> FloatArray:
    """PyDeface's mask, laid on by niimath"""
    return _pydeface(face).copy()


@TOOL_OUTCOMES.add("borderline", "pydeface")
def pydeface_shifted(face: Face, generator: Generator) -> FloatArray:
    """PyDeface's mask, laid on by niimath and then moved by up to 20 mm"""
    moved_mm = np.array([generator.normal(0, 4), generator.uniform(-4, 16), generator.uniform(-20, 2)])
    mask = removed_by(face, _pydeface(face))
    return remove(face, shifted(mask, np.rint(moved_mm / WORKING_SPACING_MM).astype(int)), generator, "zero")


@TOOL_OUTCOMES.add("good", "mridefacer")
def mridefacer(face: Face, generator: Generator) -> FloatArray:
    """The mask of mridefacer, laid on by niimath"""
    return real_tools.mridefacer(face.volume)


@TOOL_OUTCOMES.add("good", "quickshear")
def quickshear(face: Face, generator: Generator) -> FloatArray:
    """Quickshear with a buffer of 5 to 10 mm"""
    return real_tools.quickshear(face.volume, face.brain, buffer_mm=generator.uniform(5, 10))


@TOOL_OUTCOMES.add("borderline", "quickshear")
def quickshear_loose(face: Face, generator: Generator) -> FloatArray:
    """Quickshear with a buffer of 14 to 40 mm (its default of 10 voxels on coarse scans), so that parts stay"""
    return real_tools.quickshear(face.volume, face.brain, buffer_mm=generator.uniform(14, 40))


@TOOL_OUTCOMES.add("brain", "quickshear")
def quickshear_poor_mask(face: Face, generator: Generator) -> FloatArray:
    """Quickshear with a brain mask that misses the front of the brain, so that the brain is cut"""
    front = face.voxels[..., 1]
    limit = float(front[face.working_brain].max()) - generator.uniform(12, 40)
    mask = face.brain & ~face.on_image(front > limit)
    return real_tools.quickshear(face.volume, mask, buffer_mm=generator.uniform(2, 10))


for _program, _method in external_tools.METHODS.items():

    def _make(face: Face, generator: Generator, program: str = _program) -> FloatArray:
        return external_tools.run_tool(program, face.volume)

    _make.__doc__ = f"{_program} as installed on this machine"
    TOOL_OUTCOMES.add("good", _method, name=f"{_method}_installed", tool=_program)(_make)


def _pydeface(face: Face) -> FloatArray:
    return face.once("pydeface", lambda: real_tools.pydeface(face.volume))


def removed_by(face: Face, defaced: FloatArray) -> NDArray[np.bool_]:
    """The mask a tool must have used, on the working grid; air belongs to it where the nearest skin does."""
    changed = np.abs(defaced - face.volume.data) > 0.002 * (face.tissue - face.air)
    inside = to_working_grid(changed, face.volume.spacing_mm) >= 0.5
    skin = np.rint((face.skin_mm - working_origin_mm(face.volume.shape, face.volume.spacing_mm)) / WORKING_SPACING_MM)
    skin_removed = inside[tuple(skin.astype(int).T)]
    return np.where(face.depth_mm < 0, skin_removed[face.nearest], inside)


def shifted(mask: NDArray[np.bool_], voxels: NDArray[np.int_]) -> NDArray[np.bool_]:
    """A mask moved by whole voxels; its border values come in from the side, as a larger mask would."""
    index = [np.clip(np.arange(n) - int(v), 0, n - 1) for n, v in zip(mask.shape, voxels, strict=True)]
    return mask[np.ix_(*index)]
