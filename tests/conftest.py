"""Fixtures that many tests share."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_VARIABLE = "DEFACEQA_SHARED"


class PydefaceHead(NamedTuple):
    """PyDeface's own template head and the mask of what it keeps."""

    head: Path
    mask: Path


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real heads and gold pictures: ``../shared`` beside the checkout, or where DEFACEQA_SHARED says."""
    folder = Path(os.environ.get(SHARED_VARIABLE) or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        absent(f"needs ../shared beside the checkout, or {SHARED_VARIABLE}; not found: {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_heads(shared: Path) -> Path:
    """Folder of real heads."""
    return shared / "heads"


@pytest.fixture(scope="session")
def pydeface_head() -> PydefaceHead:
    """The head and mask that ship in PyDeface's wheel, found without importing it (that imports Nipype)."""
    found = importlib.util.find_spec("pydeface")
    if found is None or found.origin is None:
        absent("needs pydeface: pip install 'defaceqa[test]'")
    data = Path(found.origin).parent / "data"
    return PydefaceHead(data / "mean_reg2mean.nii.gz", data / "facemask.nii.gz")


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded random numbers: the same in every run."""
    return np.random.default_rng(20260131)


def absent(what: str) -> None:
    """Skip on a developer's machine, fail on continuous integration, where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
