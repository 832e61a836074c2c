"""Which brain mask a pair is measured with: the one given, the one that lies beside the data, or none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from defaceqa.datasets.brain_masks import mask_beside
from defaceqa.errors import InputError
from defaceqa.volumes import Pair, load_mask, load_pair


def load_masked_pair(
    original: str | os.PathLike[str],
    defaced: str | os.PathLike[str],
    *,
    brain_mask: str | os.PathLike[str] | None = None,
    search_mask: bool = True,
) -> tuple[Pair, str | None]:
    """Load a pair with its brain mask.

    Parameters
    ----------
    original, defaced : path
    brain_mask : path, optional
    search_mask : bool
        Without a given mask, take the one that a derivative of the data set holds. One that does not fit is named in
        a flag and left alone.

    Returns
    -------
    Pair
    str or None
        Name of the mask file; None when there is none.

    Raises
    ------
    InputError
        A pair that cannot be judged, or a given mask that does not fit.
    """
    pair = load_pair(original, defaced, brain_mask=brain_mask)
    if brain_mask is not None:
        return pair, Path(brain_mask).name
    return _with_mask_beside(pair, Path(original)) if search_mask else (pair, None)


def _with_mask_beside(pair: Pair, original: Path) -> tuple[Pair, str | None]:
    try:
        found = mask_beside(original)
        return (pair, None) if found is None else (replace(pair, brain=load_mask(found, pair.original)), found.name)
    except InputError as error:
        note = f"note: a brain mask found beside the data was not used: {error}"
        return replace(pair, flags=(*pair.flags, note)), None
