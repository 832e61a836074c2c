"""The small files for other people's pipelines: run where their tool is installed, read closely where it is not."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from quick_judge import quick_judge

from defaceqa.batch import Settings, Workers, run, run_batch
from defaceqa.batch.task import perform
from defaceqa.cli import commands
from defaceqa.datasets import pairs_in_folder

STAND_IN = """#!/bin/sh
# Stands in for the judging of a pair: ends with the code that the defaced file holds.
case "$1" in
  --version) echo "defaceqa, version 0.1.0" ;;
  *) code=$(cat "$3"); echo "$@" > said; [ "$code" = 2 ] || echo '{}' > "{record}"; exit "$code" ;;
esac
"""


@pytest.fixture
def integrations(repository) -> Path:
    return repository / "integrations"


@pytest.fixture
def on_path(tmp_path) -> dict[str, str]:
    """Environment in which ``defaceqa`` is this checkout's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "defaceqa"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m defaceqa "$@"\n')
    command.chmod(0o755)
    return os.environ | {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }


def test_every_command_line_in_these_files_is_one_that_exists(integrations):
    found = 0
    for file in sorted(integrations.rglob("*.*")):
        if file.suffix not in (".nf", ".smk", ".yml", ".json", ".md"):
            continue
        for text in re.findall(r"defaceqa (?:predict|batch|bids|gate) [^\n;|`]*", file.read_text()):
            words = [word for word in shlex.split(filled(text)) if word]
            commands.commands[words[1]].make_context(words[1], words[2:])
            found += 1
    assert found >= 10


def filled(text: str) -> str:
    """A command line with something sensible in the place of each variable."""
    text = re.sub(r"#CRITERION#", "strict", text).replace("#FAIL_ON#", "review").replace("{params.fail_on}", "fail")
    text = text.replace("${mask}", "--brain-mask m").replace("${args}", "").replace("{params.options}", "")
    text = re.sub(r"\{(params.max_fail|threads)\}", "3", text)
    text = re.sub(r"\$?\{[^}]*\}+|\"\$\w+\"", "x", text).replace('"\n', " ")
    return text.replace('"', "")


# --- Nextflow


def script_of(module: Path, **values: str) -> str:
    """The script block as Nextflow hands it to Bash."""
    (block,) = re.findall(r'"""\n(.*?)"""', module.read_text(), re.DOTALL)
    for name, value in values.items():
        block = block.replace("${" + name.replace("__", ".") + "}", value)
    return block.replace("\\$", "$").replace("\\\\", "\\")


@pytest.mark.parametrize(("code", "passed"), [(0, "true\n"), (1, "false\n"), (3, "false\n"), (2, None)])
def test_the_nextflow_module_branches_on_true_and_false_and_stops_at_what_was_not_judged(
    integrations, tmp_path, code, passed
):
    command = tmp_path / "bin" / "defaceqa"
    command.parent.mkdir()
    command.write_text(STAND_IN.replace("{record}", "sub-01.deface_qc.json"))
    command.chmod(0o755)
    (tmp_path / "defaced.nii").write_text(str(code))
    script = script_of(
        integrations / "nextflow" / "main.nf", meta__id="sub-01", original="original.nii", defaced="defaced.nii",
        mask="--brain-mask 'm.nii'", args="", task__process="DEFACEQA_PREDICT",
    )  # fmt: skip
    assert "${" not in script
    environment = os.environ | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-ue", "-c", script], cwd=tmp_path, env=environment, check=False)
    assert (tmp_path / "said").read_text().split()[:5] == [
        "predict", "original.nii", "defaced.nii", "--brain-mask", "m.nii",
    ]  # fmt: skip
    if passed is None:
        assert done.returncode == 2
        assert not (tmp_path / "sub-01_pass.txt").exists()
        return
    assert done.returncode == 0
    assert (tmp_path / "sub-01_pass.txt").read_text() == passed
    assert (tmp_path / "versions.yml").read_text() == '"DEFACEQA_PREDICT":\n    defaceqa: 0.1.0\n'


def test_nextflow_itself_reads_the_module(integrations):
    if shutil.which("nextflow") is None:
        pytest.skip("needs nextflow on the path; it is no Python package")
    subprocess.run(["nextflow", "lint", str(integrations / "nextflow" / "main.nf")], check=True)


# --- Snakemake


