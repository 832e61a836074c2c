"""From files on disk to a checked pair of volumes on one RAS+ grid.

Everything format-specific (axis order, scaling, storage type, file endings) stops here: the rest of the program
sees float32 arrays in RAS+ axis order, a voxel-to-world affine in mm, and nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import math
import os
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import MGHError
from nibabel.imageglobals import logger as nibabel_logger
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from nibabel.spatialimages import HeaderDataError, SpatialImage
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.errors import InputError
from defaceqa.head import check_is_head, head_mask, head_threshold
from defaceqa.whole_file import replacing

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh")
"""File endings that are read."""

DAMAGED = (OSError, EOFError, zlib.error, HeaderDataError, MGHError, ValueError, KeyError, OverflowError, TypeError)
"""What the readers underneath raise for a file that is no image, or is one no longer."""

MAX_DEFLATE_RATIO = 1100
"""gzip cannot shrink data more than 1032 : 1, so a header that declares more than this lies."""

MIN_SIZE_MM = 60.0
"""No head, not even an infant's, is smaller than this along an axis."""

MAX_SIZE_MM = 1000.0
"""No scanner's field of view is larger than this along an axis."""

AFFINE_TOLERANCE_MM = 0.05
"""Corners of two grids may differ by this much and still count as one grid (headers store float32)."""

SAME_SCAN_CORRELATION = 0.85
"""Correlation of the inner head below which two volumes are not the same scan.

Defacing leaves the inner head alone, so real pairs are above 0.98; two people, centred on each other, stay below 0.65,
and a head flipped left to right reaches 0.70 with itself.
"""

CORE_DEPTH_MM = 25.0
"""Voxels deeper than this under the skin are left alone by every defacing that did not fail badly."""

CORE_STEP_MM = 3.0
"""The inner head is compared on a grid about this coarse."""

MIN_CORE_VOXELS = 200
"""With fewer voxels left to compare, nothing can be said about whether two scans belong together."""


@dataclass(frozen=True)
class Volume:
    """One three-dimensional image in RAS+ axis order.

    Parameters
    ----------
    data : ndarray of float32, shape (x, y, z)
        Intensities; x grows to the person's right, y to the front, z upwards.
    affine : ndarray of float64, shape (4, 4)
        Voxel index to world mm (RAS+).
    path : Path or None
        The file it came from; None for arrays made in memory.
    flags : tuple of str
        What the reader of a verdict should know about this file, in plain words.
    """

    data: FloatArray
    affine: NDArray[np.float64]
    path: Path | None = None
    flags: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y, z."""
        return (self.data.shape[0], self.data.shape[1], self.data.shape[2])

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel edge lengths along x, y, z in mm."""
        return np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))

    @cached_property
    def sha256(self) -> str:
        """Hash of the file as stored, or of the array when there is no file."""
        if self.path is None:
            return hashlib.sha256(np.ascontiguousarray(self.data).tobytes()).hexdigest()
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @property
    def name(self) -> str:
        """File name for messages, without the folder."""
        return self.path.name if self.path is not None else "the volume in memory"


@dataclass(frozen=True)
class Pair:
    """An original and its defaced version on the original's grid.

    Parameters
    ----------
    original, defaced : Volume
        Same shape and affine.
    brain : ndarray of bool, shape (x, y, z), or None
        The brain in the original, when somebody gave a mask.
    flags : tuple of str
        Peculiarities found while loading, in plain words.
    """

    original: Volume
    defaced: Volume
    brain: BoolArray | None = None
    flags: tuple[str, ...] = field(default=())


