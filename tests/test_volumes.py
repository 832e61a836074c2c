"""Reading pairs: every storage of a scan is the same scan, and every bad input is refused in one clear sentence."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray
from scipy import ndimage

from defaceqa.errors import InputError
from defaceqa.simulation.phantom import SyntheticHead, synthetic_head
from defaceqa.volumes import Volume, load_pair, load_volume, onto_grid, save_volume

Array = NDArray[Any]

SPACING_MM = 4.0
OBLIQUE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, -0.2, 0.4))
NOBODY = 65534


@pytest.fixture(scope="module")
def head() -> SyntheticHead:
    return synthetic_head(SPACING_MM)


@pytest.fixture(scope="module")
def scan(head: SyntheticHead) -> Array:
    """Integer values, so that every storage can hold them exactly."""
    return np.rint(head.volume.data).astype(np.int16)


@pytest.fixture
def write(tmp_path: Path, head: SyntheticHead) -> Callable[..., Path]:
    """Write an array as an image file; by default on the grid of the synthetic head."""

    def write_image(name: str, data: Array, affine: Array | None = None) -> Path:
        path = tmp_path / name
        matrix = head.volume.affine if affine is None else affine
        image = nib.MGHImage if name.endswith((".mgz", ".mgh")) else nib.Nifti1Image
        nib.save(image(data, matrix), path)
        return path

    return write_image


@pytest.fixture
def original(write: Callable[..., Path], scan: Array) -> Path:
    return write("orig.nii.gz", scan)


def refusal(read: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The message of a refusal, which must be fit for a person: one line, no paths, what was expected, what to do."""
    with pytest.raises(InputError) as caught:
        read(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert tempfile.gettempdir() not in message
    assert "expected" in message
    assert message.endswith(".")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


# --- storage ----------------------------------------------------------------------------------------------------------


def stored_as(codes: str, data: Array, affine: Array) -> tuple[Array, Array]:
    """The same image with its axes stored in another order and direction."""
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(codes)))
    return nib.orientations.apply_orientation(data, turn), affine @ inv_ornt_aff(turn, data.shape)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "PSR", "IRP"])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.mgz"])
def test_axis_order_and_file_kind_do_not_change_the_scan(
    codes: str, name: str, write: Callable[..., Path], scan: Array, head: SyntheticHead
) -> None:
    volume = load_volume(write(name, *stored_as(codes, scan, head.volume.affine)))
    assert volume.data.dtype == np.float32
    assert np.array_equal(volume.data, scan)
    assert np.allclose(volume.affine, head.volume.affine, atol=1e-3)
    assert volume.flags == ()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PSR"])
