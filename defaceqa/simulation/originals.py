"""The heads a corpus is made from: a table or folder of files, their careful landmarks, and their variations."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defaceqa.anatomy.patches import LANDMARKS
from defaceqa.errors import InputError, LabelError
from defaceqa.head import from_working_grid
from defaceqa.simulation.painting import CONTRASTS, load_painted
from defaceqa.simulation.variation import Head, vary
from defaceqa.volumes import Volume, load_mask, load_volume, onto_grid

OUT_OF_VIEW = "outside"
"""Status of a landmark that lies outside the field of view."""

LABEL_MAP = "label map"
"""Sequence of a head that is a map of tissue labels, painted before it is used."""

HEAD_COLUMNS = ("id", "file", "subject", "sequence", "brain_mask")
LANDMARK_COLUMNS = ("head_id", "landmark", "x_mm", "y_mm", "z_mm", "status")
IMAGE_ENDINGS = (".nii", ".nii.gz", ".mgz")
NOT_ORIGINALS = re.compile(r"mask|defac|refac|_dseg|_probseg", re.IGNORECASE)
"""Files of a folder that are no originals."""

SOURCE = "geometry"
"""Source of labels made with landmarks that were looked at,"""

CARRIED_SOURCE = "geometry, landmarks by registration"
"""and with landmarks that nobody has looked at."""


@dataclass(frozen=True)
class Original:
    """One head to deface.

    Parameters
    ----------
    head_id, subject : str
        Several heads may be of one subject.
    path : Path
        Image, or label map.
    brain_path : Path or None
        Trusted brain mask on the image's grid.
    landmarks_world_mm : dict
        World mm (RAS+) of the file; those out of view are absent. Empty: found by a careful registration.
    modality : str
        ``"T1w"``, ``"T2w"``, ...
    painted : bool
        The file is a label map, to be painted as ``modality``.
    variation : int
        0 as it is, else the number of its variation.
    """

    head_id: str
    subject: str
    path: Path
    brain_path: Path | None = None
    landmarks_world_mm: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    modality: str = "T1w"
    painted: bool = False
    variation: int = 0

    @property
    def source(self) -> str:
        """Where labels made from this head come from."""
        return SOURCE if self.landmarks_world_mm else CARRIED_SOURCE

    @property
    def kind(self) -> str:
        """How the head came about: scanned, painted, or varied from one of these."""
        return "varied" if self.variation else "painted" if self.painted else "scanned"

    def load(self) -> Head:
        """Read (or paint) the image, its brain and its landmarks, and vary all three when asked to.

        Raises
        ------
        InputError
            A file that cannot be read, or a face that cannot be found where no landmarks are given.
        """
        seed = zlib.crc32(self.head_id.encode())
        volume = load_painted(self.path, self.modality, seed) if self.painted else load_volume(self.path)  # type: ignore[arg-type]
        head = self._known(volume) if self.landmarks_world_mm else self._found(volume)
        return vary(head, seed) if self.variation else head

    def landmarks_on(self, volume: Volume) -> dict[str, NDArray[np.float64]]:
        """Landmarks in grid mm of the loaded image."""
        return on_grid(self.landmarks_world_mm, volume)

    def _known(self, volume: Volume) -> Head:
        return Head(volume, self._brain_on(volume), self.landmarks_on(volume), self.brain_path is not None)

    def _brain_on(self, volume: Volume) -> NDArray[np.bool_]:
        """The trusted mask; that of a label map covers the whole map, the painted image only the head in it."""
        if self.brain_path is None:
            return _mean_brain(volume)
        if self.painted:
            return np.asarray(onto_grid(load_volume(self.brain_path), volume).data > 0.5)
        return load_mask(self.brain_path, volume)

    def _found(self, volume: Volume) -> Head:
        from defaceqa.simulation.landmarks import careful_landmarks

        world_mm, quality = careful_landmarks(volume)
        if not {"left_eye", "right_eye"} <= set(world_mm):
            raise InputError(
                f"The face of {volume.name} was not found (overlap with the mean head {quality:.2f}); expected a whole "
                "head with both eyes in view. Leave it out, or give its landmarks in a table."
            )
        return Head(volume, self._brain_on(volume), on_grid(world_mm, volume), self.brain_path is not None)


def on_grid(world_mm: Mapping[str, NDArray[np.float64]], volume: Volume) -> dict[str, NDArray[np.float64]]:
    """Points from world mm to grid mm of an image."""
    inverse = np.linalg.inv(volume.affine)
    return {name: (inverse[:3, :3] @ point + inverse[:3, 3]) * volume.spacing_mm for name, point in world_mm.items()}


def read_originals(heads: Path, landmarks: Path | None, *, unlabelled: bool = False) -> list[Original]:
    """Read the table of heads and the table of landmarks.

    Parameters
    ----------
    heads : Path
        Tab-separated; columns id, file, subject, sequence, brain_mask; paths relative to the table. A row whose
        sequence is "label map" gives one head per contrast.
    landmarks : Path or None
        Tab-separated; columns head_id, landmark, x_mm, y_mm, z_mm (world RAS+), status.
    unlabelled : bool
        Keep heads without landmarks, to be found by registration; otherwise they are left out.

    Returns
    -------
    list of Original
        In the order of the table of heads.

    Raises
    ------
    LabelError
        A table that cannot be read, lacks a column, or names a landmark nobody knows.
    """
    points = _points(landmarks) if landmarks is not None else {}
    found: list[Original] = []
    for row in _rows(heads, HEAD_COLUMNS):
        if row["id"] in points or unlabelled:
            found += _heads_of_row(row, heads.parent, points.get(row["id"], {}))
    return found


def find_originals(place: Path, landmarks: Path | None = None) -> list[Original]:
    """Originals of a user: a table of heads, or all images of a folder and the folders in it.

    Parameters
    ----------
    place : Path
        A table (see :func:`read_originals`), or a folder. In a folder, names that say mask or defaced are passed over;
        the person is the BIDS subject of the name (``sub-...``), else the name itself.
    landmarks : Path, optional
        Table of landmarks; heads without any get theirs by a careful registration.

    Returns
    -------
    list of Original

    Raises
    ------
    InputError
        Nothing to read.
    LabelError
        A table that does not fit.
    """
    if place.is_file():
        return read_originals(place, landmarks, unlabelled=True)
    files = sorted(f for f in place.rglob("*") if f.name.endswith(IMAGE_ENDINGS) and not NOT_ORIGINALS.search(f.name))
    if not files:
        raise InputError(
            f"{place} holds no original image; expected a folder with {', '.join(IMAGE_ENDINGS)} files, or a table "
            f"with the columns {', '.join(HEAD_COLUMNS)}."
        )
    points = _points(landmarks) if landmarks is not None else {}
    return [_head_of_file(file, place, points) for file in files]


def with_variations(heads: Iterable[Original], count: int) -> list[Original]:
    """Each head, followed by so many variations of it, which keep its subject."""
    return [
        replace(head, head_id=f"{head.head_id}+{number}" if number else head.head_id, variation=number)
        for head in heads
        for number in range(count + 1)
    ]


def subject_of(name: str) -> str:
    """Person of a file name: ``sub-01`` of a BIDS name, else the name without its ending."""
    found = re.match(r"sub-[A-Za-z0-9]+", name)
    return found.group() if found else _stem(name)


def _heads_of_row(
    row: Mapping[str, str], folder: Path, points: Mapping[str, NDArray[np.float64]]
) -> Sequence[Original]:
    brain = folder / row["brain_mask"] if row["brain_mask"] else None
    head = Original(row["id"], row["subject"], folder / row["file"], brain, points, row["sequence"] or "T1w")
    if row["sequence"] != LABEL_MAP:
        return [head]
    return [
        replace(head, head_id=f"{head.head_id}-{contrast.lower()}", modality=contrast, painted=True)
        for contrast in CONTRASTS
    ]


def _head_of_file(file: Path, place: Path, points: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> Original:
    name = _stem(str(file.relative_to(place))).replace("/", "_").replace("\\", "_")
    modality = next((m for m in ("T2w", "FLAIR", "PDw", "T1w") if file.name.split(".")[0].endswith(f"_{m}")), "T1w")
    return Original(name, subject_of(file.name), file, None, points.get(name, {}), modality)


def _stem(name: str) -> str:
    return next(name[: -len(e)] for e in sorted(IMAGE_ENDINGS, key=len, reverse=True) if name.endswith(e))


def _mean_brain(volume: Volume) -> NDArray[np.bool_]:
    from defaceqa.anatomy.registration import locate
    from defaceqa.simulation.landmarks import carried_brain

    anatomy = locate(volume)
    if anatomy.brain is None:  # a head the mean head does not fit well: the mean brain as it lies
        return carried_brain(volume, anatomy.matrix)
    return from_working_grid(anatomy.brain, volume.shape, volume.spacing_mm)


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
