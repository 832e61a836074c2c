"""The layer contract in pyproject.toml is kept, and would be noticed if broken."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

VAGUE_NAMES = {"utils", "util", "common", "misc", "helpers", "helper", "tools", "core"}

COMMAND = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter", reason="needs import-linter: pip install 'defaceqa[dev]'")
    return subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A copy of the code in which a test may do wrong."""
    shutil.copytree(repository / "defaceqa", tmp_path / "defaceqa", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_module_imports_only_from_below(repository: Path) -> None:
    found = lint_imports(repository)
    assert found.returncode == 0, found.stdout + found.stderr


def test_an_import_from_above_is_noticed(copy: Path) -> None:
    with (copy / "defaceqa" / "errors.py").open("a") as errors:
        errors.write("\nimport defaceqa.volumes\n")
    found = lint_imports(copy)
    assert found.returncode == 1
    assert "defaceqa.errors -> defaceqa.volumes" in found.stdout


def test_a_module_outside_the_contract_is_noticed(copy: Path) -> None:
    (copy / "defaceqa" / "stray.py").write_text('"""Nobody decided where this belongs."""\n')
    found = lint_imports(copy)
    assert found.returncode == 1
    assert "stray" in found.stdout


def test_no_module_has_a_name_that_says_nothing(repository: Path) -> None:
    names = {path.stem for path in (repository / "defaceqa").rglob("*.py")}
    assert not names & VAGUE_NAMES


def test_every_name_in_the_contract_without_parentheses_exists(repository: Path) -> None:
    configuration = tomllib.loads((repository / "pyproject.toml").read_text())
    (contract,) = configuration["tool"]["importlinter"]["contracts"]
    names = [name.strip() for line in contract["layers"] for name in re.split(r"[|:]", line)]
    firm = {name for name in names if not name.startswith("(")}
    package = repository / "defaceqa"
    assert {name for name in firm if not (package / f"{name}.py").exists() and not (package / name).is_dir()} == set()
