"""Throughput of ``defaceqa batch``: one worker against two, memory over the run, and what many scans would take.

python benchmarks/batch_throughput.py HEADS [--pairs 200] [--work FOLDER]

HEADS is a folder of real heads with a table ``heads.tsv`` (columns file, brain_mask).
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from defaceqa.batch import Settings, Tally, Workers, run_batch
from defaceqa.datasets import Pairing, pairs_in_folder
from defaceqa.volumes import load_mask, load_volume, save_volume

MARGINS_MM = (4.0, 25.0)
"""Two defacings of each head: a plane before the brain, and one so far in front that the face stays."""

ALONE = 12
"""Pairs for one worker, before and after the long run with two."""


def make_pairs(heads: Path, work: Path, number: int) -> Pairing:
    """A BIDS data set and its defaced tree, made once."""
    with (heads / "heads.tsv").open() as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["file"].startswith("ixi/")]
    for place in range(number):
        row, margin_mm = rows[place // 2 % len(rows)], MARGINS_MM[place % 2]
        name = f"sub-{row['id']}_run-{place % 2 + 1}"
        files = [work / tree / f"sub-{row['id']}" / "anat" / f"{name}_T1w.nii.gz" for tree in ("raw", "defaced")]
        mask = work / "raw" / "derivatives" / "masks" / f"sub-{row['id']}" / "anat" / f"{name}_desc-brain_mask.nii.gz"
        if files[1].exists():
            continue
        volume = load_volume(heads / row["file"])
        brain = load_mask(heads / row["brain_mask"], volume)
        for file in (*files, mask):
            file.parent.mkdir(parents=True, exist_ok=True)
        save_volume(volume, files[0])
        save_volume(brain, mask, affine=volume.affine)
        save_volume(cut(volume.data, brain, volume.spacing_mm, margin_mm), files[1], affine=volume.affine)
    return pairs_in_folder(work / "raw", work / "defaced")


def cut(data, brain, spacing_mm, margin_mm):
    """Remove everything in front of a slanted plane that stays a margin before the brain."""
    _, y, z = np.indices(data.shape)
    slant = y * spacing_mm[1] - 0.5 * z * spacing_mm[2]
    defaced = data.copy()
    defaced[slant > slant[brain].max() + margin_mm] = 0
    return defaced


@dataclass
class Watch:
    """Resident memory and processor time of the processes this one has started, sampled while a run goes on."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    arrivals: list[float] = field(default_factory=list)
    running: bool = True

    def watch(self) -> None:
        """Until told to end."""
        while self.running:
            sizes = []
            for child in psutil.Process().children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss / 1e6)
                    self.cpu_seconds[child.pid] = sum(child.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue
            if sizes:
                self.samples.append((time.monotonic(), max(sizes)))
            time.sleep(1)

    def told(self, tally: Tally) -> None:
        """After every pair."""
        self.arrivals.append(time.monotonic())
        if tally.error:
            print(f"  {tally.name}: {tally.error}")


@dataclass
class Run:
    """Figures of one run."""

    workers: int
    scans: int
    per_minute: float
    cpu_seconds_per_scan: float
    memory: list[float]

    def __str__(self) -> str:
        quarters = ", ".join(f"{size:.0f}" for size in self.memory)
        return (
            f"{self.workers} worker(s), {self.scans} scans: {self.per_minute:.2f} scans per min, "
            f"{self.cpu_seconds_per_scan:.2f} s of processor per scan; largest worker, median MB by quarter: {quarters}"
        )


def timed(pairing: Pairing, out: Path, workers: int) -> Run:
    """Throughput between the first scan of each worker and the last of all, so without the starting of processes."""
    watch = Watch()
    thread = threading.Thread(target=watch.watch)
    thread.start()
    try:
        run_batch(pairing, out, Settings(), Workers(workers), told=watch.told)
    finally:
        watch.running = False
        thread.join()
    first, last = watch.arrivals[workers - 1], watch.arrivals[-1]
    inside = [size for moment, size in watch.samples if first <= moment <= last]
    memory = [statistics.median(part) for part in np.array_split(inside, 4) if len(part)]
    number = len(watch.arrivals)
    per_minute = (number - workers) / (last - first) * 60
    return Run(workers, number, per_minute, sum(watch.cpu_seconds.values()) / number, memory)


def project(run: Run) -> None:
    """Hours on so many cores that nobody else uses, from the processor time per scan."""
    for scans in (10_000, 1_000_000):
        hours = scans * run.cpu_seconds_per_scan / 3600
        on = ", ".join(f"{hours / cores:,.1f} h on {cores}" for cores in (2, 16, 128, 1024))
        print(f"{scans:,} scans: {hours:,.0f} core hours; {on} cores")


def main() -> None:
    """One worker, two, one again: what else the machine does meanwhile shows between the first and the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("heads", type=Path)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "defaceqa-batch-throughput")
    arguments = parser.parse_args()
    pairing = make_pairs(arguments.heads, arguments.work, arguments.pairs)
    print(f"{len(pairing.pairs)} pairs, {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}", flush=True)
    few = Pairing(pairing.pairs[:ALONE])
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, (some, workers) in enumerate(((few, 1), (pairing, 2), (few, 1))):
            runs.append(timed(some, Path(scratch) / str(number), workers))
            print(f"{runs[-1]}; load {os.getloadavg()[0]:.1f}", flush=True)
    one = statistics.mean([runs[0].per_minute, runs[2].per_minute])
    print(f"two workers / one worker: {runs[1].per_minute / one:.2f}")
    print(f"memory, last quarter / first: {runs[1].memory[-1] / runs[1].memory[0]:.2f}")
    project(runs[1])


if __name__ == "__main__":
    main()