@pytest.mark.parametrize(("verdicts", "code"), [(("pass", "pass"), 0), (("pass", "bad"), 1)])
def test_snakemake_runs_the_rules_and_stops_at_the_gate(
    integrations, tmp_path, monkeypatch, on_path, verdicts, code
):
    if importlib.util.find_spec("snakemake") is None:
        pytest.skip("needs snakemake: pip install snakemake (it brings some fifty packages, so no extra asks for it)")
    judged_before(tmp_path, monkeypatch, verdicts)
    (tmp_path / "Snakefile").write_text(
        'config["defaceqa"] = {"originals": "raw", "defaced": "defaced", "out": "qa"}\n'
        f'include: "{integrations / "snakemake" / "defaceqa.smk"}"\n'
        "rule all:\n    default_target: True\n    input: rules.defaceqa_gate.output.passed\n"
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(tmp_path)]
    done = subprocess.run(
        [*command, "--snakefile", str(tmp_path / "Snakefile")],
        cwd=tmp_path, env=on_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "rule defaceqa_gate" in done.stderr
    if code == 0:
        assert (tmp_path / "qa" / "group_T1w_pass.txt").read_text() == "true\n"
    else:
        assert len((tmp_path / "qa" / "group_T1w_look.tsv").read_text().splitlines()) == 2


def judged_before(root: Path, monkeypatch, verdicts) -> None:
    """A data set of text files whose records are there already, so that the real command has nothing left to judge."""
    for number, verdict in enumerate(verdicts, start=1):
        for tree, text in (("raw", "original"), ("defaced", verdict)):
            file = root / tree / f"sub-{number:02d}_T1w.nii.gz"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    monkeypatch.setattr(run, "connected", lambda workers: open(os.devnull))  # noqa: SIM115, PTH123
    monkeypatch.setattr(run, "performed", lambda client, tasks: map(perform, tasks))
    run_batch(pairs_in_folder(root / "raw", root / "defaced"), root / "qa", Settings(), Workers(1), judge=quick_judge)
    for file in (root / "qa").glob("group_*"):
        file.unlink()


# --- Nipype


@pytest.mark.slow
def test_the_nipype_interface_judges_a_pair(integrations, tmp_path, monkeypatch):
    pytest.importorskip("nipype", reason="needs nipype: pip install nipype")
    from defaceqa.simulation.phantom import synthetic_head
    from defaceqa.volumes import save_volume

    save_volume(synthetic_head(2.0).volume, tmp_path / "original.nii.gz")
    monkeypatch.syspath_prepend(integrations / "nipype")
    code = (
        "import json, sys; from pathlib import Path; from nipype import Node; from defaceqa_nipype import DefaceQA\n"
        "judge = DefaceQA(original=sys.argv[1], defaced=sys.argv[1], criterion='strict')\n"
        "node = Node(judge, 'qa', base_dir=sys.argv[2])\n"
        "found = node.run().outputs; record = json.loads(Path(found.out_json).read_text())\n"
        "print(found.verdict, found.passed, record['face']['criterion'], len(found.reasons) > 0)"
    )
    # In a process of its own: importing Nipype warns, and here warnings are errors.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(integrations / "nipype"), *sys.path])}
    command = [sys.executable, "-c", code, str(tmp_path / "original.nii.gz"), str(tmp_path / "work")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "fail False strict True"


# --- continuous integration and XNAT


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_job_is_yaml_and_gates_after_judging(integrations, name):
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which Dask brings")
    content = yaml.safe_load((integrations / "ci" / name).read_text())
    if name == "github.yml":
        lines = [step["run"] for step in content["jobs"]["defaceqa"]["steps"] if "run" in step]
    else:
        lines = content["defaceqa"]["script"]
    assert [line.split()[1] for line in lines] == ["bids", "gate"]


def test_the_xnat_command_is_whole_in_itself(integrations, repository):
    command = json.loads((integrations / "xnat" / "command.json").read_text())
    mounts = {mount["name"]: mount["path"] for mount in command["mounts"]}
    assert all(path in command["command-line"] for path in mounts.values())
    keys = {given["replacement-key"] for given in command["inputs"]}
    assert set(re.findall(r"#\w+#", command["command-line"])) == keys
    outputs = {output["name"]: output["mount"] for output in command["outputs"]}
    assert set(outputs.values()) <= set(mounts)
    (wrapper,) = command["xnat"]
    names = {given["name"] for given in wrapper["external-inputs"]}
    provided = {given["provides-files-for-command-mount"] for given in wrapper["derived-inputs"]}
    assert provided | set(outputs.values()) == set(mounts)
    assert {given["derived-from-wrapper-input"] for given in wrapper["derived-inputs"]} <= names
    assert {handler["accepts-command-output"] for handler in wrapper["output-handlers"]} == set(outputs)
    assert f'version = "{command["version"]}"' in (repository / "pyproject.toml").read_text()
