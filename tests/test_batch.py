"""Many pairs into one folder: layout, resuming, faults, and what another run may not do."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from quick_judge import deadly_judge, drawn_judge, quick_judge, slow_judge

from defaceqa.batch import Pages, Settings, Workers, judge_pairs, run, run_batch, write_group
from defaceqa.batch.cluster import ONE_CORE, _window, connected
from defaceqa.batch.folder import locked
from defaceqa.batch.record import record_path
from defaceqa.batch.task import assess_pair, perform
from defaceqa.cli import commands
from defaceqa.datasets import PairFiles, pairs_in_folder
from defaceqa.datasets.scan_name import scan_name
from defaceqa.errors import ClusterError, OutputError
from defaceqa.report import is_drawn

VERDICTS = ("pass", "review", "fail", "pass", "bad", "pass")


def data_set(root: Path, verdicts=VERDICTS) -> Path:
    """Text files in the place of images: two trees in BIDS form, subjects 01, 02 ..."""
    for number, verdict in enumerate(verdicts, start=1):
        for tree, text in (("raw", "original"), ("defaced", verdict)):
            file = root / tree / f"sub-{number:02d}" / "anat" / f"sub-{number:02d}_T1w.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text} {number}")
    return root


def pairing_of(root: Path):
    return pairs_in_folder(root / "raw", root / "defaced")


def go(root: Path, out: Path, settings: Settings | None = None, **options):
    """A run with the quick judge."""
    options = {"judge": quick_judge, "originals": root / "raw", "defaced": root / "defaced"} | options
    return run_batch(pairing_of(root), out, settings or Settings(), Workers(2), **options)


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("defaceqa.batch.folder.PATIENCE_SECONDS", 0.5)


@pytest.fixture
def here(monkeypatch):
    """Work in this process, one pair after the other, where the engine is not what is tested."""
    monkeypatch.setattr(run, "connected", lambda workers: nullcontext())
    monkeypatch.setattr(run, "performed", lambda client, tasks: map(perform, tasks))


# --- layout


def test_the_folder_is_laid_out_as_a_bids_derivative(tmp_path, here):
    go(data_set(tmp_path), tmp_path / "out")
    assert set(files(tmp_path / "out")) == {
        ".bidsignore",
        ".defaceqa/description.lock",
        ".defaceqa/run.lock",
        "dataset_description.json",
        "group_T1w.json",
        "group_T1w.tsv",
        "unpaired.tsv",
        *(f"sub-0{number}/anat/sub-0{number}_desc-defaceqa_T1w.json" for number in range(1, 7)),
    }
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "DefaceQA"


def test_sessions_runs_and_an_old_desc_stay_in_the_name_of_the_record():
    name = scan_name({"sub": "01", "run": "2", "ses": "a", "desc": "preproc"}, "T2w")
    assert str(record_path(name)) == "sub-01/ses-a/anat/sub-01_ses-a_run-2_desc-preprocdefaceqa_T2w.json"


def test_every_pair_is_a_row_and_a_bad_one_a_row_with_its_error(tmp_path, here):
    counts = go(data_set(tmp_path), tmp_path / "out")
    table = rows(tmp_path / "out" / "group_T1w.tsv")
    assert [row["bids_name"] for row in table] == [f"sub-0{number}_T1w" for number in range(1, 7)]
    assert [row["verdict"] for row in table] == ["pass", "review", "fail", "pass", "n/a", "pass"]
    assert table[4]["error"] == "sub-05_T1w.nii.gz is truncated; copy it again."
    assert {row["error"] for row in table if row["verdict"] != "n/a"} == {"n/a"}
    assert counts.verdicts == {"pass": 3, "review": 1, "fail": 1, "not judged": 1}
    assert not counts.complete


def test_an_error_nobody_foresaw_is_one_row_too(tmp_path, here):
    go(data_set(tmp_path, ("bug", "pass")), tmp_path / "out")
    first, second = rows(tmp_path / "out" / "group_T1w.tsv")
    assert "ZeroDivisionError" in first["error"]
    assert second["verdict"] == "pass"


def test_the_data_dictionary_describes_every_column(tmp_path, here):
    go(data_set(tmp_path), tmp_path / "out")
    described = json.loads((tmp_path / "out" / "group_T1w.json").read_text())
    assert list(described) == list(rows(tmp_path / "out" / "group_T1w.tsv")[0])
    assert all(column["Description"] for column in described.values())
    assert described["residual_nose"]["Units"] == "1"


def test_each_modality_has_a_table_and_unpaired_scans_are_listed_and_never_waved_through(tmp_path, here):
    root = data_set(tmp_path)
    both, only_defaced, only_original = "sub-01_T2w", "sub-02_T2w", "sub-03_T2w"
    for tree, name in (("raw", both), ("defaced", both), ("defaced", only_defaced), ("raw", only_original)):
        (root / tree / name[:6] / "anat" / f"{name}.nii.gz").write_text("pass")
    counts = go(root, tmp_path / "out")
    assert counts.tables == ("group_T1w.tsv", "group_T2w.tsv")
    table = rows(tmp_path / "out" / "group_T2w.tsv")
    assert [(row["bids_name"], row["verdict"]) for row in table] == [("sub-01_T2w", "pass"), ("sub-02_T2w", "n/a")]
    assert "no original" in table[1]["error"]
    assert [(row["file"], row["role"]) for row in rows(tmp_path / "out" / "unpaired.tsv")] == [
        ("sub-02/anat/sub-02_T2w.nii.gz", "defaced"),
        ("sub-03/anat/sub-03_T2w.nii.gz", "original"),
    ]


def test_nothing_written_tells_where_the_data_lie_or_when(tmp_path, here):
    go(data_set(tmp_path), tmp_path / "out")
    for name, content in files(tmp_path / "out").items():
        assert str(tmp_path).encode() not in content, name
        assert time.strftime("%Y-").encode() not in content, name


# --- levels


def test_participants_may_be_judged_apart_and_the_group_says_who_is_missing(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "out"
    some = pairing_of(root).pairs[:2]
    tally = judge_pairs(
        type(pairing_of(root))(some), out, Settings(), Workers(1), originals=root / "raw", defaced=root / "defaced",
        only=("01", "02"), judge=quick_judge,
    )  # fmt: skip
    assert (tally.done, tally.errors) == (2, 0)
    assert not (out / "group_T1w.tsv").exists()
    counts = write_group(pairing_of(root), out)
    assert counts.verdicts == {"pass": 1, "review": 1, "fail": 0, "not judged": 4}
    assert "run the participant level" in rows(out / "group_T1w.tsv")[5]["error"]


# --- resuming


def test_a_second_run_keeps_everything_and_changes_no_byte(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "out"
    go(root, out)
    before = files(out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("sub-0[12346]*.json")}
    told = []
    go(root, out, told=told.append)
    assert files(out) == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert (told[-1].kept, told[-1].errors) == (5, 1)


@pytest.mark.parametrize("change", ["defaced", "original", "criterion", "method", "record"])
def test_whatever_a_record_rests_on_makes_it_anew_when_it_changes(tmp_path, here, change):
    root, out = data_set(tmp_path), tmp_path / "out"
    go(root, out)
    settings, expected = Settings(), 4
    if change == "defaced":
        (root / "defaced/sub-01/anat/sub-01_T1w.nii.gz").write_text("fail now")
    elif change == "original":
        (root / "raw/sub-01/anat/sub-01_T1w.nii.gz").write_text("another")
    elif change == "record":
        (out / "sub-01/anat/sub-01_desc-defaceqa_T1w.json").write_text('{"verdict": "pa')
    else:
        settings, expected = Settings(**{change: {"criterion": "strict", "method": "pydeface"}[change]}), 0
    told = []
    go(root, out, settings, told=told.append)
    assert told[-1].kept == expected


def test_a_file_that_is_only_touched_is_not_judged_again(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "out"
    go(root, out)
    os.utime(root / "defaced/sub-01/anat/sub-01_T1w.nii.gz", (0, 0))
    told = []
    go(root, out, told=told.append)
    assert told[-1].kept == 5


def test_a_repaired_file_replaces_its_error(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "out"
    go(root, out)
    (root / "defaced/sub-05/anat/sub-05_T1w.nii.gz").write_text("pass 5")
    assert go(root, out).complete
    assert rows(out / "group_T1w.tsv")[4]["error"] == "n/a"


# --- places that are refused


@pytest.mark.parametrize("place", ["defaced", "defaced/derivatives/qa", "raw", "defaced/sub-01/anat/qa"])
def test_nothing_is_written_into_the_defaced_data_or_over_the_originals(tmp_path, here, place):
    root = data_set(tmp_path)
    before = files(root)
    with pytest.raises(OutputError, match="hoose"):
        go(root, root / place)
    assert files(root) == before


def test_a_table_does_not_open_a_way_into_the_released_data_set(tmp_path, here):
    root = data_set(tmp_path)
    (root / "defaced" / "dataset_description.json").write_text("{}")
    with pytest.raises(OutputError, match="to be released"):
        go(root, root / "defaced" / "derivatives" / "qa", originals=None, defaced=None)


def test_a_derivative_of_the_originals_is_a_good_place(tmp_path, here):
    root = data_set(tmp_path, ("pass",))
    assert go(root, root / "raw" / "derivatives" / "defaceqa").complete
    assert go(root, root / "raw" / "derivatives" / "defaceqa").complete


def test_the_folder_of_another_program_is_left_alone(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "fmriprep"
    out.mkdir()
    (out / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    with pytest.raises(OutputError, match="did not make"):
        go(root, out)


# --- faults


@contextmanager
def largest_file(size: int):
    """No file may grow beyond: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@contextmanager
