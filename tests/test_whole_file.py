"""Files that are there whole or not at all: what is left after a failure, who may read them, who may write at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from defaceqa.whole_file import replacing, write_file


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture(params=[False, True], ids=["passing", "lasting"])
def lasting(request):
    return request.param


@pytest.mark.parametrize(("content", "data"), [("Größe\n", "Größe\n".encode()), ("a\r\nb", b"a\r\nb"), (b"\0", b"\0")])
def test_text_is_utf_8_with_its_own_line_ends_and_bytes_are_bytes(tmp_path, content, data):
    write_file(content, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == data


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path, lasting):
    file = tmp_path / "a.tsv"
    file.write_text("old")
    with replacing(file, lasting=lasting) as partial:
        partial.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert names(tmp_path) == ["a.tsv"]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, lasting):
    file = tmp_path / "a.tsv"
    file.write_text("old")

    def write_half() -> None:
        with replacing(file, lasting=lasting) as partial:
            partial.write_text("ne")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        write_half()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.tsv"]


def test_a_private_file_is_its_owners_alone_before_a_byte_is_in_it(tmp_path):
    file = tmp_path / "face.png"
    file.touch(mode=0o666)
    with replacing(file, private=True) as partial:
        assert (mode(partial), partial.stat().st_size) == (0o600, 0)
        partial.write_bytes(b"face")
    assert mode(file) == 0o600
    write_file(b"face", tmp_path / "other.png", private=True)
    assert mode(tmp_path / "other.png") == 0o600


def test_any_other_file_is_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_file("text", tmp_path / "a")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o640


def test_what_a_killed_writer_left_is_written_over_and_its_mode_forgotten(tmp_path, lasting):
    file = tmp_path / "a.html"
    with replacing(file, lasting=lasting) as partial:
        left = partial
    left.write_text("half of a page that was public")
    left.chmod(0o666)
    with replacing(file, private=True, lasting=lasting) as partial:
        assert (partial, mode(partial), partial.read_text()) == (left, 0o600, "")
        partial.write_text("face")
    assert (mode(file), names(tmp_path)) == (0o600, ["a.html"])


def test_a_link_in_the_way_is_not_followed(tmp_path, lasting):
    victim, file = tmp_path / "victim", tmp_path / "a"
    victim.write_text("mine")
    with replacing(file, lasting=lasting) as partial:
        place = partial
    place.symlink_to(victim)
    with replacing(file, lasting=lasting) as partial:
        partial.write_text("new")
    assert (victim.read_text(), file.read_text()) == ("mine", "new")


def test_two_processes_do_not_share_a_name_unless_the_file_is_lasting(tmp_path, monkeypatch):
    def name(process: int, *, lasting: bool) -> str:
        monkeypatch.setattr(os, "getpid", lambda: process)
        with replacing(tmp_path / "a.nii.gz", lasting=lasting) as partial:
            return partial.name

    assert name(1, lasting=False) != name(2, lasting=False)
    assert name(1, lasting=True) == name(2, lasting=True)
    assert name(1, lasting=False).endswith(".nii.gz"), "libraries choose the format by the ending"


def test_a_lasting_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch, lasting):
    file, synced = tmp_path / "a", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append((os.fstat(descriptor).st_size, file.exists())))
    with replacing(file, lasting=lasting) as partial:
        partial.write_text("four")
    assert synced == ([(4, False)] if lasting else [])


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_file("text", tmp_path / "no" / "a")
    assert names(tmp_path) == []
