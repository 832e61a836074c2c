"""What ``defaceqa doctor`` says: whether this installation can judge scans, and what to type when it cannot."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata

from defaceqa import renderer
from defaceqa.errors import ModelError
from defaceqa.model import CRITERIA, load_model
from defaceqa.renderer import RendererInfo
from defaceqa.shipped import shipped_folder

PACKAGES = ("defaceqa", "numpy", "scipy", "nibabel", "scikit-image", "SimpleITK", "vtk", "pyvista")
"""Distributions whose versions decide what a judgement rests on."""

NIIMATH_SECONDS = 60

ALL_WELL = "All is well: this installation can judge scans."
NOT_YET = "This installation cannot judge scans yet."


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes
    ----------
    name : str
        What was looked at.
    ok : bool
        False stops ``defaceqa predict`` or makes it say less.
    found : str
        What was found there.
    remedy : str
        What to type; empty when ``ok``.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Examination:
    """All checks, in the order in which they are printed."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when every check passed."""
        return all(check.ok for check in self.checks)

    @property
    def text(self) -> str:
        """One line for each check, and one more for what to do about a failed one."""
        width = max(len(check.name) for check in self.checks)
        lines: list[str] = []
        for check in self.checks:
            lines.append(f"{'ok' if check.ok else 'FAULT':<7}{check.name:<{width}}  {check.found}")
            if check.remedy:
                lines.append(f"{'':<7}{'':<{width}}  to put it right: {check.remedy}")
        lines.append(ALL_WELL if self.ok else NOT_YET)
        return "\n".join(lines)


def examine() -> Examination:
    """Look at Python, the packages, the renderer, the defacing tool niimath and the shipped models.

    Returns
    -------
    Examination
        Faults are findings, not errors: nothing is raised for them.
    """
    checks = [Check("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    checks += [_package(name) for name in PACKAGES]
    checks.append(_renderer(renderer.probe()))
    checks.append(_niimath())
    checks.append(_template())
    checks += [_model(criterion) for criterion in CRITERIA]
    return Examination(tuple(checks))


def _package(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed", f"pip install {name}")


def _renderer(info: RendererInfo) -> Check:
    if not info.ok:
        return Check("renderer", False, info.problem, info.remedy)
    return Check("renderer", True, f"{info.window}: {info.vendor}, {info.renderer}, OpenGL {info.opengl}")


def _niimath() -> Check:
    """Run the binary: a wheel for another processor installs, and then does not start."""
    try:
        import niimath
    except ImportError:
        return Check("niimath", True, "not installed; only the making of training data needs it")
    command = [niimath.bin, "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NIIMATH_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("niimath", False, f"does not run: {error}", "pip install --force-reinstall niimath")
    return Check("niimath", True, done.stdout.strip())


def _template() -> Check:
    try:
        shipped_folder("template")
    except ModelError as error:
        return Check("mean head", False, str(error), "pip install --force-reinstall defaceqa")
    return Check("mean head", True, "models/template")


def _model(criterion: str) -> Check:
    name = f"{criterion} model"
    try:
        card = load_model(criterion).card
    except ModelError as error:
        return Check(name, False, str(error), "pip install --force-reinstall defaceqa")
    return Check(name, True, f"{card.name} {card.version}")