def mounted(place: Path, options: str):
    """A small file system in memory, where the tests run as root and may mount."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs the command mount")
    if done.returncode != 0:
        pytest.skip(f"needs to mount a tmpfs: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_table_too_large_for_the_disk_leaves_the_old_one_whole(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "out"
    go(root, out)
    before = files(out)
    (root / "defaced/sub-05/anat/sub-05_T1w.nii.gz").write_text("pass 5")
    with largest_file(len(before["group_T1w.tsv"]) - 100), pytest.raises(OutputError, match="no space left"):
        go(root, out)
    assert {name for name in files(out) if "partial" in name} == set()
    assert files(out)["group_T1w.tsv"] == before["group_T1w.tsv"]
    assert go(root, out).complete


def test_a_full_disk_is_said_in_one_line_and_the_run_goes_on_elsewhen(tmp_path, here):
    root, out = data_set(tmp_path, ("pass",) * 40), tmp_path / "full"
    with mounted(out, "size=64k"):
        with pytest.raises(OutputError, match="no space left for full"):
            go(root, out)
        written = list(out.rglob("sub-*.json"))
        assert written
        assert all(json.loads(path.read_text())["verdict"] == "pass" for path in written)
        assert not list(out.rglob("*.partial"))
        subprocess.run(["mount", "-o", "remount,size=2m", str(out)], check=True)
        told = []
        assert go(root, out, told=told.append).complete
        assert told[-1].kept == len(written)
        go(root, tmp_path / "calm")
        assert files(out) == files(tmp_path / "calm")


def test_a_read_only_folder_is_said_in_one_line(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "fixed"
    with mounted(out, "ro,size=64k"), pytest.raises(OutputError, match="fixed cannot be written"):
        go(root, out)


HOLD = """
import sys, time
from pathlib import Path
from defaceqa.batch.folder import locked
with locked(Path(sys.argv[1]), sys.argv[2:]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_run(out: Path, *subjects: str):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out), *subjects], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.kill()
        process.communicate()


