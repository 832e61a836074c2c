"""Write a pair to measure with: the synthetic head with its face cut off, or a given pair; on 256^3 voxels if asked.

    python example_pair.py FOLDER [ORIGINAL DEFACED] [--cube]

Writes FOLDER/original.nii.gz and FOLDER/defaced.nii.gz. With --cube both are cropped or padded with zeros, centred, to
256 voxels along each axis. A program of its own, so that its memory is not counted as that of what is measured.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

CUBE = 256


def synthetic_pair() -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Make the synthetic head at 1 mm, and the same with everything before and below the brow cut off."""
    from defaceqa.simulation.phantom import synthetic_head

    head = synthetic_head(1.0)
    brow = (head.landmarks_mm["left_brow"] + head.landmarks_mm["right_brow"]) / 2
    tragus = head.landmarks_mm["left_tragus"]
    cut = head.volume.data.copy()
    cut[:, round((brow[1] + tragus[1]) / 2) :, : round(brow[2])] = 0
    original, defaced = (data.round().astype(np.int16) for data in (head.volume.data, cut))
    return nib.Nifti1Image(original, head.volume.affine), nib.Nifti1Image(defaced, head.volume.affine)


def cubed(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Crop or pad to 256 voxels along each axis; every voxel keeps its place in the world."""
    data = np.asanyarray(image.dataobj)
    starts = [(CUBE - n) // 2 for n in data.shape]
    cube: NDArray[np.generic] = np.zeros((CUBE,) * 3, data.dtype)
    inside = tuple(slice(max(0, s), max(0, s) + min(n, CUBE)) for s, n in zip(starts, data.shape, strict=True))
    taken = tuple(slice(max(0, -s), max(0, -s) + min(n, CUBE)) for s, n in zip(starts, data.shape, strict=True))
    cube[inside] = data[taken]
    affine = image.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ starts
    return nib.Nifti1Image(cube, affine)


def main() -> None:
    """Write the pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pair", type=Path, nargs="*")
    parser.add_argument("--cube", action="store_true")
    options = parser.parse_args()
    images = [nib.load(path) for path in options.pair] or synthetic_pair()
    for name, image in zip(("original", "defaced"), images, strict=True):
        nib.save(cubed(image) if options.cube else image, options.folder / f"{name}.nii.gz")


if __name__ == "__main__":
    main()
