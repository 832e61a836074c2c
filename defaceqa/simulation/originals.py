"""The heads a corpus is made from: a table of files, and their careful landmarks."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.patches import LANDMARKS
from defaceqa.errors import LabelError
from defaceqa.volumes import Volume

OUT_OF_VIEW = "outside"
"""Status of a landmark that lies outside the field of view."""

HEAD_COLUMNS = ("id", "file", "subject", "sequence", "brain_mask")
LANDMARK_COLUMNS = ("head_id", "landmark", "x_mm", "y_mm", "z_mm", "status")


@dataclass(frozen=True)
class Original:
    """One head to deface.

    Parameters
    ----------
    head_id, subject : str
        Several heads may be of one subject.
    path, brain_path : Path
        Image and trusted brain mask on its grid.
    landmarks_world_mm : dict
        World mm (RAS+) of the file; those out of view are absent.
    modality : str
        ``"T1w"``, ``"T2w"``, ...
    """

    head_id: str
    subject: str
    path: Path
    brain_path: Path
    landmarks_world_mm: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    modality: str = "T1w"

    def landmarks_on(self, volume: Volume) -> dict[str, NDArray[np.float64]]:
        """Landmarks in grid mm of the loaded image."""
        inverse = np.linalg.inv(volume.affine)
        return {
            name: (inverse[:3, :3] @ point + inverse[:3, 3]) * volume.spacing_mm
            for name, point in self.landmarks_world_mm.items()
        }


def read_originals(heads: Path, landmarks: Path) -> list[Original]:
    """Read the table of heads and the table of landmarks; heads without landmarks are left out.

    Parameters
    ----------
    heads : Path
        Tab-separated; columns id, file, subject, sequence, brain_mask; paths relative to the table.
    landmarks : Path
        Tab-separated; columns head_id, landmark, x_mm, y_mm, z_mm (world RAS+), status.

    Returns
    -------
    list of Original
        In the order of the table of heads.

    Raises
    ------
    LabelError
        A table that cannot be read, lacks a column, or names a landmark nobody knows.
    """
    points = _points(landmarks)
    return [
        Original(
            row["id"], row["subject"], heads.parent / row["file"], heads.parent / row["brain_mask"],
            points[row["id"]], row["sequence"],
        )
        for row in _rows(heads, HEAD_COLUMNS)
        if row["id"] in points
    ]  # fmt: skip


def _points(file: Path) -> dict[str, dict[str, NDArray[np.float64]]]:
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for row in _rows(file, LANDMARK_COLUMNS):
        if row["landmark"] not in LANDMARKS:
            raise LabelError(f"{file.name}: unknown landmark {row['landmark']!r}; expected {', '.join(LANDMARKS)}.")
        marks = found.setdefault(row["head_id"], {})
        if row["status"] != OUT_OF_VIEW:
            marks[row["landmark"]] = np.array([float(row[f"{axis}_mm"]) for axis in "xyz"])
    return found


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"The table {file.name} cannot be read ({type(error).__name__}).") from error
    missing = [name for name in columns if rows and name not in rows[0]]
    if missing or not rows:
        lack = f"lacks the column {missing[0]!r}" if missing else "has no rows"
        raise LabelError(f"The table {file.name} {lack}; expected the columns {', '.join(columns)}.")
    return rows