def load_pair(
    original: str | os.PathLike[str],
    defaced: str | os.PathLike[str],
    *,
    brain_mask: str | os.PathLike[str] | None = None,
) -> Pair:
    """Read and check an original and its defaced version.

    The defaced image is brought onto the original's grid when the two differ only by axis order, flips or a
    whole-voxel crop or pad in the same world space.

    Parameters
    ----------
    original, defaced : path
        NIfTI (``.nii``, ``.nii.gz``) or FreeSurfer (``.mgz``) files.
    brain_mask : path, optional
        Mask of the brain (non-zero inside) on the original's grid.

    Returns
    -------
    Pair

    Raises
    ------
    InputError
        A file that is missing, damaged, not a head image, or a pair that does not belong together.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(load_volume, (original, defaced))
    pair = Pair(first, onto_grid(second, first), flags=_flags(first, second))
    check_same_scan(pair)
    if brain_mask is None:
        return pair
    return replace(pair, brain=load_mask(brain_mask, first))


def load_volume(path: str | os.PathLike[str]) -> Volume:
    """Read one image file as a :class:`Volume`.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz`` or ``.mgz``.

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        Unreadable, truncated, not an image, more than one volume, NaN or infinite or constant values, absurd header.
    """
    volume = _load(Path(path))
    _check_values(volume)
    return volume


def load_mask(path: str | os.PathLike[str], grid: Volume) -> BoolArray:
    """Read a mask that lies on (or can be moved without resampling to) the grid of a volume.

    Parameters
    ----------
    path : path
        Image file, non-zero inside.
    grid : Volume
        The volume the mask belongs to.

    Returns
    -------
    ndarray of bool, shape of ``grid``

    Raises
    ------
    InputError
        As :func:`load_volume`; also when the mask has another grid or holds no voxel inside it.
    """
    volume = _load(Path(path))
    _check_finite(volume)
    if volume.shape != grid.shape:
        raise InputError(
            f"The brain mask {volume.name} is {describe_grid(volume)}, but {grid.name} is {describe_grid(grid)}; "
            "expected a mask on the original's grid. Give the mask made from this original."
        )
    mask = onto_grid(volume, grid).data > 0.5
    if not mask.any() or mask.all():
        raise InputError(
            f"The brain mask {volume.name} has {'every' if mask.any() else 'no'} voxel set within {grid.name}; "
            "expected a mask of the brain on the original's grid. Give the mask made from this original."
        )
    return mask


def save_volume(volume: Volume | NDArray[Any], path: str | os.PathLike[str], *, affine: Any = None) -> None:
    """Write a volume or an array as NIfTI; a file of before stays as it was when that fails.

    Parameters
    ----------
    volume : Volume or ndarray, shape (x, y, z)
        What to write; an array needs ``affine``.
    path : path
        Target ending in ``.nii`` or ``.nii.gz``.
    affine : array_like, shape (4, 4), optional
        Voxel to world mm for a bare array.
    """
    target = Path(path)
    data = volume.data if isinstance(volume, Volume) else volume
    matrix = volume.affine if isinstance(volume, Volume) else np.asarray(affine, dtype=np.float64)
    stored = data.astype(np.uint8) if data.dtype == bool else data
    with replacing(target) as partial:
        nib.save(nib.Nifti1Image(stored, matrix), partial)


def onto_grid(moving: Volume, grid: Volume) -> Volume:
    """Lay a volume on another grid by whole-voxel crop and pad, never by interpolation.

    Parameters
    ----------
    moving : Volume
        Both volumes are in RAS+ order already, so flips and axis order are settled.
    grid : Volume
        The grid wanted.

    Returns
    -------
    Volume
        ``moving`` on the grid; what lies outside it is dropped, what it does not cover is 0.

    Raises
    ------
    InputError
        When spacing or direction differ, or the shift is not a whole number of voxels; the message names both grids.
    """
    index = np.linalg.inv(grid.affine) @ moving.affine
    shift = np.rint(index[:3, 3]).astype(int)
    expected = np.eye(4)
    expected[:3, 3] = shift
    corners = np.array([[*c, 1.0] for c in itertools.product(*((0, n - 1) for n in moving.shape))]).T
    error_mm = np.abs(grid.affine[:3] @ (index - expected) @ corners).max()
    if error_mm > AFFINE_TOLERANCE_MM or not _overlap(shift, moving.shape, grid.shape):
        raise InputError(
            f"The two images have different grids: {grid.name} is {describe_grid(grid)}, {moving.name} is "
            f"{describe_grid(moving)}; expected the same grid or one that differs by axis order, flips or a crop of "
            "whole voxels. Deface the original without resampling it, or resample the result to the original's grid."
        )
    if moving.shape == grid.shape and not shift.any():
        return replace(moving, affine=grid.affine)
    data = np.zeros(grid.shape, dtype=np.float32)
    source, target = _windows(shift, moving.shape, grid.shape)
    data[target] = moving.data[source]
    return replace(moving, data=data, affine=grid.affine)


def describe_grid(volume: Volume) -> str:
    """One phrase for a grid: voxels, spacing and position, for messages."""
    shape = " x ".join(str(n) for n in volume.shape)
    spacing = " x ".join(f"{s:.3g}" for s in volume.spacing_mm)
    origin = ", ".join(f"{o:.1f}" for o in volume.affine[:3, 3])
    return f"{shape} voxels of {spacing} mm from ({origin})"


def check_same_scan(pair: Pair) -> None:
    """Refuse a defaced image whose inner head is not that of the original.

    Parameters
    ----------
    pair : Pair
        On one grid.

    Raises
    ------
    InputError
        The images show different people or scans, or the defaced image is flipped or turned against its header.
    """
    thin, inside = _core(pair.original)
    _check_is_grey(pair.original, inside, thin)
    first, second = pair.original.data[thin], pair.defaced.data[thin]
    found = _correlation(first, second, inside)
    if found is None or found >= SAME_SCAN_CORRELATION:
        return
    names = f"{pair.original.name} and {pair.defaced.name}"
    if _best_turned_correlation(pair, thin, inside) >= max(SAME_SCAN_CORRELATION, found + 0.1):
        raise InputError(
            f"The content of {names} agrees only after flipping or turning one of them (correlation of the inner head "
            f"as stored {found:.2f}, expected above {SAME_SCAN_CORRELATION}): a wrong orientation was written. "
            "Repair the header or the axis order of the defaced image first."
        )
    raise InputError(
        f"{names} do not show the same scan: the inner head correlates by {found:.2f}, expected above "
        f"{SAME_SCAN_CORRELATION}. Check that the defaced image was made from this original."
    )


def _core(volume: Volume) -> tuple[tuple[slice, ...], BoolArray]:
    """Slices that thin any array on this grid, and which of the thinned voxels lie deep inside the head."""
    thin = tuple(slice(None, None, max(1, round(CORE_STEP_MM / s))) for s in volume.spacing_mm)
    spacing = volume.spacing_mm * [step.step for step in thin]
    threshold = head_threshold(volume.data)
    if threshold <= 0:  # what a defacing sets to 0 would then count as tissue
        raise InputError(
            f"{volume.name} has its skin at an intensity of {threshold:.3g}; expected air near 0 and tissue above it. "
            "Give the image before it was shifted to a mean of 0."
        )
    head = head_mask(volume.data[thin], threshold)
    check_is_head(head, spacing, volume.name)
    depth_mm = ndimage.distance_transform_edt(np.pad(head, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    return thin, depth_mm > CORE_DEPTH_MM


def _check_is_grey(volume: Volume, inside: BoolArray, thin: tuple[slice, ...]) -> None:
    core = volume.data[thin][inside]
    if core.size and core.min() == core.max():
        raise InputError(
            f"{volume.name} has the one value {core[0]:g} everywhere inside the head; expected a grey-valued image. "
            "Give the original scan, not a mask."
        )


def _correlation(first: FloatArray, second: FloatArray, inside: BoolArray) -> float | None:
    """Pearson correlation over the voxels that the defaced image still has; None when too few are left."""
    kept = inside & (second != 0)
    if kept.sum() < MIN_CORE_VOXELS:
        return None
    a, b = first[kept].astype(np.float64), second[kept].astype(np.float64)
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _best_turned_correlation(pair: Pair, thin: tuple[slice, ...], inside: BoolArray) -> float:
    """Best correlation over all flips and axis swaps of the defaced image that keep the shape of the grid."""
    first = pair.original.data[thin]
    found = [0.0]
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            turned = np.transpose(pair.defaced.data, axes)[tuple(slice(None, None, f) for f in flips)]
            if turned.shape == pair.original.shape:  # thinned only now: other voxels are kept when it is turned
                found.append(_correlation(first, turned[thin], inside) or 0.0)
    return max(found)


def _load(file: Path) -> Volume:
    """Read a file whose values may still be anything."""
    _check_file(file)
    try:
        stream = _byte_stream(file)
    except OSError as error:
        raise _unreachable(file, error) from None
    with stream:
        image = _parse(stream, file)
        _check_header(image, file)
        data = _read(image, stream, file)
    ras, affine = _to_ras(data, np.asarray(image.affine, dtype=np.float64))
    return Volume(ras, affine, file, _header_flags(image))


def _check_file(file: Path) -> None:
    kinds = ", ".join(SUFFIXES)
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(_not_found(file)) from None
    except (OSError, ValueError) as error:
        raise _unreachable(file, error) from None
    if file.is_dir():
        raise InputError(f"{file.name or file} is a folder; expected one image file ({kinds}). Give the file itself.")
    if not file.name.lower().endswith(SUFFIXES):
        raise InputError(f"{file.name} is not a kind of file that is read; expected one of {kinds}. Convert it first.")


def _not_found(file: Path) -> str:
    if file.is_symlink():
        return (
            f"{file.name} is a link to a file that is not there; expected an image file at this path. "
            "Fetch its content first (for a DataLad data set: datalad get)."
        )
    return f"{file.name} was not found; expected an image file at this path. Check the spelling."


def _unreachable(file: Path, error: Exception) -> InputError:
    if isinstance(error, PermissionError):
        return InputError(
            f"{file.name} cannot be opened: permission denied; expected a file you may read. "
            "Check the access rights of the file and its folder."
        )
    return InputError(f"{file.name} cannot be opened ({_short(error)}); expected an image file. Check the path.")


def _byte_stream(file: Path) -> IO[bytes]:
    if _is_packed(file):
        return cast(IO[bytes], gzip.open(file, "rb"))
    return file.open("rb")


def _is_packed(file: Path) -> bool:
    return file.name.lower().endswith((".gz", ".mgz"))


def _parse(stream: IO[bytes], file: Path) -> SpatialImage:
    """Header and a promise of the data; the data are read later, once the header is believed."""
    try:
        with _silent_nibabel():  # it would report a bad header before the refusal below does
            return _image_class(stream, file).from_stream(stream)
    except DAMAGED as error:
        raise InputError(
            f"{file.name} is not a readable image ({_short(error)}); expected a NIfTI or MGZ file. "
            "Check that it was copied whole."
        ) from None


_HEADER_LOCK = threading.Lock()


@contextmanager
def _silent_nibabel() -> Iterator[None]:
    with _HEADER_LOCK:  # two files are read at a time, and the switch is one for all
        was = nibabel_logger.disabled
        nibabel_logger.disabled = True
        try:
            with np.errstate(all="ignore"):
                yield
        finally:
            nibabel_logger.disabled = was


def _image_class(stream: IO[bytes], file: Path) -> Any:
    start = stream.read(4)
    stream.seek(0)
    if file.name.lower().endswith((".mgz", ".mgh")):
        if start != (1).to_bytes(4, "big"):
            raise ValueError("no MGH header at its start")
        return nib.MGHImage
    classes = {348: nib.Nifti1Image, 540: nib.Nifti2Image}
    sizes = (int.from_bytes(start, "little"), int.from_bytes(start, "big"))
    found = [classes[size] for size in sizes if size in classes]
    if not found:
        raise ValueError("no NIfTI header at its start" if start else "the file is empty")
    return found[0]


def _check_header(image: SpatialImage, file: Path) -> None:
    shape = tuple(int(n) for n in image.shape)
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise InputError(
            f"{file.name} holds {_count(shape)} of shape {' x '.join(map(str, shape))}; expected one three-dimensional "
            "volume. Extract the volume that was defaced and give that."
        )
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind not in "iuf":
        raise InputError(
            f"{file.name} stores {_kind(dtype)} values; expected plain numbers. Convert it to a grey-valued image."
        )
    _check_declared_size(shape, dtype, file)
    spacing = np.sqrt((np.asarray(image.affine)[:3, :3] ** 2).sum(axis=0))
    size_mm = spacing * np.array(shape[:3])
    if not np.isfinite(size_mm).all() or (size_mm < MIN_SIZE_MM).any() or (size_mm > MAX_SIZE_MM).any():
        raise InputError(
            f"{file.name} covers {' x '.join(f'{s:.0f}' for s in size_mm)} mm by its header; expected a head, "
            f"{MIN_SIZE_MM:.0f} to {MAX_SIZE_MM:.0f} mm along each axis. Check voxel sizes and shape in the header."
        )
    if np.linalg.matrix_rank(np.asarray(image.affine)[:3, :3] / spacing, tol=1e-3) < 3:
        raise InputError(
            f"{file.name} has an affine whose axes fall together; expected three axes in different directions. "
            "Repair the orientation in its header."
        )


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.fields:
        return "colour"
    return "complex" if dtype.kind == "c" else str(dtype)


def _count(shape: tuple[int, ...]) -> str:
    return f"{math.prod(shape[3:])} volumes" if len(shape) > 3 else "a flat image"


def _check_declared_size(shape: tuple[int, ...], dtype: np.dtype[Any], file: Path) -> None:
    declared = math.prod(shape) * dtype.itemsize
    stored = file.stat().st_size
    if declared > stored * (MAX_DEFLATE_RATIO if _is_packed(file) else 1):
        raise InputError(
            f"{file.name} declares {declared / 1e6:.1f} MB of voxels but holds {stored / 1e6:.3f} MB; expected a file "
            "as large as its header says. It is truncated or its header is damaged: copy it again."
        )


def _read(image: SpatialImage, stream: IO[bytes], file: Path) -> FloatArray:
    try:
        with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is refused next
            data = np.asarray(image.dataobj, dtype=np.float32)
        while stream.read(1 << 20):  # gzip compares its checksum only at the very end
            pass
    except DAMAGED as error:
        raise InputError(
            f"{file.name} cannot be read to its end ({_short(error)}); expected a complete file. "
            "It is truncated or damaged: copy it again."
        ) from None
    return data.reshape(data.shape[:3])


def _check_values(volume: Volume) -> None:
    low, high = _check_finite(volume)
    if low == high:
        raise InputError(
            f"{volume.name} is the same value ({low:g}) everywhere; expected the image of a head. "
            "Check how it was made."
        )


def _check_finite(volume: Volume) -> tuple[float, float]:
    """Lowest and highest value, both finite."""
    low, high = float(volume.data.min()), float(volume.data.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(volume.data)))
        raise InputError(
            f"{volume.name} is NaN or infinite in {bad} voxel(s); expected finite numbers. "
            "Replace them (usually by 0) and run again."
        )
    return low, high


def _to_ras(data: FloatArray, affine: NDArray[np.float64]) -> tuple[FloatArray, NDArray[np.float64]]:
    turn = io_orientation(affine)
    ras = np.ascontiguousarray(apply_orientation(data, turn), dtype=np.float32)
    return ras, affine @ inv_ornt_aff(turn, data.shape)


def _header_flags(image: SpatialImage) -> tuple[str, ...]:
    header = image.header
    if isinstance(header, nib.Nifti1Header) and not int(header["sform_code"]) and not int(header["qform_code"]):
        return ("the header gives no orientation: left, front and up were guessed",)
    return ()


def _flags(*volumes: Volume) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flag for volume in volumes for flag in volume.flags))


def _short(error: Exception) -> str:
    """What went wrong underneath, in one line without paths."""
    if isinstance(error, KeyError):
        return f"unknown data type {error}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = (text.strip().splitlines() or [type(error).__name__])[0]
    return line.partition(" bytes from ")[0][:120]


def _windows(
    shift: NDArray[np.int_], moving: tuple[int, int, int], grid: tuple[int, int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low = np.maximum(shift, 0)
    high = np.minimum(shift + np.array(moving), np.array(grid))
    target = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    source = tuple(slice(int(a), int(b)) for a, b in zip(low - shift, high - shift, strict=True))
    return source, target


def _overlap(shift: NDArray[np.int_], moving: tuple[int, int, int], grid: tuple[int, int, int]) -> bool:
    return bool(((shift < np.array(grid)) & (shift + np.array(moving) > 0)).all())
