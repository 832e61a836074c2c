"""Whole defacing programs, as people have them on PATH: a corpus made on such a machine holds its own tools' results.

All are called alike, image in and image out; what differs is the command line, spelt out here for each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.real_tools import ToolFailedError, ToolMissingError, find_program, run
from defaceqa.volumes import Volume, load_volume, onto_grid, save_volume

FloatArray = NDArray[np.float32]

MRI_DEFACE_FOLDER_VARIABLE = "DEFACEQA_MRI_DEFACE"
"""Environment variable that names the folder of mri_deface's two atlases; else FreeSurfer's own is searched."""

MRI_DEFACE_ATLASES = ("talairach_mixed_with_skull.gca", "face.gca")

METHODS: Mapping[str, str] = {
    "pydeface": "pydeface",
    "fsl_deface": "fsl_deface",
    "mri_deface": "mri_deface",
    "mideface": "mideface",
    "@afni_refacer_run": "afni_refacer",
    "mri_reface": "mri_reface",
}
"""Program on PATH, and the method it counts as."""


def command_line(program: str, original: Path, defaced: Path) -> list[str]:
    """The command a user of the tool would type.

    Parameters
    ----------
    program : str
        A key of ``METHODS``.
    original, defaced : Path
        ``.nii.gz`` files; the defaced one is in a folder of its own, where tools may leave other files.

    Returns
    -------
    list of str

    Raises
    ------
    ToolMissingError
        The program, or what it needs, is not installed.
    """
    return [find_program(program), *_ARGUMENTS[program](str(original), defaced)]


def run_tool(program: str, volume: Volume) -> FloatArray:
    """Deface a volume with an installed program.

    Parameters
    ----------
    program : str
        A key of ``METHODS``.
    volume : Volume

    Returns
    -------
    ndarray of float32, shape of ``volume``

    Raises
    ------
    ToolMissingError, ToolFailedError
    """
    with tempfile.TemporaryDirectory() as folder:
        original, results = Path(folder) / "original.nii.gz", Path(folder) / "results"
        results.mkdir()
        save_volume(volume, original)
        defaced = results / "defaced.nii.gz"
        run(command_line(program, original, defaced))
        return onto_grid(load_volume(_written(program, results, defaced)), volume).data


def _pydeface(original: str, defaced: Path) -> list[str]:
    find_program("flirt")  # PyDeface registers with FSL's flirt
    return [original, "--outfile", str(defaced), "--force"]


def _fsl_deface(original: str, defaced: Path) -> list[str]:
    return [original, str(defaced)]


def _mri_deface(original: str, defaced: Path) -> list[str]:
    return [original, *(str(atlas) for atlas in _mri_deface_atlases()), str(defaced)]


def _mideface(original: str, defaced: Path) -> list[str]:
    return ["--i", original, "--o", str(defaced), "--odir", str(defaced.parent / "qa")]


def _afni_refacer(original: str, defaced: Path) -> list[str]:
    return ["-input", original, "-mode_deface", "-prefix", str(defaced)]


def _mri_reface(original: str, defaced: Path) -> list[str]:
    return [original, str(defaced.parent)]


_ARGUMENTS: Mapping[str, Callable[[str, Path], list[str]]] = {
    "pydeface": _pydeface,
    "fsl_deface": _fsl_deface,
    "mri_deface": _mri_deface,
    "mideface": _mideface,
    "@afni_refacer_run": _afni_refacer,
    "mri_reface": _mri_reface,
}


def _written(program: str, results: Path, defaced: Path) -> Path:
    """The file the tool wrote: where it was told to, or under the name mri_reface chooses."""
    if defaced.exists():
        return defaced
    named = sorted(results.glob("*deFaced.nii*"))
    if not named:
        raise ToolFailedError(f"{program} ended without an error but wrote no defaced image.")
    return named[0]


def _mri_deface_atlases() -> list[Path]:
    places = [os.environ.get(MRI_DEFACE_FOLDER_VARIABLE), os.environ.get("FREESURFER_HOME")]
    for folder in (Path(place) for place in places if place):
        for inner in (folder, folder / "average"):
            found = [inner / name for name in MRI_DEFACE_ATLASES]
            if all(file.exists() for file in found):
                return found
    raise ToolMissingError(
        f"mri_deface needs {' and '.join(MRI_DEFACE_ATLASES)}; name their folder in {MRI_DEFACE_FOLDER_VARIABLE}."
    )
