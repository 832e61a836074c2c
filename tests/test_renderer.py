"""The off-screen renderer: chosen before VTK draws, tried in a process of its own, refused in words when missing."""

import json
import os
import subprocess
import sys

import pytest

from defaceqa import renderer
from defaceqa.errors import RenderError

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has a choice of windows")


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without a screen on which nobody has chosen a window yet."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv(renderer.WINDOW_VARIABLE, raising=False)
    renderer._obstacle.cache_clear()
    yield monkeypatch
    renderer._obstacle.cache_clear()


@pytest.fixture
def bare_machine(no_display: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without any graphics library."""
    no_display.setattr(renderer, "_loads", lambda library: False)
    return no_display


def completed(stdout: str = "", stderr: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout, stderr)


def pretend_run(monkeypatch: pytest.MonkeyPatch, outcome: subprocess.CompletedProcess[str]) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: outcome)


def test_the_known_scene_comes_out_right_on_this_machine() -> None:
    info = renderer.probe()
    assert info.ok, f"{info.problem}: {info.remedy}"
    assert info.window.startswith("vtk")
    assert info.renderer and info.opengl and info.vtk and info.pyvista
    assert (info.problem, info.remedy) == ("", "")


def test_the_running_process_tells_the_same_renderer_as_the_probe() -> None:
    info = renderer.probe().as_dict()
    facts = renderer.describe_renderer()
    assert facts == {key: info[key] for key in facts}


@linux_only
def test_egl_is_asked_for_when_there_is_no_display(no_display: pytest.MonkeyPatch) -> None:
    renderer.prepare_environment()
    assert os.environ[renderer.WINDOW_VARIABLE] == "vtkEGLRenderWindow"


@linux_only
def test_a_window_chosen_by_the_user_is_kept(no_display: pytest.MonkeyPatch) -> None:
    no_display.setenv(renderer.WINDOW_VARIABLE, "vtkXOpenGLRenderWindow")
    renderer.prepare_environment()
    assert os.environ[renderer.WINDOW_VARIABLE] == "vtkXOpenGLRenderWindow"


@linux_only
def test_nothing_is_chosen_when_there_is_a_display(no_display: pytest.MonkeyPatch) -> None:
    no_display.setenv("DISPLAY", ":0")
    renderer.prepare_environment()
    assert renderer.WINDOW_VARIABLE not in os.environ


def test_other_systems_than_linux_need_nothing(bare_machine: pytest.MonkeyPatch) -> None:
    bare_machine.setattr(sys, "platform", "darwin")
    renderer.prepare_environment()
    assert renderer.WINDOW_VARIABLE not in os.environ


@linux_only
def test_a_missing_library_is_refused_in_words_before_vtk_crashes(bare_machine: pytest.MonkeyPatch) -> None:
    bare_machine.setattr(renderer, "remedy", lambda: "type this")
    with pytest.raises(RenderError, match=r"libEGL\.so\.1 is missing.*type this"):
        renderer.prepare_environment()


@linux_only
def test_egl_without_a_driver_is_refused_in_words(no_display: pytest.MonkeyPatch) -> None:
    no_display.setattr(renderer, "_loads", lambda library: library == "libEGL.so.1")
    no_display.setattr(renderer, "_egl_starts", lambda: False)
    with pytest.raises(RenderError, match="neither a graphics card nor Mesa's software driver"):
        renderer.prepare_environment()


@linux_only
def test_osmesa_asked_for_without_its_library_is_refused_in_words(bare_machine: pytest.MonkeyPatch) -> None:
    bare_machine.setenv(renderer.WINDOW_VARIABLE, "vtkOSOpenGLRenderWindow")
    with pytest.raises(RenderError, match="unset VTK_DEFAULT_OPENGL_WINDOW"):
        renderer.prepare_environment()


@linux_only
def test_osmesa_alone_is_enough(no_display: pytest.MonkeyPatch) -> None:
    no_display.setattr(renderer, "_loads", lambda library: library.startswith("libOSMesa"))
    renderer.prepare_environment()


@linux_only
def test_a_display_does_without_egl(no_display: pytest.MonkeyPatch) -> None:
    no_display.setenv("DISPLAY", ":0")
    no_display.setattr(renderer, "_loads", lambda library: "EGL" not in library and "OSMesa" not in library)
    renderer.prepare_environment()


def test_a_crash_of_vtk_is_an_answer_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    real_run = subprocess.run
    suicide = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
    monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: real_run(suicide, **kwargs))
    info = renderer.probe()
    assert not info.ok
    assert "crashed" in info.problem or "ended with code" in info.problem  # the second on Windows
    assert info.remedy


def test_a_probe_that_hangs_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **kwargs: object) -> None:
        raise subprocess.TimeoutExpired(command, renderer.PROBE_SECONDS)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "did not finish" in renderer.probe().problem


def test_a_probe_that_dies_in_python_gives_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_run(monkeypatch, completed(stderr="Traceback\nMemoryError: no room", code=1))
    assert renderer.probe().problem == "The renderer ended with code 1: MemoryError: no room"


def test_chatter_before_the_answer_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = json.dumps({"ok": True, "window": "vtkEGLRenderWindow"})
    pretend_run(monkeypatch, completed(stdout=f"libEGL says hello\n{answer}\n"))
    assert renderer.probe() == renderer.RendererInfo(ok=True, window="vtkEGLRenderWindow")


@pytest.mark.parametrize(
    ("release", "start"),
    [
        ({"ID": "debian"}, "apt-get update && apt-get install"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get update && apt-get install"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "install Mesa"),
    ],
)
def test_the_remedy_suits_the_distribution(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], start: str
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(renderer.platform, "freedesktop_os_release", lambda: release)
    assert renderer.remedy().startswith(start)


def test_importing_the_module_does_not_import_vtk() -> None:
    code = "import sys, defaceqa.renderer; sys.exit(any(name.startswith(('vtk', 'pyvista')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
