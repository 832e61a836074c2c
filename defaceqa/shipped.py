"""Where the data that ships with the package lies, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from defaceqa.errors import ModelError


def shipped_folder(name: str) -> Path:
    """Folder of shipped data under ``models/``.

    Parameters
    ----------
    name : str
        For example ``"template"`` or ``"lenient"``.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        When the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "models", package.parent / "models"):
        if (root / name).is_dir():
            return root / name
    raise ModelError(
        f"The folder models/{name} is missing from this installation of defaceqa; expected it beside the code. "
        "Install the package again."
    )


def shipped_training_table() -> Path:
    """The training table that the shipped models were made from.

    Raises
    ------
    ModelError
        When the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for file in (package / "models" / "training.tsv", package.parent / "data" / "labels" / "training.tsv"):
        if file.is_file():
            return file
    raise ModelError("The training table is missing from this installation of defaceqa. Install the package again.")
