"""Published methods made to run anywhere, so that every corpus can hold them: no FSL, FreeSurfer or AFNI is needed.

Quickshear is run as it is, with a brain mask that is known here. Of PyDeface and mridefacer only the template and the
mask are taken, and niimath lays them on. What is not installed raises :class:`ToolMissingError`; callers skip that
outcome with a notice.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import DefaceQAError
from defaceqa.volumes import Volume, load_volume, onto_grid, save_volume

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

MRIDEFACER_FOLDER_VARIABLE = "DEFACEQA_MRIDEFACER"
"""Environment variable that names the folder with mridefacer's template and mask."""

MRIDEFACER_TEMPLATE = "*head_tmpl[-.]*nii.gz"
MRIDEFACER_MASK = "*face_teeth_ear_mask*.nii.gz"

MRIDEFACER_AFFINE = np.array([[-3.0, 0, 0, 95], [0, 3, 0, -130], [0, 0, 3, -170], [0, 0, 0, 1]])
"""3 mm voxels stored left to right reversed, the middle of the head near the origin."""

TIME_LIMIT_S = 600


class ToolMissingError(DefaceQAError):
    """A defacing tool, or a file it needs, is not on this machine."""


class ToolFailedError(DefaceQAError):
    """A defacing tool ended with an error."""


def quickshear(volume: Volume, brain: BoolArray, *, buffer_mm: float = 10.0) -> FloatArray:
    """``quickshear ANAT MASK OUT BUFFER`` (Schimke & Hale 2011); the buffer is given in voxels there.

    Parameters
    ----------
    volume : Volume
    brain : ndarray of bool, shape of ``volume``
    buffer_mm : float
        Distance between the brain and the shearing plane; negative cuts the brain.

    Returns
    -------
    ndarray of float32, shape of ``volume``

    Raises
    ------
    ToolMissingError, ToolFailedError
    """
    program = find_program("quickshear")
    with tempfile.TemporaryDirectory() as folder:
        original, mask, defaced = (Path(folder) / f"{name}.nii" for name in ("original", "brain", "defaced"))
        save_volume(volume, original)
        save_volume(brain, mask, affine=volume.affine)
        # negative numbers would be taken for options without the double dash
        run([program, "--", str(original), str(mask), str(defaced), f"{buffer_mm / volume.spacing_mm[2]:.3f}"])
        return onto_grid(load_volume(defaced), volume).data


def pydeface(volume: Volume) -> FloatArray:
    """PyDeface's template and mask, laid on by ``niimath ORIGINAL -deface TEMPLATE MASK OUT`` instead of FSL."""
    folder = package_folder("pydeface") / "data"
    return _niimath_deface(volume, folder / "mean_reg2mean.nii.gz", folder / "facemask.nii.gz")


def mridefacer(volume: Volume, folder: Path | None = None) -> FloatArray:
    """Template and mask of mridefacer, laid on by ``niimath ORIGINAL -deface TEMPLATE MASK OUT``.

    Its two files belong together voxel by voxel, as FSL reads them, while their headers place them apart and far from
    any head; both are therefore laid on one grid around the origin first.

    Parameters
    ----------
    volume : Volume
    folder : Path, optional
        Holds the two files; else the folder named by ``DEFACEQA_MRIDEFACER``.
    """
    place = folder or Path(os.environ.get(MRIDEFACER_FOLDER_VARIABLE, ""))
    sources = [_only(place, MRIDEFACER_TEMPLATE), _only(place, MRIDEFACER_MASK)]
    with tempfile.TemporaryDirectory() as temporary:
        centred = [Path(temporary) / f"{name}.nii" for name in ("template", "mask")]
        for source, target in zip(sources, centred, strict=True):
            voxels = np.asarray(nib.load(source).dataobj, np.float32)  # type: ignore[attr-defined]
            save_volume(voxels, target, affine=MRIDEFACER_AFFINE)
        return _niimath_deface(volume, *centred)


def find_program(name: str) -> str:
    """Path of a program on PATH or beside the running Python.

    Raises
    ------
    ToolMissingError
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise ToolMissingError(f"{name} was not found; expected it on PATH. Install it to use it.")
    return found


def package_folder(name: str) -> Path:
    """Folder of an installed package, without importing it.

    Raises
    ------
    ToolMissingError
    """
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ToolMissingError(f"The package {name} is not installed; its files are needed. pip install {name}.")
    return Path(found.origin).parent


def run(command: list[str]) -> None:
    """Run a tool quietly on one core.

    Raises
    ------
    ToolFailedError
        With the last line the tool printed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise ToolFailedError(f"{Path(command[0]).name} did not finish within {TIME_LIMIT_S} s.") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise ToolFailedError(f"{Path(command[0]).name} ended with code {done.returncode} and said: {said[-1]}")


def _niimath_deface(volume: Volume, template: Path, mask: Path) -> FloatArray:
    program = find_program("niimath")
    with tempfile.TemporaryDirectory() as folder:
        original, defaced = Path(folder) / "original.nii", Path(folder) / "defaced.nii"
        save_volume(volume, original)
        run([program, str(original), "-gz", "0", "-deface", str(template), str(mask), str(defaced)])
        return onto_grid(load_volume(defaced), volume).data


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(found) != 1:
        raise ToolMissingError(
            f"{len(found)} files named {pattern} in the mridefacer folder; expected one. "
            f"Name the folder in {MRIDEFACER_FOLDER_VARIABLE}."
        )
    return found[0]
