"""Pairs from whatever the user names: a table or a folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from defaceqa.datasets.listed import pairs_in_table
from defaceqa.datasets.pairing import Pairing
from defaceqa.datasets.trees import Selection, pairs_in_folder
from defaceqa.errors import InputError


def find_pairs(
    source: Path,
    defaced: Path | None = None,
    *,
    selection: Selection | None = None,
    modality: str = "T1w",
    brain_mask_folder: Path | None = None,
    skip: Collection[Path] = (),
) -> Pairing:
    """Find pairs in a table or a folder.

    Parameters
    ----------
    source : Path
        See :func:`defaceqa.datasets.pairs_in_table` and :func:`defaceqa.datasets.pairs_in_folder`.
    defaced, selection, brain_mask_folder, skip
        For folders only.
    modality : str
        Of scans whose names do not say.

    Raises
    ------
    InputError
        As both do; also an option that says nothing about a table.
    """
    if source.is_dir():
        chosen = selection or Selection(modality=modality)
        return pairs_in_folder(source, defaced, selection=chosen, brain_mask_folder=brain_mask_folder, skip=skip)
    if defaced is not None or brain_mask_folder is not None:
        raise InputError(
            f"{source.name} is no folder, and a table names its own files; expected no --defaced-dir or "
            "--brain-mask-dir with it. Use the columns defaced and brain_mask."
        )
    return pairs_in_table(source, modality=modality)
