"""The one table of features: what each number is, its unit, its range, and which way is worse.

Feature columns, report texts and the documentation all come from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from defaceqa.anatomy.patches import REGION_WORDS, REGIONS
from defaceqa.renders import VIEWS

Direction = Literal["more face left", "less face left", "more brain lost", "none"]

PSNR_CAP_DB = 100.0
"""PSNR of identical pictures, which would be infinite."""


@dataclass(frozen=True)
class Feature:
    """One row of the table.

    Parameters
    ----------
    name : str
    unit : str
        ``"1"`` for a pure number.
    low, high : float
        Smallest and largest possible value.
    direction : str
        What a higher value says.
    meaning : str
        One line in plain words.
    source : str
        Where the definition comes from.
    """

    name: str
    unit: str
    low: float
    high: float
    direction: Direction
    meaning: str
    source: str


_MEASURES: dict[str, tuple[str, float, float, Direction, str]] = {
    "fsim": ("1", 0, 1, "more face left", "Zhang et al. 2011"),
    "ssim": ("1", -1, 1, "more face left", "Wang et al. 2004"),
    "psnr": ("dB", 0, PSNR_CAP_DB, "more face left", "scikit-image, data range 255"),
    "rmse": ("grey levels", 0, 255, "less face left", "scikit-image, data range 255"),
}


def _similarity_rows() -> list[Feature]:
    rows = []
    for area, words in (("", "the whole picture"), ("head_", "the silhouette of the head")):
        for measure, (unit, low, high, direction, source) in _MEASURES.items():
            for view in (*VIEWS, "mean"):
                seen = "mean over the five views" if view == "mean" else f"{view.replace('_', ' ')} view"
                meaning = f"{measure.upper()} of original and defaced render, {seen}, over {words}"
                rows.append(Feature(f"{measure}_{area}{view}", unit, low, high, direction, meaning, source))
    return rows


def _loss_rows() -> list[Feature]:
    rows = []
    directions: dict[str, Direction] = {"head": "less face left", "brain": "more brain lost"}
    for part, direction in directions.items():
        for kind, what in (("removed", "set to background level"), ("altered", "changed by more than 1 % of tissue")):
            meaning = f"{part} voxels of the original {what} in the defaced image"
            source = "DefaceQA paper; tolerance by the DefaceQA design, section 3.2"
            rows.append(Feature(f"{part}_{kind}_fraction", "1", 0, 1, direction, f"share of {meaning}", source))
            rows.append(Feature(f"{part}_{kind}_ml", "mL", 0, math.inf, direction, f"volume of {meaning}", source))
    source = "DefaceQA design, section 3.6"
    meaning = "largest connected piece of removed brain"
    rows.append(Feature("brain_largest_piece_ml", "mL", 0, math.inf, "more brain lost", meaning, source))
    meaning = "how deep that piece reaches under the surface of the brain"
    rows.append(Feature("brain_depth_mm", "mm", 0, math.inf, "more brain lost", meaning, source))
    meaning = "brain mask over head mask volume of the original; exposes bad brain masks"
    rows.append(Feature("brain_to_head_ratio", "1", 0, math.inf, "none", meaning, "DefaceQA paper (BHR)"))
    return rows


def _residual_rows() -> list[Feature]:
    source = "DefaceQA design, section 3.6"
    meaning = "share of the skin of {} still there"
    rows = [
        Feature(f"residual_{region}", "1", 0, 1, "more face left", meaning.format(REGION_WORDS[region]), source)
        for region in REGIONS
    ]
    rows.append(Feature("residual_eyes", "1", 0, 1, "more face left", "residual of the worse eye", source))
    rows.append(Feature("residual_lips", "1", 0, 1, "more face left", "share of the lips still there", source))
    meaning = "largest residual of eyes, nose and mouth"
    rows.append(Feature("residual_worst", "1", 0, 1, "more face left", meaning, source))
    return rows


def _distance_rows() -> list[Feature]:
    return [
        Feature("masd_face_mm", "mm", 0, 30, "less face left", "mean distance of face skin to the defaced surface",
                "Gao et al. 2025 (MASD)"),
        Feature("hd95_face_mm", "mm", 0, 30, "less face left", "95th percentile of that distance", "Gao et al. 2025"),
    ]  # fmt: skip


FEATURES: dict[str, Feature] = {
    row.name: row for row in (*_similarity_rows(), *_loss_rows(), *_residual_rows(), *_distance_rows())
}
"""Every feature by name, in column order."""

FACE_FEATURES = (
    "residual_left_eye",
    "residual_right_eye",
    "residual_eyes",
    "residual_nose",
    "residual_mouth",
    "residual_lips",
    "residual_cheeks_jaw",
    "residual_worst",
    "masd_face_mm",
    "hd95_face_mm",
    "head_removed_fraction",
    *(f"fsim_head_{view}" for view in (*VIEWS, "mean")),
    *(f"ssim_head_{view}" for view in (*VIEWS, "mean")),
)
"""What the shipped face models read: shares and similarities, nothing that grows with the size of a head.

Left out on purpose: brain features (the brain is judged apart), and the altered share, which says more face left when a
tool re-scales every voxel and less when it cuts.
"""

PAPER_FEATURES = ("fsim_mean", "ssim_mean", "head_removed_fraction", "brain_removed_fraction")
"""The four features the DefaceQA paper keeps without the method."""