def test_two_runs_into_one_folder_are_refused_and_a_killed_one_holds_nothing(tmp_path, here):
    root, out = data_set(tmp_path), tmp_path / "out"
    with another_run(out), pytest.raises(OutputError, match="Another run is writing into out"):
        go(root, out)
    assert not list(out.rglob("*.json"))
    assert go(root, out).verdicts["pass"] == 3


def test_runs_over_different_participants_go_side_by_side_and_over_the_same_do_not(tmp_path):
    out = tmp_path / "out"
    with another_run(out, "01", "02"):
        with locked(out, ["03"]):
            pass
        with pytest.raises(OutputError, match="Another run"), locked(out, ["02"]):
            pass
        with pytest.raises(OutputError, match="Another run"), locked(out):
            pass
    with another_run(out), pytest.raises(OutputError, match="Another run"), locked(out, ["03"]):
        pass


def test_a_job_array_that_starts_all_at_once_gets_along(tmp_path, here):
    root, out = data_set(tmp_path, ("pass",) * 4), tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; from quick_judge import quick_judge\n"
        "from contextlib import nullcontext\n"
        "from defaceqa.batch import run, Settings, Workers\n"
        "from defaceqa.batch.task import perform\n"
        "from defaceqa.datasets import Selection, pairs_in_folder\n"
        "run.connected = lambda workers: nullcontext(); run.performed = lambda client, tasks: map(perform, tasks)\n"
        "root, who = Path(sys.argv[1]), sys.argv[2:]\n"
        "pairing = pairs_in_folder(root / 'raw', root / 'defaced', selection=Selection(tuple(who)))\n"
        "run.judge_pairs(pairing, root / 'out', Settings(), Workers(1), only=who, judge=quick_judge)\n"
    )
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", code, str(root)]
    jobs = [subprocess.Popen([*command, f"{number:02d}"], env=variables) for number in range(1, 5)]
    assert [job.wait(timeout=120) for job in jobs] == [0] * 4
    assert write_group(pairing_of(root), out).complete


