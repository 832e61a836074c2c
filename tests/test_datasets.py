"""Which files belong together, and what is said when that is not clear."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from defaceqa.datasets import BidsFilter, Selection, pairs_in_folder, pairs_in_table
from defaceqa.datasets.bids_filter import read_bids_filter
from defaceqa.errors import InputError


def make(root: Path, *names: str) -> Path:
    """Empty files: pairing opens none of them."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    root.mkdir(parents=True, exist_ok=True)
    return root


def told(pairing, root: Path) -> dict[str, tuple[str, str]]:
    """Name to original and defaced, relative to a folder."""
    return {
        pair.name.text: (os.path.relpath(pair.original, root), os.path.relpath(pair.defaced, root))
        for pair in pairing.pairs
    }


# --- tables


def test_a_table_may_be_tsv_or_csv_with_any_columns_beside(tmp_path):
    rows = [["original", "defaced", "age"], ["a_T1w.nii.gz", "d/a_T1w.nii.gz", "30"], ["b_T1.nii", "d/b.nii", "n/a"]]
    for ending, delimiter in ((".tsv", "\t"), (".csv", ","), (".txt", ";")):
        table = tmp_path / f"pairs{ending}"
        table.write_text("\n".join(delimiter.join(row) for row in rows) + "\n", encoding="utf-8-sig")
        assert told(pairs_in_table(table), tmp_path) == {
            "sub-aT1w_T1w": ("a_T1w.nii.gz", "d/a_T1w.nii.gz"),
            "sub-bT1_T1w": ("b_T1.nii", "d/b.nii"),
        }


