"""Facial landmarks, and the patches of skin they define: which region of the face a skin point belongs to.

Sizes are those of an adult face and shrink or grow with the distance between the eyes, so that a child's eye patch
stays on the lids. Everything is measured in a frame built from the landmarks themselves, so that neither the pose of
the head nor the axes of the image matter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

REGIONS = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear", "forehead", "cheeks_jaw")
"""Region names in the order of their numbers: `region_of` gives index + 1, and 0 for skin of no region."""

FACIAL_REGIONS = ("left_eye", "right_eye", "nose", "mouth")
"""The regions both criteria want gone; ears and forehead may stay."""

REGION_WORDS = {
    "left_eye": "left eye",
    "right_eye": "right eye",
    "nose": "nose",
    "mouth": "mouth",
    "cheeks_jaw": "cheeks and jaw",
    "forehead": "forehead",
    "left_ear": "left ear",
    "right_ear": "right ear",
}
"""Regions as people are told of them, in the order in which they are; left is the person's left."""

LANDMARKS = (
    "left_eye",
    "right_eye",
    "left_brow",
    "right_brow",
    "nasion",
    "pronasale",
    "subnasale",
    "stomion",
    "menton",
    "left_tragus",
    "right_tragus",
)
"""Landmark names; left is the person's left, which is the smaller x in RAS+."""

REGION_LANDMARKS: Mapping[str, tuple[str, ...]] = {
    "left_eye": ("left_eye",),
    "right_eye": ("right_eye",),
    "nose": ("nasion", "subnasale"),
    "mouth": ("stomion",),
    "left_ear": ("left_tragus",),
    "right_ear": ("right_tragus",),
    "forehead": ("left_eye", "right_eye", "left_brow", "right_brow"),
    "cheeks_jaw": ("left_eye", "right_eye"),
}
"""Landmarks a region cannot do without; when one is missing the region stays empty.

The nose does without its tip and the cheeks without the chin, which the edge of the field of view often cuts off.
"""

ADULT_EYE_DISTANCE_MM = 62.0
SCALE_RANGE = (0.7, 1.2)

EYE_RADIUS_MM = 13.0
EYE_ABOVE_MM = 8.0
"""The eye patch ends here above the eye, or half-way to the brow if that is less: good defacing keeps the brow."""

NOSE_HALF_WIDTH_MM = (11.0, 19.0)
"""Half width at the nasion and at the subnasale: the root is narrow, the wings are wide."""
NOSE_BEHIND_MM = 12.0
NOSE_BELOW_MM = 3.0

MOUTH_HALF_WIDTH_MM = 25.0
MOUTH_HALF_HEIGHT_MM = 15.0
MOUTH_BEHIND_MM = 22.0

EAR_RADIUS_MM = 32.0
EAR_CENTRE_FROM_TRAGUS_MM = (0.0, -10.0, 4.0)
EAR_AHEAD_MM = 4.0
EAR_INWARD_MM = 5.0

FOREHEAD_HEIGHT_MM = 55.0
FOREHEAD_HALF_WIDTH_MM = 60.0
CHEEKS_BELOW_EYE_MM = 10.0
CHEEKS_BELOW_MENTON_MM = 3.0
CHIN_BELOW_EYES_MM = 115.0
"""Where the face ends when the chin is out of view."""
FRONT_DEPTH_MM = 25.0
FRONT_LIMIT_MM = 42.0
FRONT_BEND_PER_MM = 0.0105
"""The front is all skin less than 25 mm behind the eyes at the midline, 0.0105 x^2 mm more to the sides, 42 at most."""

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

_UP_PAIRS = (
    ("menton", "nasion"),
    ("stomion", "nasion"),
    ("subnasale", "nasion"),
    ("menton", "subnasale"),
    ("left_eye", "left_brow"),
    ("right_eye", "right_brow"),
)
_ACROSS_PAIRS = (("left_eye", "right_eye"), ("left_brow", "right_brow"), ("left_tragus", "right_tragus"))
_PRIORITY = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear", "cheeks_jaw", "forehead")