# --- the engine


def test_a_killed_worker_costs_nothing_and_a_deadly_scan_only_itself(tmp_path, monkeypatch):
    root, out, trace = data_set(tmp_path, ("pass",) * 12), tmp_path / "out", tmp_path / "trace"
    trace.mkdir()
    monkeypatch.setenv("DEFACEQA_TEST_TRACE", str(trace))
    told = []
    counts = go(root, out, judge=deadly_judge, told=told.append)
    assert len(list(trace.glob("sub-03_T1w.*"))) >= 2
    assert counts.verdicts == {"pass": 11, "review": 0, "fail": 0, "not judged": 1}
    assert sorted(tally.name for tally in told) == [f"sub-{number:02d}_T1w" for number in range(1, 13)]
    assert "died" in rows(out / "group_T1w.tsv")[4]["error"]
    assert len(list(out.rglob("*_desc-defaceqa_T1w.json"))) == 12


def test_workers_are_spawned_with_a_core_each_and_a_cluster_elsewhere_does_the_same(tmp_path):
    root = data_set(tmp_path, ("pass",) * 3)
    with connected(Workers(1)) as client:
        assert _window(client) >= 3
        (env,) = client.run(environment).values()
        assert ONE_CORE.items() <= env.items()
        address = client.scheduler.address
        counts = run_batch(
            pairing_of(root), tmp_path / "out", Settings(), Workers(scheduler=address), judge=quick_judge
        )
    assert counts.complete


