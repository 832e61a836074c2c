"""Is there an off-screen renderer on this machine, and which one?

VTK picks its OpenGL library when the first window opens, and on Linux it crashes the whole process when there is none
to pick. So the choice is prepared and checked here before VTK draws anything, and `probe` tries a known scene in a
process of its own.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from defaceqa.errors import RenderError

if TYPE_CHECKING:
    import pyvista

WINDOW_VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
"""Environment variable by which VTK is told which kind of window to open."""

EGL_WINDOW = "vtkEGLRenderWindow"
OSMESA_WINDOW = "vtkOSOpenGLRenderWindow"

PROBE_SECONDS = 180
"""How long the probe may take: seconds on a laptop, far longer on a cold network file system."""

PROBE_SIZE_PX = 64
PROBE_BALL_SHARE = 0.1963
"""Share of the probe's picture that a ball covers whose radius is a quarter of the picture's side: pi / 16."""

DEBIAN_REMEDY = "apt-get update && apt-get install -y --no-install-recommends libegl1 libgl1-mesa-dri"
FEDORA_REMEDY = "dnf install -y mesa-libEGL mesa-dri-drivers"
OTHER_LINUX_REMEDY = "install Mesa's EGL library (libEGL.so.1) and its software driver (swrast)"


@dataclass(frozen=True)
class RendererInfo:
    """What draws the pictures on this machine, or why nothing does.

    Attributes
    ----------
    ok : bool
        True when the known scene came out right.
    window, vendor, renderer, opengl : str
        VTK's window class and OpenGL's own description of itself; empty when nothing could be drawn.
    vtk, pyvista : str
        Versions; empty when the import failed.
    problem : str
        One sentence; empty when ``ok``.
    remedy : str
        The line to type as administrator, or what else to do; empty when ``ok``.
    """

    ok: bool
    window: str = ""
    vendor: str = ""
    renderer: str = ""
    opengl: str = ""
    vtk: str = ""
    pyvista: str = ""
    problem: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return asdict(self)


def prepare_environment() -> None:
    """Make VTK draw without a screen, or refuse in words before it would crash.

    Call it before VTK opens its first window. Without a display on Linux it asks for EGL, unless the user has asked for
    something else. macOS and Windows need nothing.

    Raises
    ------
    RenderError
        When this Linux machine lacks the libraries that VTK draws with.
    """
    obstacle = _prepare()
    if obstacle:
        raise RenderError(f"{obstacle.problem}, so no pictures can be drawn; to put it right: {obstacle.remedy}")


def probe() -> RendererInfo:
    """Draw a known scene in a process of its own and say how that went.

    Returns
    -------
    RendererInfo
        Never raises for a renderer that is missing, crashes or draws nonsense: that is the answer.
    """
    command = [sys.executable, "-P", "-m", "defaceqa.renderer"]  # -P: a stray random.py in the data folder is not ours
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return _failed(f"The renderer did not finish a small picture within {PROBE_SECONDS} s")
    if done.returncode < 0:
        return _failed(f"The renderer crashed (signal {-done.returncode})")
    try:
        return RendererInfo(**json.loads(done.stdout.strip().splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        last_words = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return _failed(f"The renderer ended with code {done.returncode}: {last_words}")


_described: dict[str, str] = {}


def describe_renderer(plotter: pyvista.Plotter | None = None) -> dict[str, str]:
    """Say what this very process draws with.

    Parameters
    ----------
    plotter : pyvista.Plotter, optional
        One that has rendered; without it the facts of an earlier call are given, or a small window is opened once.

    Returns
    -------
    dict of str
        Keys ``window`` (VTK's class), ``vendor``, ``renderer``, ``opengl``, ``vtk`` and ``pyvista`` (versions).

    Raises
    ------
    RenderError
        When this machine cannot draw.
    """
    if not _described:
        own = None if plotter is not None else _small_plotter()
        if own is not None:
            own.screenshot(return_img=True)  # the first one draws; before it OpenGL has no name
        _described.update(_facts(plotter or own))
        if own is not None:
            own.close()
    return dict(_described)


def remedy() -> str:
    """Return the line to type as administrator so that VTK can draw here."""
    if not sys.platform.startswith("linux"):
        return "update the graphics driver; DefaceQA needs no further libraries on this system"
    family = _linux_family()
    if "debian" in family or "ubuntu" in family:
        return DEBIAN_REMEDY
    if "fedora" in family or "rhel" in family:
        return FEDORA_REMEDY
    return OTHER_LINUX_REMEDY


def _linux_family() -> set[str]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return set()
    return {release.get("ID", ""), *release.get("ID_LIKE", "").split()}


def _failed(problem: str) -> RendererInfo:
    return RendererInfo(ok=False, problem=problem, remedy=remedy())


def _prepare() -> RendererInfo | None:
    if not sys.platform.startswith("linux"):
        return None
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault(WINDOW_VARIABLE, EGL_WINDOW)
    return _obstacle(os.environ.get(WINDOW_VARIABLE, ""), os.environ.get("DISPLAY", ""))


@functools.cache
def _obstacle(window: str, display: str) -> RendererInfo | None:
    """Find what VTK would miss on Linux, where it answers with a segmentation fault; None when all is there."""
    if any(_loads(name) for name in ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")):
        return None  # VTK falls back to it when all else fails
    if window == OSMESA_WINDOW:
        problem = f"{WINDOW_VARIABLE} asks for {OSMESA_WINDOW}, but libOSMesa is not installed"
        return RendererInfo(ok=False, problem=problem, remedy=f"unset {WINDOW_VARIABLE}, or install libOSMesa")
    if display and window != EGL_WINDOW and all(map(_loads, ("libX11.so.6", "libXcursor.so.1", "libGL.so.1"))):
        return None
    if not _loads("libEGL.so.1"):
        return _failed("The library libEGL.so.1 is missing")
    return None if _egl_starts() else _failed("EGL finds neither a graphics card nor Mesa's software driver")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _egl_starts() -> bool:
    """Ask EGL itself, as VTK will: the default display first, then each device in turn."""
    egl = ctypes.CDLL("libEGL.so.1")
    egl.eglGetDisplay.restype = egl.eglGetProcAddress.restype = ctypes.c_void_p
    egl.eglGetDisplay.argtypes = [ctypes.c_void_p]
    egl.eglInitialize.argtypes = [ctypes.c_void_p] * 3
    if egl.eglInitialize(egl.eglGetDisplay(None), None, None):
        return True
    return any(egl.eglInitialize(display, None, None) for display in _egl_device_displays(egl))


def _egl_device_displays(egl: ctypes.CDLL) -> list[int]:
    """List the displays of all EGL devices: cards, and Mesa's software device (extension EGL_EXT_platform_device)."""
    query_address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    display_address = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    if not query_address or not display_address:
        return []
    query = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    )(query_address)
    display_of = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(display_address)
    platform_device = 0x313F  # EGL_PLATFORM_DEVICE_EXT
    devices, found = (ctypes.c_void_p * 32)(), ctypes.c_int(0)
    if not query(len(devices), devices, ctypes.byref(found)):
        return []
    return [display for device in devices[: found.value] if (display := display_of(platform_device, device, None))]


