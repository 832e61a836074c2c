"""Adapters of installed tools: the exact command line, and what happens when it is missing, fails or writes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from defaceqa.simulation.corpus import installed_tools, simulate_head
from defaceqa.simulation.external_tools import METHODS, command_line, run_tool
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.simulation.real_tools import ToolFailedError, ToolMissingError
from defaceqa.volumes import Volume

COPY = """#!{python}
import shutil, sys
from pathlib import Path
arguments = sys.argv[1:]
{body}
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH for pretended tools."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("FREESURFER_HOME", raising=False)
    monkeypatch.delenv("DEFACEQA_MRI_DEFACE", raising=False)
    return tmp_path


def pretend(folder: Path, name: str, body: str = "") -> None:
    file = folder / name
    file.write_text(COPY.format(python=sys.executable, body=body))
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("fsl_deface", "in.nii.gz out/d.nii.gz"),
        ("mideface", "--i in.nii.gz --o out/d.nii.gz --odir out/qa"),
        ("@afni_refacer_run", "-input in.nii.gz -mode_deface -prefix out/d.nii.gz"),
        ("mri_reface", "in.nii.gz out"),
    ],
)
def test_the_command_line_is_what_a_user_types(bench: Path, program: str, arguments: str) -> None:
    pretend(bench, program)
    found = command_line(program, Path("in.nii.gz"), Path("out/d.nii.gz"))
    assert found == [str(bench / program), *arguments.split()]


def test_pydeface_needs_flirt_and_mri_deface_its_atlases(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(bench, "mri_deface")
    with pytest.raises(ToolMissingError, match=r"talairach_mixed_with_skull\.gca and face\.gca"):
        command_line("mri_deface", Path("in"), Path("out"))
    for name in ("talairach_mixed_with_skull.gca", "face.gca"):
        (bench / name).touch()
    monkeypatch.setenv("DEFACEQA_MRI_DEFACE", str(bench))
    brain, face = bench / "talairach_mixed_with_skull.gca", bench / "face.gca"
    assert command_line("mri_deface", Path("in"), Path("out"))[1:] == ["in", str(brain), str(face), "out"]
    pretend(bench, "flirt")
    pretend(bench, "pydeface")
    assert command_line("pydeface", Path("in"), Path("out"))[1:] == ["in", "--outfile", "out", "--force"]


def test_a_tool_that_is_there_is_run_and_becomes_an_outcome(bench: Path) -> None:
    pretend(bench, "fsl_deface", "shutil.copy(arguments[0], arguments[1])")
    head = synthetic_head(4.0)
    assert np.array_equal(run_tool("fsl_deface", head.volume), head.volume.data)
    found, missing = installed_tools()
    assert "fsl_deface_installed" in found
    assert "fsl_deface" not in missing and "mideface" in missing
    [made] = simulate_head(head.volume, head.landmarks_mm, head.brain, ["fsl_deface_installed"], 0)
    assert (made.method, made.truth.lenient) == ("fsl_deface", 1)


def test_mri_refaces_own_file_name_is_found(bench: Path) -> None:
    pretend(bench, "mri_reface", "shutil.copy(arguments[0], Path(arguments[1]) / 'original_deFaced.nii.gz')")
    volume = Volume(np.random.default_rng(0).random((64, 64, 64), np.float32), np.eye(4))
    assert np.array_equal(run_tool("mri_reface", volume), volume.data)


def test_a_tool_that_fails_or_writes_nothing_says_so(bench: Path) -> None:
    volume = Volume(np.random.default_rng(0).random((64, 64, 64), np.float32), np.eye(4))
    pretend(bench, "mideface", "sys.exit('no licence')")
    with pytest.raises(ToolFailedError, match="no licence"):
        run_tool("mideface", volume)
    pretend(bench, "mideface")
    with pytest.raises(ToolFailedError, match="wrote no defaced image"):
        run_tool("mideface", volume)


def test_every_tool_of_the_list_has_an_outcome() -> None:
    found, missing = installed_tools()
    assert len(found) + len(missing) == len(METHODS) == 6