def test_a_scheduler_that_does_not_answer_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("defaceqa.batch.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match="No Dask scheduler answers at tcp"):
        run_batch(pairing_of(data_set(tmp_path)), tmp_path / "out", Settings(), Workers(scheduler="tcp://127.0.0.1:9"))


def environment() -> dict[str, str]:
    """Of the process that asks."""
    return dict(os.environ)


def test_a_scheduler_that_dies_is_said_in_one_line_and_nothing_is_lost(tmp_path, monkeypatch):
    root, out, trace = data_set(tmp_path, ("pass",) * 24), tmp_path / "out", tmp_path / "trace"
    trace.mkdir()
    monkeypatch.setenv("DEFACEQA_TEST_TRACE", str(trace))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    module, file = [sys.executable, "-m"], tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0", "--scheduler-file", str(file)]
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    worker = [*module, "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny"]
    started = [subprocess.Popen([*module, "distributed.cli.dask_scheduler", *options], **quiet)]
    try:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().rstrip().endswith("}")) and time.monotonic() < deadline:
            time.sleep(0.05)
        started.append(subprocess.Popen(worker, **quiet))
        workers = Workers(scheduler=json.loads(file.read_text())["address"])

        def kill(tally):
            if tally.done == 5:
                started[0].kill()

        with pytest.raises(ClusterError, match="connection to the scheduler was lost"):
            run_batch(pairing_of(root), out, Settings(), workers, judge=slow_judge, told=kill)
    finally:
        for process in started:
            process.kill()
            process.wait()
    written = [json.loads(path.read_text()) for path in out.rglob("sub-*.json")]
    assert 5 <= len(written) < 24
    assert {record["verdict"] for record in written} == {"pass"}


