"""`defaceqa doctor`: what it looks at, and what it says of a fault."""

import subprocess
import sys

import pytest

from defaceqa import doctor, renderer
from defaceqa.errors import ModelError


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A renderer that works, without the seconds it takes to try it."""
    info = renderer.RendererInfo(ok=True, window="vtkEGLRenderWindow", vendor="Mesa", renderer="llvmpipe", opengl="4.5")
    monkeypatch.setattr(renderer, "probe", lambda: info)
    return monkeypatch


def found(examination: doctor.Examination) -> dict[str, doctor.Check]:
    return {check.name: check for check in examination.checks}


def test_every_part_that_a_judgement_rests_on_is_looked_at(healthy: pytest.MonkeyPatch) -> None:
    names = set(found(doctor.examine()))
    assert {"python", "numpy", "vtk", "pyvista", "renderer", "niimath", "mean head"} <= names
    assert {"lenient model", "strict model"} <= names


def test_the_renderer_is_named_with_its_window_and_driver(healthy: pytest.MonkeyPatch) -> None:
    assert found(doctor.examine())["renderer"].found == "vtkEGLRenderWindow: Mesa, llvmpipe, OpenGL 4.5"


def test_a_missing_niimath_is_no_fault(healthy: pytest.MonkeyPatch) -> None:
    healthy.setitem(sys.modules, "niimath", None)  # importing it raises ImportError
    check = found(doctor.examine())["niimath"]
    assert check.ok
    assert "only the making of training data needs it" in check.found


def test_the_installed_niimath_runs(healthy: pytest.MonkeyPatch) -> None:
    check = found(doctor.examine())["niimath"]
    assert check.ok and check.found.startswith("v1")


def test_a_renderer_that_fails_is_a_fault_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = renderer.RendererInfo(ok=False, problem="The library libEGL.so.1 is missing", remedy="type this")
    monkeypatch.setattr(renderer, "probe", lambda: broken)
    examination = doctor.examine()
    assert not examination.ok
    assert "FAULT  renderer" in examination.text
    assert "The library libEGL.so.1 is missing" in examination.text
    assert "to put it right: type this" in examination.text


def test_a_niimath_that_does_not_run_is_a_fault(healthy: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("Exec format error")

    healthy.setattr(subprocess, "run", refuse)
    check = found(doctor.examine())["niimath"]
    assert not check.ok
    assert "Exec format error" in check.found


def test_a_damaged_model_is_a_fault_in_the_models_own_words(healthy: pytest.MonkeyPatch) -> None:
    def refuse(criterion: str) -> None:
        raise ModelError(f"{criterion}/model.json was changed")

    healthy.setattr(doctor, "load_model", refuse)
    examination = doctor.examine()
    assert not examination.ok
    assert found(examination)["strict model"].found == "strict/model.json was changed"


def test_all_well_is_said_in_one_line() -> None:
    examination = doctor.Examination((doctor.Check("python", True, "3.11"),))
    assert examination.ok
    assert examination.text.splitlines()[-1].startswith("All is well")