@dataclass(frozen=True)
class HeadFrame:
    """Axes of a face, and its size against an adult's.

    Attributes
    ----------
    axes : ndarray, shape (3, 3), float64
        Rows are unit vectors towards the person's right, front and top, in the space of the landmarks.
    scale : float
        Distance between the eyes over 62 mm, kept within 0.7 to 1.2; 1 when an eye is missing.
    """

    axes: NDArray[np.float64]
    scale: float

    def __call__(self, points_mm: ArrayLike) -> Points:
        """Turn points (..., 3) in mm into right, front, top, in mm of an adult's face."""
        return np.asarray(points_mm, np.float64) @ self.axes.T / self.scale


def head_frame(landmarks_mm: Mapping[str, ArrayLike]) -> HeadFrame | None:
    """Build the frame of a face from its landmarks.

    The eyes give the axis to the right, the line from menton to nasion the axis to the top. Where one of them is
    missing the next best pair takes its place: brows or tragi across; stomion or subnasale to nasion, menton to
    subnasale or, a short and poor lever, eye to brow upwards.

    Parameters
    ----------
    landmarks_mm : mapping of landmark name to 3 coordinates
        In mm, right-handed space (RAS+); a missing landmark is absent or NaN.

    Returns
    -------
    HeadFrame or None
        None when too few landmarks are known to tell right from left or top from bottom.
    """
    found = _found(landmarks_mm)
    across = _first_difference(found, _ACROSS_PAIRS)
    up = _first_difference(found, _UP_PAIRS)
    if across is None or up is None:
        return None
    right = across / np.linalg.norm(across)
    up = up - (up @ right) * right
    top = up / np.linalg.norm(up)
    return HeadFrame(np.stack([right, np.cross(top, right), top]), _scale(found))


def region_of(points_mm: ArrayLike, landmarks_mm: Mapping[str, ArrayLike]) -> NDArray[np.int8]:
    """Tell to which face region each skin point belongs.

    Meant for points of the outer skin; points deep in the head or at its back belong to no region. Where patches
    overlap the eye comes first, then nose, mouth, ear, cheeks and jaw, forehead. The skin between eye and brow, and
    between the brows, belongs to no region on purpose: good defacing keeps it.

    Parameters
    ----------
    points_mm : array_like, shape (n, 3)
        Points in mm, in the space of the landmarks.
    landmarks_mm : mapping of landmark name to 3 coordinates
        In mm, right-handed space (RAS+) in any pose; a missing landmark is absent or NaN.

    Returns
    -------
    ndarray, shape (n,), int8
        0 for no region, else the index in `REGIONS` + 1. A region whose landmarks are missing stays empty.
    """
    points = np.asarray(points_mm, np.float64).reshape(-1, 3)
    regions = np.zeros(len(points), np.int8)
    frame = head_frame(landmarks_mm)
    if frame is None:
        return regions
    marks = {name: frame(position) for name, position in _found(landmarks_mm).items()}
    framed = frame(points)
    for name in reversed(_PRIORITY):
        if all(needed in marks for needed in REGION_LANDMARKS[name]):
            regions[_PATCHES[name](framed, marks)] = REGIONS.index(name) + 1
    return regions


def _found(landmarks_mm: Mapping[str, ArrayLike]) -> dict[str, Points]:
    """Landmarks that are known, as float64."""
    arrays = {name: np.asarray(position, np.float64) for name, position in landmarks_mm.items()}
    return {name: position for name, position in arrays.items() if np.isfinite(position).all()}


def _first_difference(found: Mapping[str, Points], pairs: tuple[tuple[str, str], ...]) -> Points | None:
    """Vector between the first pair of landmarks that are both known."""
    for start, end in pairs:
        if start in found and end in found:
            return found[end] - found[start]
    return None


def _scale(found: Mapping[str, Points]) -> float:
    if "left_eye" not in found or "right_eye" not in found:
        return 1.0
    distance_mm = float(np.linalg.norm(found["right_eye"] - found["left_eye"]))
    return float(np.clip(distance_mm / ADULT_EYE_DISTANCE_MM, *SCALE_RANGE))


