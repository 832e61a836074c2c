"""What a user gets: the wheel and what is in it, a command line that starts at once, pages that tell the truth."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("vtk", "vtkmodules", "pyvista", "sklearn", "xgboost", "skimage", "SimpleITK", "scipy", "pandas", "rich")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    """The [project] table."""
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def run(*code_and_arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", *code_and_arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def test_the_wheel_holds_the_training_table_the_shipped_models_were_made_from(
    wheel: zipfile.ZipFile, repository: Path
) -> None:
    content = wheel.read("defaceqa/models/training.tsv")
    digest = hashlib.sha256(content).hexdigest()
    assert (repository / "data" / "labels" / "training.tsv.sha256").read_text() == f"{digest}  training.tsv\n"
    for criterion in ("lenient", "strict"):
        card = json.loads((repository / "models" / criterion / "card.json").read_text())
        assert card["training"]["table_sha256"] == digest


def test_the_wheel_holds_every_shipped_model_file(wheel: zipfile.ZipFile, repository: Path) -> None:
    models = repository / "models"
    shipped = [path for path in models.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]
    names = {path: f"defaceqa/models/{path.relative_to(models).as_posix()}" for path in shipped}
    assert names
    missing = set(names.values()) - set(wheel.namelist())
    assert not missing, f"add their folder to force-include in pyproject.toml: {sorted(missing)}"
    assert all(wheel.read(name) == path.read_bytes() for path, name in names.items())


def test_the_wheel_holds_every_module_and_the_licence(wheel: zipfile.ZipFile, repository: Path) -> None:
    names = set(wheel.namelist())
    modules = {path.relative_to(repository).as_posix() for path in (repository / "defaceqa").rglob("*.py")}
    assert modules <= names
    templates = [path.name for path in (repository / "defaceqa/report/templates").iterdir()]
    assert {f"defaceqa/report/templates/{name}" for name in templates} <= names
    assert "defaceqa/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"defaceqa"}
    build_scripts = [name for name in wheel.namelist() if re.match(r"defaceqa/models/.*\.py", name)]
    assert build_scripts == []


def test_the_unpacked_wheel_finds_its_models_far_from_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from defaceqa.shipped import shipped_folder; print(shipped_folder('template'))"
    )
    found = run(code, str(tmp_path / "site"), cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()) == (tmp_path / "site" / "defaceqa" / "models" / "template").resolve()


def test_the_version_stands_in_one_place_only(project: dict[str, Any], repository: Path) -> None:
    version = project["version"]
    assert metadata.version("defaceqa") == version
    copies = [path.name for path in (repository / "defaceqa").rglob("*.py") if f'"{version}"' in path.read_text()]
    assert copies == []


def test_the_changelog_knows_the_version(project: dict[str, Any], repository: Path) -> None:
    assert f"## [{project['version']}]" in (repository / "CHANGELOG.md").read_text()


def test_the_command_line_starts_without_heavy_packages() -> None:
    code = "import sys, defaceqa.cli; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    found = run(code, *HEAVY)
    assert found.stdout.strip() == "[]", found.stdout + found.stderr


def test_help_needs_no_heavy_packages() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from defaceqa.cli import commands\n"
        "result = CliRunner().invoke(commands, ['--help'])\n"
        "assert result.exit_code == 0 and 'predict' in result.output, result.output\n"
        "print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    )
    found = run(code, *HEAVY)
    assert found.stdout.strip() == "[]", found.stdout + found.stderr


def test_the_installed_command_and_its_version_answer(project: dict[str, Any]) -> None:
    code = "import sys; from defaceqa.cli import main; sys.argv = ['defaceqa', '--version']; main()"
    found = run(code)
    assert found.returncode == 0
    assert project["version"] in found.stdout
    assert project["scripts"] == {"defaceqa": "defaceqa.cli:main"}


def test_xgboost_never_brings_cuda_to_linux(project: dict[str, Any]) -> None:
    wanted = [requirement for requirement in project["dependencies"] if requirement.startswith("xgboost")]
    markers = {re.split("[>;]", requirement)[0]: requirement.split(";")[1].strip() for requirement in wanted}
    assert markers == {"xgboost-cpu": "platform_system != 'Darwin'", "xgboost": "platform_system == 'Darwin'"}


def test_numpy_2_is_asked_for(project: dict[str, Any]) -> None:
    assert "numpy>=2" in project["dependencies"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_named_on_a_page_exist(page: str, repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)\b", "\n".join(code_of(repository / page))))
    assert named
    assert named <= targets


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_commands_and_options_named_on_a_page_exist(page: str, repository: Path) -> None:
    from defaceqa.cli import commands

    lines = [line for line in code_of(repository / page) if re.match(r"(\$ )?defaceqa [a-z]", line)]
    assert lines
    for line in lines:
        words = line.removeprefix("$ ").split("#")[0].split()[1:]
        command = commands.commands[words[0]]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_files_named_on_a_page_exist(page: str, repository: Path) -> None:
    text = (repository / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    missing = [link for link in links if not (repository / link).exists()]
    assert missing == []


def test_extras_named_in_the_readme_exist(project: dict[str, Any], repository: Path) -> None:
    named = set(re.findall(r"defaceqa\[([a-z]+)\]", (repository / "README.md").read_text()))
    assert named <= set(project["optional-dependencies"])


def test_the_readme_promises_no_anonymity(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    assert "28–38 %" in text
    assert re.search(r"never calls a scan anonymous", text)


def test_continuous_integration_runs_what_everybody_runs(repository: Path) -> None:
    script = (repository / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("make test")


def code_of(page: Path) -> list[str]:
    """Lines in fenced blocks, and pieces of code within sentences."""
    text = page.read_text()
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line for block in fenced for line in block.splitlines()] + inline