def _small_plotter() -> pyvista.Plotter:
    prepare_environment()
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=[PROBE_SIZE_PX] * 2, lighting="none")
    plotter.disable_anti_aliasing()
    plotter.set_background("white")
    plotter.enable_parallel_projection()
    return plotter


def _facts(plotter: pyvista.Plotter) -> dict[str, str]:
    """Read OpenGL's own words from a window that has rendered."""
    import pyvista
    import vtkmodules

    window = plotter.render_window
    lines = dict(line.split(" string:", 1) for line in window.ReportCapabilities().splitlines() if " string:" in line)
    return {
        "window": str(window.GetClassName()),
        "vendor": lines.get("OpenGL vendor", "").strip(),
        "renderer": lines.get("OpenGL renderer", "").strip(),
        "opengl": lines.get("OpenGL version", "").strip(),
        "vtk": str(vtkmodules.__version__),
        "pyvista": str(pyvista.__version__),
    }


def _draw_known_scene() -> RendererInfo:
    """Draw a black ball on white and compare with what geometry says."""
    plotter = _small_plotter()
    import pyvista

    plotter.add_mesh(pyvista.Sphere(radius=1.0, theta_resolution=60, phi_resolution=60), color="black", lighting=False)
    plotter.camera_position = [(0.0, -10.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)]
    plotter.camera.parallel_scale = 2.0  # half the picture's height: the ball's radius is a quarter of it
    picture = plotter.screenshot(return_img=True)
    facts = _facts(plotter)
    plotter.close()
    share = float((picture[:, :, 0] < 128).mean())
    if abs(share - PROBE_BALL_SHARE) < 0.02 and picture[0, 0].min() == 255:
        return RendererInfo(ok=True, **facts)
    problem = f"A ball that covers {PROBE_BALL_SHARE:.0%} of its picture came out as {share:.0%}"
    return RendererInfo(ok=False, **facts, problem=problem, remedy=remedy())


def _try_to_draw() -> RendererInfo:
    obstacle = _prepare()
    if obstacle:
        return obstacle
    try:
        return _draw_known_scene()
    except ImportError as error:
        problem, reinstall = f"VTK cannot be imported: {error}", "pip install --force-reinstall vtk pyvista"
        return RendererInfo(ok=False, problem=problem, remedy=reinstall)


def _main() -> int:
    info = _try_to_draw()
    sys.stdout.write(json.dumps(info.as_dict()) + "\n")
    return 0 if info.ok else 1


if __name__ == "__main__":
    sys.exit(_main())