RUN = """
import sys
from pathlib import Path
import quick_judge
from defaceqa.batch import Pages, Settings, Workers, run_batch
from defaceqa.datasets import pairs_in_folder
from defaceqa.errors import DefaceQAError

if __name__ == "__main__":
    root = Path(sys.argv[1])
    try:
        pairing = pairs_in_folder(root / "raw", root / "defaced")
        pages = Pages() if sys.argv[3] == "pages" else None
        run_batch(pairing, root / "out", Settings(), Workers(2), pages=pages, judge=getattr(quick_judge, sys.argv[2]))
    except DefaceQAError as error:
        sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("signal_number", "pages"), [(signal.SIGTERM, None), (signal.SIGKILL, None), (signal.SIGKILL, Pages())]
)
def test_a_run_that_is_stopped_continues_to_the_same_bytes(tmp_path, here, signal_number, pages):
    count = 16 if pages else 40
    root, out = data_set(tmp_path, ("pass", "fail") * (count // 2)), tmp_path / "out"
    script, trace = tmp_path / "go.py", tmp_path / "trace"
    script.write_text(RUN)
    trace.mkdir()
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        "DEFACEQA_TEST_TRACE": str(trace),
    }
    judges = ("slow_drawn_judge", "pages") if pages else ("slow_judge", "no pages")
    command = [sys.executable, str(script), str(root), *judges]
    process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.rglob("sub-*.json"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal_number)
    _, said = process.communicate(timeout=60)
    done = len(list(out.rglob("sub-*.json")))
    assert 5 <= done < count
    assert process.returncode != 0
    if signal_number == signal.SIGTERM:
        assert said.strip().splitlines()[-1].startswith("Stopped; results written so far are whole")
        assert "Traceback" not in said
    told, how = [], {"pages": pages, "judge": drawn_judge if pages else quick_judge}
    go(root, out, told=told.append, **how)
    assert told[-1].kept == done
    go(root, tmp_path / "calm" / "out", **how)
    assert files(out) == files(tmp_path / "calm" / "out")
    wait_for_the_end_of(trace)


def wait_for_the_end_of(trace: Path) -> None:
    """The workers of a killed run end by themselves."""
    workers = {int(file.name.rpartition(".")[2]) for file in trace.iterdir()}
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


# --- the whole, with the real judge and the command line


def defaceqa(*arguments):
    command = [sys.executable, "-m", "defaceqa", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_real_heads_from_the_command_line(tmp_path):
    """One head with its mask, one file cut off in the middle; numbers as from a judgement of the pair alone."""
    from defaceqa.assessment import assess
    from defaceqa.simulation.corpus import simulate_head
    from defaceqa.simulation.phantom import synthetic_head
    from defaceqa.volumes import save_volume

    head = synthetic_head(2.0)
    made = next(simulate_head(head.volume, head.landmarks_mm, head.brain, ["plate_clean"], 1))
    raw, clean = tmp_path / "raw", tmp_path / "clean"
    place = {tree: tree / "sub-01" / "anat" for tree in (raw, clean, raw / "derivatives" / "masks")}
    for folder in place.values():
        folder.mkdir(parents=True)
    original, defaced = place[raw] / "sub-01_T1w.nii.gz", place[clean] / "sub-01_T1w.nii.gz"
    mask = place[raw / "derivatives" / "masks"] / "sub-01_desc-brain_mask.nii.gz"
    save_volume(head.volume, original)
    save_volume(head.brain, mask, affine=head.volume.affine)
    save_volume(made.defaced, defaced)
    for tree in (raw, clean):
        content = (place[tree] / "sub-01_T1w.nii.gz").read_bytes()
        other = tree / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
        other.parent.mkdir(parents=True)
        other.write_bytes(content if tree == raw else content[: len(content) // 2])

    arguments = ("bids", raw, tmp_path / "out", "participant", "--defaced-dir", clean, "--workers", "1")
    done = defaceqa(*arguments, "--html", "--participant-label", "01", "sub-02")
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith("2 scans: 0 were done before, 1 could not be judged")
    assert "sub-02_T1w could not be judged: sub-02_T1w.nii.gz cannot be read to its end" in done.stderr
    assert "\x1b" not in done.stderr
    record = json.loads((tmp_path / "out/sub-01/anat/sub-01_desc-defaceqa_T1w.json").read_text())
    alone = assess(original, defaced, brain_mask=mask).as_dict()
    assert record["verdict"] == "pass"
    assert {key: record[key] for key in alone} == alone
    again = defaceqa("bids", raw, tmp_path / "out", "group", "--defaced-dir", clean, "--html", "--with-faces")
    assert again.returncode == 2
    assert again.stdout.splitlines()[0] == "2 scans: 1 pass, 0 review, 0 fail, 1 not judged"
    assert again.stdout.splitlines()[-1].endswith("group_T1w.html")
    assert "show people's faces" in again.stderr
    assert is_drawn(record, tmp_path / "out", "sub-01_T1w", with_faces=False)
    assert stat.S_IMODE((tmp_path / "out" / "group_T1w.html").stat().st_mode) == 0o600


def test_a_mask_that_pairing_did_not_name_is_not_used_although_it_lies_in_the_data_set(tmp_path):
    from defaceqa.datasets.brain_masks import mask_beside
    from defaceqa.simulation.phantom import synthetic_head
    from defaceqa.volumes import save_volume

    head = synthetic_head(2.0)
    original = tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    mask = tmp_path / "derivatives" / "masks" / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
    for file in (original, mask):
        file.parent.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    save_volume(head.volume, original)
    save_volume(head.brain, mask, affine=head.volume.affine)
    pair = PairFiles(str(original), str(original), scan_name({"sub": "01"}, "T1w"))
    assert mask_beside(original) == mask
    assert assess_pair(pair, Settings()).as_dict()["brain"]["mask"] == "mean head"


def test_participant_labels_are_taken_in_a_row_or_one_by_one():
    command = commands.commands["bids"]
    for words in (["--participant-label", "01", "02"], ["--participant_label", "01", "--participant_label=02"]):
        context = command.make_context("bids", ["raw", "out", "participant", *words, "--workers", "1"])
        assert context.params["participant_label"] == ("01", "02")
        assert (context.params["levels"], context.params["workers"]) == (("participant",), 1)


def test_options_that_mean_nothing_for_a_table_are_refused(tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text("original\tdefaced\na.nii\tb.nii\n")
    done = defaceqa("batch", table, "--out", tmp_path / "out", "--defaced-dir", tmp_path)
    assert done.returncode == 2
    assert "a table names its own files" in done.stderr
    assert not (tmp_path / "out").exists()


def test_only_the_engine_imports_dask(repository):
    imports = re.compile(r"^ *(import|from) (dask|distributed)", re.MULTILINE)
    importers = [file.name for file in (repository / "defaceqa").rglob("*.py") if imports.search(file.read_text())]
    assert importers == ["cluster.py"]
