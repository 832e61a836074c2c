"""The notebooks run from top to bottom and show what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient


def run(path: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[Any]:
    """Outputs of all code cells; a cell that fails raises."""
    for name, value in {"MPLBACKEND": "agg", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **environment}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(outputs: list[Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def words(outputs: list[Any]) -> str:
    markdown = (output.get("data", {}).get("text/markdown", "") for output in outputs)
    return "\n".join([*markdown, *(output.get("text", "") for output in outputs)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own sockets and loops
def test_the_features_of_a_pair_can_be_looked_at(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run(repository / "notebooks" / "features_of_a_pair.ipynb", monkeypatch, MPLBACKEND="")
    assert pictures(outputs) == 3
    assert "mouth_left_in: 9" in words(outputs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_papers_protocol_shows_its_tables_and_pictures(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run(
        repository / "notebooks" / "paper_protocol.ipynb", monkeypatch, MPLBACKEND="", DEFACEQA_NOTEBOOK_PEOPLE="8"
    )
    text = words(outputs)
    sets, kinds = ("paper-4", "paper-8", "paper-11", "defaceqa-all"), ("LR", "MLP", "RF", "XGB")
    assert all(f"| {name} | {kind} |" in text for name in sets for kind in kinds)
    assert "Knowing the method" in text
    assert pictures(outputs) == 3  # heat map with dendrogram, importance, SHAP
