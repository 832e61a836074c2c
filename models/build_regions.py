"""Draw the face regions of the mean head: ``python models/build_regions.py models/template``.

Every voxel near the skin gets the number of the region its place belongs to by the geometry of the landmarks
(`defaceqa.anatomy.patches`); regions reach into and out of the head, so that the skin of other heads lies in them too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from defaceqa.anatomy.patches import REGIONS, region_of
from defaceqa.anatomy.template import load_template

INSIDE_MM, OUTSIDE_MM = 14.0, 16.0
"""How far the regions reach from the skin."""


def main(folder: Path) -> None:
    """Write ``regions.nii.gz``: 0 no region, 1 to 8 in the order of ``REGIONS``."""
    template = load_template()
    head = ndimage.binary_closing(np.pad(template.head_mask, 12), iterations=8)[12:-12, 12:-12, 12:-12]
    depth_mm = ndimage.distance_transform_edt(head, sampling=template.spacing_mm)
    height_mm = ndimage.distance_transform_edt(~head, sampling=template.spacing_mm)
    near = np.argwhere((depth_mm <= INSIDE_MM) & (height_mm <= OUTSIDE_MM))
    regions = np.zeros(head.shape, np.uint8)
    regions[tuple(near.T)] = region_of(template.origin_mm + template.spacing_mm * near, template.landmarks_mm)
    affine = np.diag([*template.spacing_mm, 1.0])
    affine[:3, 3] = template.origin_mm
    nib.save(nib.Nifti1Image(regions, affine), folder / "regions.nii.gz")
    for number, name in enumerate(REGIONS, start=1):
        print(f"{number} {name}: {(regions == number).sum() * 8 / 1000:.0f} mL")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