def _eye(points: Points, marks: Mapping[str, Points], side: str) -> Mask:
    eye = marks[f"{side}_eye"]
    above_mm = EYE_ABOVE_MM
    if f"{side}_brow" in marks:
        above_mm = min(above_mm, 0.5 * max(0.0, marks[f"{side}_brow"][2] - eye[2]))
    near = np.linalg.norm(points - eye, axis=1) <= EYE_RADIUS_MM
    return np.asarray(near & (points[:, 2] <= eye[2] + above_mm))


def _nose(points: Points, marks: Mapping[str, Points]) -> Mask:
    nasion, subnasale = marks["nasion"], marks["subnasale"]
    bottom = min(subnasale[2], marks.get("pronasale", subnasale)[2]) - NOSE_BELOW_MM
    height = max(nasion[2] - subnasale[2], 1.0)
    along = np.clip((nasion[2] - points[:, 2]) / height, 0.0, 1.0)
    line = nasion + along[:, None] * (subnasale - nasion)
    aside, ahead = np.abs(points[:, 0] - line[:, 0]), points[:, 1] - line[:, 1]
    root, wings = NOSE_HALF_WIDTH_MM
    level = (points[:, 2] <= nasion[2]) & (points[:, 2] >= bottom)
    return np.asarray(level & (aside <= root + along * (wings - root)) & (ahead >= -NOSE_BEHIND_MM))


def _mouth(points: Points, marks: Mapping[str, Points]) -> Mask:
    aside, ahead, above = (points - marks["stomion"]).T
    box = (np.abs(aside) <= MOUTH_HALF_WIDTH_MM) & (np.abs(above) <= MOUTH_HALF_HEIGHT_MM)
    return np.asarray(box & (ahead >= -MOUTH_BEHIND_MM))


def _ear(points: Points, marks: Mapping[str, Points], side: str) -> Mask:
    outward = -1.0 if side == "left" else 1.0
    from_tragus = points - marks[f"{side}_tragus"]
    near = np.linalg.norm(from_tragus - np.array(EAR_CENTRE_FROM_TRAGUS_MM), axis=1) <= EAR_RADIUS_MM
    return np.asarray(near & (outward * from_tragus[:, 0] >= -EAR_INWARD_MM) & (from_tragus[:, 1] <= EAR_AHEAD_MM))


def _front(points: Points, marks: Mapping[str, Points]) -> tuple[Mask, Points]:
    """Points of the front of the head, and all points measured from the middle between the eyes."""
    from_eyes = points - (marks["left_eye"] + marks["right_eye"]) / 2.0
    depth_mm = np.minimum(FRONT_DEPTH_MM + FRONT_BEND_PER_MM * from_eyes[:, 0] ** 2, FRONT_LIMIT_MM)
    return np.asarray(from_eyes[:, 1] >= -depth_mm), from_eyes


def _forehead(points: Points, marks: Mapping[str, Points]) -> Mask:
    front, from_eyes = _front(points, marks)
    above_brow = points[:, 2] - (marks["left_brow"][2] + marks["right_brow"][2]) / 2.0
    narrow = np.abs(from_eyes[:, 0]) <= FOREHEAD_HALF_WIDTH_MM
    return np.asarray(front & narrow & (above_brow > 0.0) & (above_brow <= FOREHEAD_HEIGHT_MM))


def _cheeks_jaw(points: Points, marks: Mapping[str, Points]) -> Mask:
    front, from_eyes = _front(points, marks)
    below_eyes = from_eyes[:, 2] <= -CHEEKS_BELOW_EYE_MM
    if "menton" in marks:
        above_chin = points[:, 2] >= marks["menton"][2] - CHEEKS_BELOW_MENTON_MM
    else:
        above_chin = from_eyes[:, 2] >= -CHIN_BELOW_EYES_MM
    return np.asarray(front & below_eyes & above_chin)


_PATCHES: Mapping[str, Callable[[Points, Mapping[str, Points]], Mask]] = {
    "left_eye": lambda points, marks: _eye(points, marks, "left"),
    "right_eye": lambda points, marks: _eye(points, marks, "right"),
    "nose": _nose,
    "mouth": _mouth,
    "left_ear": lambda points, marks: _ear(points, marks, "left"),
    "right_ear": lambda points, marks: _ear(points, marks, "right"),
    "forehead": _forehead,
    "cheeks_jaw": _cheeks_jaw,
}
