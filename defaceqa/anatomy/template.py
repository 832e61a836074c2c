"""The mean head: nobody's head, with a brain and facial landmarks, that every original is compared with."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.head import head_mask, head_threshold
from defaceqa.shipped import shipped_folder


@dataclass(frozen=True)
class Template:
    """Mean head on an axis-aligned RAS+ grid.

    Parameters
    ----------
    head : ndarray of float32, shape (x, y, z)
        Mean T1w intensity, 0 to 255.
    brain : ndarray of float32, shape (x, y, z)
        Probability of brain, 0 to 1.
    origin_mm, spacing_mm : ndarray, shape (3,)
        Template mm of the first voxel, and voxel edge lengths.
    landmarks_mm : dict
        Facial landmarks in template mm.
    """

    head: NDArray[np.float32]
    brain: NDArray[np.float32]
    origin_mm: NDArray[np.float64]
    spacing_mm: NDArray[np.float64]
    landmarks_mm: dict[str, NDArray[np.float64]]

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """Face regions around the skin: 0 none, else 1 + the index in ``REGIONS``; shape (x, y, z)."""
        image = nib.as_closest_canonical(nib.load(shipped_folder("template") / "regions.nii.gz"))
        return np.asarray(image.dataobj, dtype=np.uint8)

    @cached_property
    def head_mask(self) -> NDArray[np.bool_]:
        """The head against the air."""
        return head_mask(self.head, head_threshold(self.head))

    @cached_property
    def brain_depth_mm(self) -> NDArray[np.float32]:
        """Depth under the surface of the mean brain, 0 outside."""
        return np.asarray(ndimage.distance_transform_edt(self.brain > 0.5, sampling=self.spacing_mm), np.float32)


@lru_cache(maxsize=1)
def load_template() -> Template:
    """Read the template that ships with the package.

    Returns
    -------
    Template

    Raises
    ------
    ModelError
        When the installation lacks it.
    """
    folder = shipped_folder("template")
    image = nib.as_closest_canonical(nib.load(folder / "head.nii.gz"))
    brain = nib.as_closest_canonical(nib.load(folder / "brain.nii.gz"))
    return Template(
        head=np.asarray(image.dataobj, dtype=np.float32),
        brain=np.asarray(brain.dataobj, dtype=np.float32) / np.float32(255),
        origin_mm=np.asarray(image.affine[:3, 3], dtype=np.float64),
        spacing_mm=np.abs(np.diag(image.affine)[:3]),
        landmarks_mm=read_landmarks(folder / "landmarks.tsv"),
    )


def read_landmarks(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read a table with the columns landmark, x_mm, y_mm, z_mm."""
    with path.open(newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return {row["landmark"]: np.array([float(row[f"{axis}_mm"]) for axis in "xyz"]) for row in rows}