def test_an_oblique_scan_keeps_its_voxels_and_spacing(codes: str, write: Callable[..., Path], scan: Array) -> None:
    affine = OBLIQUE @ np.diag([3.0, 4.0, 5.0, 1.0])
    volume = load_volume(write("oblique.nii.gz", *stored_as(codes, scan, affine)))
    assert np.array_equal(volume.data, scan)
    assert np.allclose(volume.spacing_mm, [3, 4, 5], atol=1e-4)
    assert np.allclose(volume.affine, affine, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_the_number_format_does_not_change_the_scan(dtype: type, write: Callable[..., Path], scan: Array) -> None:
    assert np.array_equal(load_volume(write("scan.nii.gz", scan.astype(dtype))).data, scan)


def test_slope_and_intercept_are_applied(tmp_path: Path, scan: Array, head: SyntheticHead) -> None:
    slope, inter = float(scan.max()) / 255, -3.0
    image = nib.Nifti1Image(np.rint((scan - inter) / slope).clip(0, 255).astype(np.uint8), head.volume.affine)
    image.header.set_slope_inter(slope, inter)
    nib.save(image, tmp_path / "scaled.nii.gz")
    loaded = load_volume(tmp_path / "scaled.nii.gz").data
    assert np.abs(loaded - scan.clip(max=255 * slope + inter)).max() <= slope / 2 + 1e-3


def test_a_big_endian_file_is_the_same_scan(tmp_path: Path, scan: Array, head: SyntheticHead) -> None:
    image = nib.Nifti1Image(scan.astype(">i2"), head.volume.affine, nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "big.nii")
    assert np.array_equal(load_volume(tmp_path / "big.nii").data, scan)


def test_nifti_2_is_read(tmp_path: Path, scan: Array, head: SyntheticHead) -> None:
    nib.save(nib.Nifti2Image(scan, head.volume.affine), tmp_path / "two.nii.gz")
    assert np.array_equal(load_volume(tmp_path / "two.nii.gz").data, scan)


@pytest.mark.parametrize("extra_axes", [(1,), (1, 1)])
def test_a_fourth_axis_with_one_volume_is_dropped(
    extra_axes: tuple[int, ...], write: Callable[..., Path], scan: Array
) -> None:
    assert np.array_equal(load_volume(write("one.nii.gz", scan.reshape(*scan.shape, *extra_axes))).data, scan)


def test_a_header_without_orientation_is_flagged(tmp_path: Path, scan: Array) -> None:
    image = nib.Nifti1Image(scan, None)
    image.header.set_zooms([SPACING_MM] * 3)
    nib.save(image, tmp_path / "bare.nii.gz")
    pair = load_pair(tmp_path / "bare.nii.gz", tmp_path / "bare.nii.gz")
    assert pair.flags == ("the header gives no orientation: left, front and up were guessed",)


def test_the_hash_is_that_of_the_file(original: Path, scan: Array, head: SyntheticHead) -> None:
    assert load_volume(original).sha256 == hashlib.sha256(original.read_bytes()).hexdigest()
    in_memory = Volume(scan.astype(np.float32), head.volume.affine)
    assert len(in_memory.sha256) == 64
    assert in_memory.sha256 != Volume(scan.astype(np.float32) + 1, head.volume.affine).sha256


def test_a_saved_volume_reads_back_and_leaves_nothing_else(tmp_path: Path, head: SyntheticHead) -> None:
    save_volume(head.volume, tmp_path / "out.nii.gz")
    save_volume(head.brain, tmp_path / "brain.nii.gz", affine=head.volume.affine)
    again = load_volume(tmp_path / "out.nii.gz")
    assert np.array_equal(again.data, head.volume.data)
    assert np.allclose(again.affine, head.volume.affine)
    assert np.array_equal(load_volume(tmp_path / "brain.nii.gz").data, head.brain)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["brain.nii.gz", "out.nii.gz"]


# --- pairs on one grid ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", ["LAS", "LPS", "PSR"])
def test_a_pair_in_two_axis_orders_is_brought_together(
    codes: str, write: Callable[..., Path], original: Path, scan: Array, head: SyntheticHead
) -> None:
    pair = load_pair(original, write("def.mgz", *stored_as(codes, scan, head.volume.affine)))
    assert np.array_equal(pair.original.data, pair.defaced.data)
    assert np.array_equal(pair.original.affine, pair.defaced.affine)


def test_a_crop_of_whole_voxels_is_laid_back(
    write: Callable[..., Path], original: Path, scan: Array, head: SyntheticHead
) -> None:
    cropped = scan[3:-2, 4:-5, 7:]
    affine = head.volume.affine @ nib.affines.from_matvec(np.eye(3), [3, 4, 7])
    pair = load_pair(original, write("crop.nii.gz", *stored_as("LPS", cropped, affine)))
    expected = np.zeros_like(scan)
    expected[3:-2, 4:-5, 7:] = cropped
    assert np.array_equal(pair.defaced.data, expected)
    assert np.array_equal(pair.original.data, scan)


def test_padding_by_whole_voxels_is_cut_off(
    write: Callable[..., Path], original: Path, scan: Array, head: SyntheticHead
) -> None:
    padded = np.pad(scan, [(5, 1), (0, 9), (2, 2)])
    affine = head.volume.affine @ nib.affines.from_matvec(np.eye(3), [-5, 0, -2])
    pair = load_pair(original, write("pad.nii.gz", padded, affine))
    assert np.array_equal(pair.defaced.data, scan)


def test_an_oblique_crop_is_laid_back(write: Callable[..., Path], scan: Array, head: SyntheticHead) -> None:
    affine = OBLIQUE @ head.volume.affine
    shifted = affine @ nib.affines.from_matvec(np.eye(3), [0, 6, 0])
    pair = load_pair(write("o.nii.gz", scan, affine), write("d.nii.gz", *stored_as("PSR", scan[:, 6:], shifted)))
    assert np.array_equal(pair.defaced.data[:, 6:], scan[:, 6:])
    assert not pair.defaced.data[:, :6].any()


def test_rounding_in_a_header_is_no_other_grid(
    write: Callable[..., Path], original: Path, scan: Array, head: SyntheticHead
) -> None:
    affine = head.volume.affine.copy()
    affine[:3, 3] += 0.02
    pair = load_pair(original, write("rounded.nii.gz", scan, affine))
    assert np.array_equal(pair.defaced.affine, pair.original.affine)


def test_an_untouched_copy_is_a_pair(original: Path) -> None:
    assert np.array_equal(load_pair(original, original).defaced.data, load_pair(original, original).original.data)


def test_a_strong_defacing_in_other_units_is_still_the_same_scan(
    write: Callable[..., Path], original: Path, scan: Array
) -> None:
    defaced = scan.astype(np.float32) / 4095
    defaced[:, scan.shape[1] * 2 // 3 :] = 0
    load_pair(original, write("defaced.nii.gz", defaced))


def test_a_brain_mask_in_another_axis_order_is_brought_to_the_grid(
    write: Callable[..., Path], original: Path, head: SyntheticHead
) -> None:
    mask = write("mask.nii.gz", *stored_as("LPS", head.brain.astype(np.uint8), head.volume.affine))
    pair = load_pair(original, original, brain_mask=mask)
    assert pair.brain is not None
    assert pair.brain.dtype == bool
    assert np.array_equal(pair.brain, head.brain)


# --- files that are refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99999])
def test_a_truncated_gzip_file_is_refused(kept: float, original: Path, tmp_path: Path) -> None:
    whole = original.read_bytes()
    part = tmp_path / "part.nii.gz"
    part.write_bytes(whole[: int(len(whole) * kept)])
    message = refusal(load_volume, part)
    assert "part.nii.gz" in message
    assert "copied whole" in message or "truncated" in message


def test_a_truncated_plain_file_is_refused(write: Callable[..., Path], scan: Array, tmp_path: Path) -> None:
    whole = write("whole.nii", scan).read_bytes()
    (tmp_path / "part.nii").write_bytes(whole[: len(whole) // 2])
    assert "as large as its header says" in refusal(load_volume, tmp_path / "part.nii")


def test_a_damaged_byte_inside_a_gzip_file_is_noticed(original: Path, tmp_path: Path) -> None:
    """Nibabel alone stops reading before gzip compares the checksum, and returns garbled voxels."""
    content = bytearray(original.read_bytes())
    for place in (0.3, 0.5, 0.7):
        damaged = content.copy()
        damaged[int(len(content) * place)] ^= 0x10
        (tmp_path / "damaged.nii.gz").write_bytes(damaged)
        assert "damaged" in refusal(load_volume, tmp_path / "damaged.nii.gz")


@pytest.mark.parametrize("name", ["notes.nii.gz", "notes.nii", "notes.mgz", "notes.mgh"])
def test_a_text_file_with_the_ending_of_an_image_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("subject\tage\n" * 60)
    message = refusal(load_volume, tmp_path / name)
    assert f"{name} is not a readable image" in message
    assert "NIfTI or MGZ" in message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing.nii.gz").touch()
    assert "the file is empty" in refusal(load_volume, tmp_path / "nothing.nii.gz")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").touch()
    assert "scan.dcm is not a kind of file that is read" in refusal(load_volume, tmp_path / "scan.dcm")


def test_a_missing_file_is_refused(tmp_path: Path, original: Path) -> None:
    assert "gone.nii.gz was not found" in refusal(load_pair, original, tmp_path / "gone.nii.gz")
    assert "x.nii.gz was not found" in refusal(load_volume, original / "x.nii.gz")


def test_a_link_without_its_content_is_refused_with_the_way_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "annexed.nii.gz").symlink_to(tmp_path / ".git" / "annex" / "missing")
    assert "datalad get" in refusal(load_volume, tmp_path / "annexed.nii.gz")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.nii.gz").mkdir()
    assert "folder.nii.gz is a folder" in refusal(load_volume, tmp_path / "folder.nii.gz")


@pytest.mark.parametrize("name", ["a\0b.nii.gz", "a" * 300 + ".nii.gz"])
def test_an_impossible_name_is_refused(name: str) -> None:
    assert "cannot be opened" in refusal(load_volume, name)


@contextmanager
def as_somebody_without_rights() -> Iterator[None]:
    """Root may read everything, so step down while the test reads."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for inside in folder.iterdir():
            inside.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="access rights of this kind are a Unix matter")
def test_a_file_without_read_permission_is_refused(open_folder: Path, original: Path) -> None:
    closed = open_folder / "closed.nii.gz"
    closed.write_bytes(original.read_bytes())
    closed.chmod(0)
    with as_somebody_without_rights():
        message = refusal(load_volume, closed)
    assert "closed.nii.gz cannot be opened: permission denied" in message


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="access rights of this kind are a Unix matter")
def test_a_folder_that_may_not_be_entered_is_refused(open_folder: Path, original: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir()
    (closed / "scan.nii.gz").write_bytes(original.read_bytes())
    closed.chmod(0)
    with as_somebody_without_rights():
        message = refusal(load_volume, closed / "scan.nii.gz")
    assert "scan.nii.gz cannot be opened: permission denied" in message
    assert "folder" in message


# --- contents that are refused ----------------------------------------------------------------------------------------


def test_several_volumes_are_refused(write: Callable[..., Path], scan: Array) -> None:
    message = refusal(load_volume, write("many.nii.gz", np.stack([scan, scan, scan], axis=-1)))
    assert "many.nii.gz holds 3 volumes of shape 52 x 62 x 66 x 3" in message


def test_a_flat_image_is_refused(write: Callable[..., Path], scan: Array) -> None:
    assert "holds a flat image of shape 52 x 62" in refusal(load_volume, write("flat.nii.gz", scan[:, :, 30]))


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_refused(value: int, write: Callable[..., Path], scan: Array) -> None:
    message = refusal(load_volume, write("flat.nii.gz", np.full_like(scan, value)))
    assert f"flat.nii.gz is the same value ({value}) everywhere" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(value: float, write: Callable[..., Path], scan: Array) -> None:
    spoilt = scan.astype(np.float64)
    spoilt[10, 20, 30] = value
    assert "is NaN or infinite in 1 voxel" in refusal(load_volume, write("spoilt.nii.gz", spoilt))


def test_complex_values_are_refused(write: Callable[..., Path], scan: Array) -> None:
    assert "stores complex values" in refusal(load_volume, write("phase.nii.gz", scan.astype(np.complex64)))


def test_colours_are_refused(write: Callable[..., Path], scan: Array) -> None:
    colours = np.zeros(scan.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "stores colour values" in refusal(load_volume, write("colour.nii.gz", colours))


@pytest.mark.parametrize("crop", [np.s_[20:30, 20:30, 20:30], np.s_[:, :, 30:31]])
def test_a_field_of_view_too_small_for_a_head_is_refused(
    crop: tuple[slice, ...], write: Callable[..., Path], scan: Array
) -> None:
    message = refusal(load_volume, write("small.nii.gz", scan[crop]))
    assert "expected a head, 60 to 1000 mm along each axis" in message


def test_a_header_in_metres_is_refused(write: Callable[..., Path], scan: Array) -> None:
    assert "covers 0 x 0 x 0 mm" in refusal(load_volume, write("metres.nii.gz", scan, np.diag([0.004] * 3 + [1])))


def test_axes_that_fall_together_are_refused(write: Callable[..., Path], scan: Array) -> None:
    affine = np.array([[4.0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert "axes fall together" in refusal(load_volume, write("singular.nii.gz", scan, affine))


DIM, PIXDIM, DATATYPE, SCALE, VOX_OFFSET, SFORM = 40, 76, 70, 112, 108, 280
"""Byte offsets in a NIfTI-1 header."""

ABSURD: dict[str, tuple[tuple[int, str, tuple[float, ...]], ...]] = {
    "giant": (
        (DIM, "8h", (3, 30000, 30000, 30000, 1, 1, 1, 1)),
        (SFORM, "12f", (0.01, 0, 0, 0, 0, 0.01, 0, 0, 0, 0, 0.01, 0)),
    ),
    "a few slices more than stored": ((DIM, "8h", (3, 52, 62, 90, 1, 1, 1, 1)),),
    "negative size": ((DIM, "8h", (3, -52, 62, 66, 1, 1, 1, 1)),),
    "size zero": ((DIM, "8h", (3, 0, 62, 66, 1, 1, 1, 1)),),
    "nine axes": ((DIM, "8h", (9, 52, 62, 66, 1, 1, 1, 1)),),
    "no axes": ((DIM, "8h", (0, 52, 62, 66, 1, 1, 1, 1)),),
    "affine of NaN": ((SFORM, "12f", (float("nan"),) * 12),),
    "infinite intercept": ((SCALE, "2f", (1, float("inf"))),),
    "unknown number format": ((DATATYPE, "2h", (999, 16)),),
    "data beyond the end": ((VOX_OFFSET, "f", (1e9,)),),
    "data before the start": ((VOX_OFFSET, "f", (-10,)),),
}  # fmt: skip


@pytest.mark.parametrize("name", ["absurd.nii", "absurd.nii.gz"])
@pytest.mark.parametrize("edits", ABSURD.values(), ids=ABSURD.keys())
def test_an_absurd_header_is_refused_quietly(
    edits: tuple[tuple[int, str, tuple[float, ...]], ...],
    name: str,
    original: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = bytearray(gzip.decompress(original.read_bytes()))
    for offset, kind, values in edits:
        struct.pack_into("<" + kind, content, offset, *values)
    file = tmp_path / name
    file.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    assert name in refusal(load_volume, file)
    assert capfd.readouterr() == ("", "")


def test_a_giant_header_is_refused_before_memory_is_asked_for(original: Path, tmp_path: Path) -> None:
    content = bytearray(gzip.decompress(original.read_bytes()))
    for offset, kind, values in ABSURD["giant"]:
        struct.pack_into("<" + kind, content, offset, *values)
    (tmp_path / "giant.nii.gz").write_bytes(gzip.compress(content, 1))
    message = refusal(load_volume, tmp_path / "giant.nii.gz")
    assert "giant.nii.gz declares 54000000.0 MB of voxels but holds" in message


def test_random_damage_to_a_header_never_escapes_as_a_traceback(
    write: Callable[..., Path], scan: Array, rng: np.random.Generator
) -> None:
    coarse = np.ascontiguousarray(scan[::4, ::4, ::4])
    for name, header_bytes in (("fuzz.nii", 348), ("fuzz.mgh", 90)):
        file = write(name, coarse, np.diag([16.0, 16, 16, 1]))
        whole = file.read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for place in rng.integers(0, header_bytes, 3):
                damaged[place] = rng.integers(256)
            file.write_bytes(damaged)
            with suppress(InputError):
                load_volume(file)


# --- pairs that are refused -------------------------------------------------------------------------------------------


def other_grid(change: str, affine: Array) -> Array:
    changes = {
        "spacing": affine @ np.diag([1.02, 1, 1, 1]),
        "shift of half a voxel": nib.affines.from_matvec(np.eye(3), [0, SPACING_MM / 2, 0]) @ affine,
        "rotation": nib.affines.from_matvec(nib.eulerangles.euler2mat(0.05)) @ affine,
        "elsewhere": nib.affines.from_matvec(np.eye(3), [SPACING_MM * 200, 0, 0]) @ affine,
    }
    return changes[change]


@pytest.mark.parametrize("change", ["spacing", "shift of half a voxel", "rotation", "elsewhere"])
def test_another_grid_is_refused_and_both_grids_are_named(
    change: str, write: Callable[..., Path], original: Path, scan: Array, head: SyntheticHead
) -> None:
    message = refusal(load_pair, original, write("def.nii.gz", scan, other_grid(change, head.volume.affine)))
    assert "orig.nii.gz is 52 x 62 x 66 voxels of 4 x 4 x 4 mm from (-102.0, -110.0, -150.0)" in message
    assert "def.nii.gz is 52 x 62 x 66 voxels of 4" in message


def test_another_resolution_is_refused(
    write: Callable[..., Path], original: Path, scan: Array, head: SyntheticHead
) -> None:
    message = refusal(
        load_pair, original, write("half.nii.gz", scan[::2, ::2, ::2], head.volume.affine @ np.diag([2, 2, 2, 1]))
    )
    assert "26 x 31 x 33 voxels of 8 x 8 x 8 mm" in message


def test_another_person_is_refused(write: Callable[..., Path], original: Path, scan: Array) -> None:
    wider = ndimage.zoom(scan.astype(np.float32), (1.0, 1.12, 0.93), order=1)
    other = np.zeros(scan.shape, np.float32)
    other[:, :, :61] = wider[:, 4:66, :61]
    message = refusal(load_pair, original, write("other.nii.gz", other))
    assert "do not show the same scan" in message
    assert "other.nii.gz" in message


def test_two_real_people_on_one_grid_are_refused(shared_heads: Path, tmp_path: Path) -> None:
    first, second = (load_volume(shared_heads / "ixi" / f"{name}.nii.gz") for name in real_heads(shared_heads, 2))
    onto_first = np.zeros(first.shape, np.float32)
    shape = tuple(slice(0, min(a, b)) for a, b in zip(first.shape, second.shape, strict=True))
    onto_first[shape] = second.data[shape]
    save_volume(first, tmp_path / "first.nii.gz")
    save_volume(onto_first, tmp_path / "second.nii.gz", affine=first.affine)
    assert "do not show the same scan" in refusal(load_pair, tmp_path / "first.nii.gz", tmp_path / "second.nii.gz")


def real_heads(shared_heads: Path, count: int) -> list[str]:
    return sorted(file.name.removesuffix(".nii.gz") for file in (shared_heads / "ixi").glob("*.nii.gz"))[:count]


def test_a_real_head_mirrored_left_to_right_is_refused(shared_heads: Path, tmp_path: Path) -> None:
    volume = load_volume(shared_heads / "ixi" / f"{real_heads(shared_heads, 1)[0]}.nii.gz")
    save_volume(volume, tmp_path / "first.nii.gz")
    save_volume(np.ascontiguousarray(volume.data[::-1]), tmp_path / "mirror.nii.gz", affine=volume.affine)
    message = refusal(load_pair, tmp_path / "first.nii.gz", tmp_path / "mirror.nii.gz")
    assert "agrees only after flipping" in message


@pytest.mark.parametrize("flip", [np.s_[:, ::-1], np.s_[:, :, ::-1], np.s_[:, ::-1, ::-1]])
def test_a_defaced_image_flipped_against_its_header_is_refused(
    flip: tuple[slice, ...], write: Callable[..., Path], original: Path, scan: Array
) -> None:
    message = refusal(load_pair, original, write("flipped.nii.gz", np.ascontiguousarray(scan[flip])))
    assert "agrees only after flipping or turning" in message
    assert "orientation" in message


def test_a_defaced_image_with_swapped_axes_is_refused(write: Callable[..., Path], scan: Array) -> None:
    cube = scan[:, 5:57, 10:62]
    affine = np.diag([SPACING_MM] * 3 + [1])
    swapped = np.ascontiguousarray(cube.transpose(0, 2, 1)[:, ::-1])
    message = refusal(load_pair, write("orig.nii.gz", cube, affine), write("swapped.nii.gz", swapped, affine))
    assert "agrees only after flipping or turning" in message


def test_an_inverted_contrast_is_refused(write: Callable[..., Path], original: Path, scan: Array) -> None:
    assert "do not show the same scan" in refusal(load_pair, original, write("inverse.nii.gz", scan.max() - scan))


def ball(shape: tuple[int, ...], radius_mm: float) -> Array:
    from_centre = np.stack(np.indices(shape), -1) - np.array(shape) / 2
    return np.linalg.norm(from_centre, axis=-1) * SPACING_MM <= radius_mm


@pytest.mark.parametrize(("radius_mm", "volume"), [(2, 0), (8, 2), (22.8, 49)])
def test_something_smaller_than_a_head_is_refused(
    radius_mm: float, volume: int, write: Callable[..., Path], scan: Array
) -> None:
    fruit = write("fruit.nii.gz", ball(scan.shape, radius_mm).astype(np.int16) * 500)
    message = refusal(load_pair, fruit, fruit)
    assert "The largest object in fruit.nii.gz measures" in message
    found = int(message.split("measures ")[1].split(" mL")[0])
    assert abs(found - volume) <= 2


def test_noise_alone_is_refused(write: Callable[..., Path], scan: Array, rng: np.random.Generator) -> None:
    noise = write("noise.nii.gz", rng.integers(0, 100, scan.shape).astype(np.int16))
    assert "expected a head of at least 300 mL" in refusal(load_pair, noise, noise)


def test_a_mask_in_the_place_of_the_original_is_refused(write: Callable[..., Path], head: SyntheticHead) -> None:
    mask = write("mask.nii.gz", head.brain.astype(np.uint8))
    assert "has the one value 1 everywhere inside the head" in refusal(load_pair, mask, mask)


def test_an_image_shifted_to_a_mean_of_zero_is_refused(write: Callable[..., Path], scan: Array) -> None:
    shifted = write("shifted.nii.gz", ((scan - scan.mean()) / scan.std()).astype(np.float32))
    assert "shifted to a mean of 0" in refusal(load_pair, shifted, shifted)


# --- brain masks that are refused -------------------------------------------------------------------------------------


def test_a_brain_mask_of_another_shape_is_refused(
    write: Callable[..., Path], original: Path, head: SyntheticHead
) -> None:
    mask = write("mask.nii.gz", head.brain[:-4].astype(np.uint8))
    message = refusal(load_pair, original, original, brain_mask=mask)
    assert "The brain mask mask.nii.gz is 48 x 62 x 66 voxels" in message
    assert "orig.nii.gz is 52 x 62 x 66 voxels" in message


def test_a_brain_mask_from_elsewhere_is_refused(
    write: Callable[..., Path], original: Path, head: SyntheticHead
) -> None:
    mask = write("mask.nii.gz", head.brain.astype(np.uint8), other_grid("shift of half a voxel", head.volume.affine))
    assert "different grids" in refusal(load_pair, original, original, brain_mask=mask)


@pytest.mark.parametrize(("value", "found"), [(0, "no"), (1, "every")])
def test_an_empty_or_full_brain_mask_is_refused(
    value: int, found: str, write: Callable[..., Path], original: Path, scan: Array
) -> None:
    mask = write("mask.nii.gz", np.full(scan.shape, value, np.uint8))
    message = refusal(load_pair, original, original, brain_mask=mask)
    assert f"The brain mask mask.nii.gz has {found} voxel set" in message


def test_a_missing_brain_mask_is_refused(original: Path, tmp_path: Path) -> None:
    message = refusal(load_pair, original, original, brain_mask=tmp_path / "mask.nii.gz")
    assert "mask.nii.gz was not found" in message


# --- arrays in memory, command line -----------------------------------------------------------------------------------


def test_a_volume_made_in_memory_has_a_name_for_messages(head: SyntheticHead) -> None:
    moved = Volume(head.volume.data, other_grid("rotation", head.volume.affine))
    assert "the volume in memory is" in refusal(onto_grid, moved, head.volume)


@pytest.mark.parametrize(
    ("command", "bad"), [("extract", "missing.nii.gz"), ("extract", "notes.nii.gz"), ("predict", "notes.nii.gz")]
)
def test_the_command_line_says_one_sentence_and_returns_2(
    command: str, bad: str, original: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.nii.gz").write_text("no image\n" * 60)
    line = [sys.executable, "-m", "defaceqa", command, str(original), str(tmp_path / bad)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"defaceqa: {bad} ")
    assert done.stderr.count("\n") == 1
