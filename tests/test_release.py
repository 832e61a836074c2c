"""Folders in which no results may lie, because they are released together with a defaced image."""

from __future__ import annotations

from pathlib import Path

import pytest

from defaceqa.datasets import release
from defaceqa.datasets.release import check_not_released
from defaceqa.errors import OutputError

DATA_SETS = ("release", "both", "super", "super/clean", "raw/derivatives/clean", "raw")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for data_set in DATA_SETS:
        (tmp_path / data_set).mkdir(parents=True, exist_ok=True)
        (tmp_path / data_set / "dataset_description.json").write_text("{}")
    return tmp_path


def refused(root: Path, folder: str, original: str | None, defaced: str, **how: bool) -> bool:
    try:
        check_not_released(root / folder, [(None if original is None else root / original, root / defaced)], **how)
    except OutputError as error:
        return "Give another folder." in str(error) and str(root) not in str(error)
    return False


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize(
    ("folder", "original", "defaced", "expected"),
    [
        # a data set without the originals is closed, whatever is in it
        ("release", "x/a.nii", "release/sub-01/a.nii", True),
        ("release/derivatives/qa", "x/a.nii", "release/sub-01/a.nii", True),
        ("release-qa", "x/a.nii", "release/sub-01/a.nii", False),
        ("release", None, "release/sub-01/a.nii", True),
        # one with the originals is closed but for what are not its scans
        ("both", "both/sourcedata/a.nii", "both/sub-01/a.nii", True),
        ("both/qa", "both/sourcedata/a.nii", "both/sub-01/a.nii", True),
        ("both/derivatives", "both/sourcedata/a.nii", "both/sub-01/a.nii", False),
        ("both/derivatives/qa", "both/sourcedata/a.nii", "both/sub-01/a.nii", False),
        ("both/derivatives-qa", "both/sourcedata/a.nii", "both/sub-01/a.nii", True),
        # but never the folder the image lies in
        ("both/derivatives/clean", "both/sub-01/a.nii", "both/derivatives/clean/a.nii", True),
        ("both/sourcedata/x", "both/sourcedata/x/a.nii", "both/sourcedata/x/b.nii", True),
        # of data sets within each other, those without the originals, else the innermost
        ("super", "super/raw/a.nii", "super/clean/a.nii", False),
        ("super/clean/qa", "super/raw/a.nii", "super/clean/a.nii", True),
        ("super", "x/a.nii", "super/clean/a.nii", True),
        ("super", "super/clean/sourcedata/a.nii", "super/clean/a.nii", False),
        ("raw", "raw/sub-01/a.nii", "raw/derivatives/clean/sub-01/a.nii", False),
        ("raw/derivatives/qa", "raw/sub-01/a.nii", "raw/derivatives/clean/sub-01/a.nii", False),
        ("raw/derivatives/clean/qa", "raw/sub-01/a.nii", "raw/derivatives/clean/sub-01/a.nii", True),
        # without a data set, the folder of the image
        ("plain", "x/a.nii", "plain/a.nii", True),
        ("plain/qa", "x/a.nii", "plain/a.nii", True),
        ("plain", "x/a.nii", "plain/clean/a.nii", False),
        ("plain/../qa", "x/a.nii", "plain/a.nii", False),
    ],
)
def test_a_folder_is_open_or_closed(root, folder, original, defaced, expected, side_by_side):
    assert refused(root, folder, original, defaced, side_by_side=side_by_side) is expected


@pytest.mark.parametrize("folder", ["plain", "plain/qa"])
def test_a_folder_with_both_images_is_open_to_the_page_of_one_pair_and_to_nothing_else(root, folder):
    assert not refused(root, folder, "plain/a.nii", "plain/b.nii", side_by_side=True)
    assert refused(root, folder, "plain/a.nii", "plain/b.nii")


def test_a_link_counts_where_it_lies_and_where_it_leads(root):
    for folder in ("store", "work", "x"):
        (root / folder).mkdir()
        (root / folder / "a.nii").touch()
    (root / "release" / "sub-01").mkdir()
    (root / "release" / "sub-01" / "linked.nii").symlink_to(root / "store" / "a.nii")
    (root / "work" / "clean.nii").symlink_to(root / "release" / "a.nii")
    (root / "work" / "raw.nii").symlink_to(root / "x" / "a.nii")
    (root / "door").symlink_to(root / "release")
    for folder in ("release", "door/qa", "store"):
        assert refused(root, folder, "x/a.nii", "release/sub-01/linked.nii")
    assert not refused(root, "work", "work/raw.nii", "work/clean.nii", side_by_side=True)
    assert refused(root, "release", "work/raw.nii", "work/clean.nii", side_by_side=True)


def test_every_two_folders_that_pairs_come_from_are_looked_at_and_only_once(root, monkeypatch):
    looked = []
    plain = release._folders
    monkeypatch.setattr(release, "_folders", lambda *files: looked.append(files) or plain(*files))
    trees = (("x", "one"), ("x", "two"), ("y", "two"))
    pairs = [(root / raw / f"{name}.nii", root / clean / f"{name}.nii") for raw, clean in trees for name in "abc"]
    check_not_released(root / "qa", pairs)
    assert [(original.parent.name, defaced.parent.name) for original, defaced in looked] == list(trees)
    with pytest.raises(OutputError, match=r"lie in two, the data set to be released that a\.nii belongs to"):
        check_not_released(root / "two" / "qa", pairs)