def test_the_row_names_subject_session_run_and_modality(tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text(
        "original\tdefaced\tbrain_mask\tsubject\tsession\trun\tmodality\tmethod\n"
        "x.nii\ty.nii\tm.nii\tsub-07\t2\t1\tT2w\tpydeface\n"
        "x.nii\tz.nii\tn/a\tsub-07\t2\t1\tT2w\tquickshear\n"
    )
    first, second = pairs_in_table(table).pairs
    assert first.name.text == "sub-07_ses-2_rec-pydeface_run-1_T2w"
    assert second.name.text == "sub-07_ses-2_rec-quickshear_run-1_T2w"
    assert (first.method, first.brain_mask) == ("pydeface", str(tmp_path / "m.nii"))
    assert second.brain_mask is None
    assert (first.name.subject, first.name.session) == ("07", "2")


def test_rows_of_one_subject_that_cannot_be_told_apart_are_listed(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("original,defaced,subject\na.nii,first.nii,01\nb.nii,second.nii,01\n")
    with pytest.raises(InputError, match=r"sub-01_T1w: .*first\.nii, .*second\.nii.*session, run or method"):
        pairs_in_table(table)


def test_a_row_with_one_file_only_is_listed_as_unpaired(tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text("original\tdefaced\na.nii\tb.nii\nc.nii\tn/a\n\td.nii\n")
    pairing = pairs_in_table(table)
    assert len(pairing.pairs) == 1
    assert {(scan.file, scan.role) for scan in pairing.unpaired} == {("c.nii", "original"), ("d.nii", "defaced")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "empty"),
        ("orig\tdefaced\na\tb\n", "no column original"),
        ("original\tdefaced\n", "lists no pair"),
        ("original\tdefaced\na.nii\n", "Line 2 of pairs.tsv has 1 cells, its header 2"),
        ("original\tdefaced\tdefaced\na\tb\tc\n", "column defaced twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_what_was_found(tmp_path, text, found):
    table = tmp_path / "pairs.tsv"
    table.write_text(text)
    with pytest.raises(InputError, match=found):
        pairs_in_table(table)


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        pairs_in_table(tmp_path / "absent.tsv")
    (tmp_path / "image.tsv").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(InputError, match="not text"):
        pairs_in_table(tmp_path / "image.tsv")


# --- two trees


def test_two_trees_are_paired_by_relative_path(tmp_path):
    make(tmp_path / "o", "s1/T1.nii.gz", "s2/T1.nii.gz", "s3/T1.nii.gz")
    make(tmp_path / "d", "s1/T1.nii.gz", "s2/T1.nii", "s4/T1.nii.gz")
    pairing = pairs_in_folder(tmp_path / "o", tmp_path / "d")
    assert told(pairing, tmp_path) == {
        "sub-s1T1_T1w": ("o/s1/T1.nii.gz", "d/s1/T1.nii.gz"),
        "sub-s2T1_T1w": ("o/s2/T1.nii.gz", "d/s2/T1.nii"),
    }
    assert {(scan.file, scan.role) for scan in pairing.unpaired} == {
        ("s3/T1.nii.gz", "original"),
        ("s4/T1.nii.gz", "defaced"),
    }


def test_a_file_stored_twice_is_an_error_that_lists_both(tmp_path):
    make(tmp_path, "o/a.nii", "d/a.nii", "d/a.nii.gz")
    with pytest.raises(InputError, match=r"a\.nii, a\.nii\.gz.*list the pairs in a table"):
        pairs_in_folder(tmp_path / "o", tmp_path / "d")


def test_a_defaced_tree_inside_the_originals_is_not_taken_for_originals(tmp_path):
    make(tmp_path, "o/a.nii", "o/clean/a.nii")
    pairing = pairs_in_folder(tmp_path / "o", tmp_path / "o" / "clean")
    assert told(pairing, tmp_path) == {"sub-a_T1w": ("o/a.nii", "o/clean/a.nii")}
    assert pairing.unpaired == ()


def test_originals_inside_the_defaced_tree_are_not_taken_for_defaced(tmp_path):
    make(tmp_path, "d/a.nii", "d/before/a.nii")
    pairing = pairs_in_folder(tmp_path / "d" / "before", tmp_path / "d")
    assert told(pairing, tmp_path) == {"sub-a_T1w": ("d/before/a.nii", "d/a.nii")}
    assert pairing.unpaired == ()


def test_links_to_content_that_was_not_fetched_are_paired_and_fail_later(tmp_path):
    make(tmp_path, "o/a.nii", "d/b.nii")
    (tmp_path / "d" / "a.nii").symlink_to("annex/not-here")
    pairing = pairs_in_folder(tmp_path / "o", tmp_path / "d")
    assert [Path(pair.defaced).name for pair in pairing.pairs] == ["a.nii"]


def test_folders_linked_in_a_circle_are_walked_once(tmp_path):
    make(tmp_path, "o/x/a.nii", "d/x/a.nii")
    (tmp_path / "o" / "x" / "again").symlink_to(tmp_path / "o", target_is_directory=True)
    assert len(pairs_in_folder(tmp_path / "o", tmp_path / "d").pairs) == 1


def test_a_folder_without_scans_and_a_folder_that_is_missing_are_refused(tmp_path):
    make(tmp_path / "empty")
    with pytest.raises(InputError, match="No scans were found in empty"):
        pairs_in_folder(tmp_path / "empty")
    with pytest.raises(InputError, match="absent is not a folder"):
        pairs_in_folder(tmp_path / "absent")


# --- names in one tree


@pytest.mark.parametrize(
    "defaced", ["sub-01_T1w_defaced.nii.gz", "sub-01_rec-defaced_T1w.nii.gz", "sub-01_desc-defaced_T1w.nii"]
)
def test_each_mark_of_defacing_is_known(tmp_path, defaced):
    make(tmp_path, "sub-01_T1w.nii.gz", defaced)
    assert told(pairs_in_folder(tmp_path), tmp_path) == {"sub-01_T1w": ("sub-01_T1w.nii.gz", defaced)}


def test_two_defaced_versions_of_one_original_are_an_error_that_lists_both(tmp_path):
    make(tmp_path, "a.nii.gz", "a_defaced.nii.gz", "a_desc-defaced.nii.gz")
    with pytest.raises(InputError, match=r"a_defaced\.nii\.gz, a_desc-defaced\.nii\.gz"):
        pairs_in_folder(tmp_path)


def test_masks_are_no_scans_and_a_scan_without_partner_is_listed(tmp_path):
    make(tmp_path, "a.nii", "a_defaced.nii", "a_defacemask.nii", "a_brainmask.nii", "b.nii", "c_defaced.nii")
    pairing = pairs_in_folder(tmp_path)
    assert list(told(pairing, tmp_path)) == ["sub-a_T1w"]
    unpaired = {(scan.file, scan.role) for scan in pairing.unpaired}
    assert unpaired == {("b.nii", "original"), ("c_defaced.nii", "defaced")}


# --- BIDS


@pytest.fixture
def data_set(tmp_path):
    runs = [(s, t, r) for s in ("01", "02") for t in "12" for r in "12"]
    make(
        tmp_path / "raw",
        "dataset_description.json",
        *[f"sub-{s}/ses-{t}/anat/sub-{s}_ses-{t}_run-{r}_T1w.nii.gz" for s, t, r in runs],
        "sub-01/ses-1/anat/sub-01_ses-1_T2w.nii.gz",
        "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz",
        "sourcedata/sub-01_ses-1_run-1_T1w.nii.gz",
    )
    make(
        tmp_path / "defaced",
        *[f"sub-{s}/ses-{t}/anat/sub-{s}_ses-{t}_run-0{r}_T1w.nii.gz" for s, t, r in runs],
        "sub-01/ses-1/anat/sub-01_ses-1_desc-defaced_T2w.nii.gz",
        "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz",
    )
    return tmp_path


def test_a_bids_data_set_is_paired_by_subject_session_run_and_modality(data_set):
    pairing = pairs_in_folder(data_set / "raw", data_set / "defaced")
    assert len(pairing.pairs) == 9
    assert pairing.unpaired == ()
    pairs = told(pairing, data_set)
    assert pairs["sub-02_ses-1_run-2_T1w"] == (
        "raw/sub-02/ses-1/anat/sub-02_ses-1_run-2_T1w.nii.gz",
        "defaced/sub-02/ses-1/anat/sub-02_ses-1_run-02_T1w.nii.gz",
    )
    assert pairs["sub-01_ses-1_T2w"][1].endswith("desc-defaced_T2w.nii.gz")


@pytest.mark.parametrize("label", ["02", "sub-02"])
def test_participants_are_chosen_with_or_without_sub(data_set, label):
    pairing = pairs_in_folder(data_set / "raw", data_set / "defaced", selection=Selection(participants=(label,)))
    assert {pair.name.subject for pair in pairing.pairs} == {"02"}
    assert len(pairing.pairs) == 4


def test_a_participant_who_is_not_there_is_an_error(data_set):
    with pytest.raises(InputError, match="sub-09"):
        pairs_in_folder(data_set / "raw", data_set / "defaced", selection=Selection(participants=("01", "09")))


def test_a_filter_file_chooses_as_in_fmriprep(data_set, tmp_path):
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"t1w": {"datatype": "anat", "session": ["1"], "run": 2}, "bold": {"task": "rest"}}))
    chosen = Selection(bids_filter=read_bids_filter(file))
    pairing = pairs_in_folder(data_set / "raw", data_set / "defaced", selection=chosen)
    assert [pair.name.text for pair in pairing.pairs] == [
        "sub-01_ses-1_T2w",
        "sub-01_ses-1_run-2_T1w",
        "sub-02_ses-1_run-2_T1w",
    ]


def test_null_in_a_filter_means_that_the_entity_must_be_absent(tmp_path):
    make(tmp_path, *[f"sub-01_{acq}T1w{end}.nii.gz" for acq in ("acq-mprage_", "") for end in ("", "_defaced")])
    chosen = Selection(bids_filter=BidsFilter({"t1w": {"acq": (None,)}}))
    assert [pair.name.text for pair in pairs_in_folder(tmp_path, selection=chosen).pairs] == ["sub-01_T1w"]


@pytest.mark.parametrize("content", ["[]", "{", '{"t1w": {"sesion": "1"}}', '{"anatomy": {"session": "1"}}'])
def test_a_filter_nobody_understands_is_refused(tmp_path, content):
    file = tmp_path / "filter.json"
    file.write_text(content)
    with pytest.raises(InputError, match="filter"):
        read_bids_filter(file)


def test_the_method_is_read_from_the_sidecar_of_the_defaced_scan(tmp_path):
    make(tmp_path, "sub-01_T1w.nii.gz", "sub-01_desc-defaced_T1w.nii.gz")
    (tmp_path / "sub-01_desc-defaced_T1w.json").write_text(json.dumps({"DeidentificationMethod": ["pydeface 2.0"]}))
    assert pairs_in_folder(tmp_path).pairs[0].method == "pydeface 2.0"


# --- brain masks


def mask_of(data_set: Path, **options) -> str | None:
    pairs = pairs_in_folder(data_set / "raw", data_set / "defaced", **options).pairs
    found = next(pair.brain_mask for pair in pairs if pair.name.text == "sub-01_ses-1_run-1_T1w")
    return None if found is None else os.path.relpath(found, data_set)


MASK = "sub-01/ses-1/anat/sub-01_ses-1_run-1_desc-brain_mask.nii.gz"


def test_a_mask_in_the_derivatives_is_found_by_all_entities(data_set):
    assert mask_of(data_set) is None
    derivative = data_set / "raw" / "derivatives" / "fmriprep"
    make(derivative, MASK.replace("_run-1", "_run-2"), MASK.replace("_desc", "_space-MNI152NLin2009cAsym_desc"))
    assert mask_of(data_set) is None
    make(derivative, MASK)
    assert mask_of(data_set) == f"raw/derivatives/fmriprep/{MASK}"


def test_a_mask_of_the_t1w_is_not_given_to_the_t2w(data_set):
    make(data_set / "raw" / "derivatives" / "x", "sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz")
    pairs = pairs_in_folder(data_set / "raw", data_set / "defaced").pairs
    assert next(pair for pair in pairs if pair.name.modality == "T2w").brain_mask is None


def test_masks_of_two_derivatives_are_an_error_until_one_is_named(data_set):
    for name in ("fmriprep", "deepbet"):
        make(data_set / "raw" / "derivatives" / name, MASK)
    with pytest.raises(InputError, match=r"deepbet.*fmriprep.*--brain-mask-dir"):
        mask_of(data_set)
    named = data_set / "raw" / "derivatives" / "deepbet"
    assert mask_of(data_set, brain_mask_folder=named) == f"raw/derivatives/deepbet/{MASK}"


def test_masks_of_a_plain_tree_are_found_by_relative_path(tmp_path):
    make(tmp_path, "o/s/a.nii.gz", "d/s/a.nii.gz", "m/s/a_brainmask.nii.gz")
    (pair,) = pairs_in_folder(tmp_path / "o", tmp_path / "d", brain_mask_folder=tmp_path / "m").pairs
    assert pair.brain_mask == str(tmp_path / "m" / "s" / "a_brainmask.nii.gz")


def test_a_folder_of_masks_that_is_not_there_is_refused(data_set):
    with pytest.raises(InputError, match="brain masks"):
        mask_of(data_set, brain_mask_folder=data_set / "absent")


def test_the_order_of_listing_changes_nothing(data_set):
    pairs = pairs_in_folder(data_set / "raw", data_set / "defaced").pairs
    assert list(pairs) == sorted(pairs, key=lambda pair: pair.name)
