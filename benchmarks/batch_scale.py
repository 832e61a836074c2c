"""What ``defaceqa batch`` costs beside the judging: finding pairs, handing out tasks, writing records and the table.

python benchmarks/batch_scale.py [--subjects 10000]

Files are empty and the judge answers at once, so that what is left is the machinery; its cost per scan is then carried
to a million.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from defaceqa.batch import Settings, Workers, open_gate, run_batch, write_group
from defaceqa.datasets import pairs_in_folder
from defaceqa.features.table import FEATURES


class Answer:
    """A record as large as a real one."""

    def as_dict(self) -> dict[str, object]:
        """As of an assessment."""
        words = ["both eyes, nose and mouth are gone", "the brain is whole (0.1 mL removed at its rim)"]
        return {
            "verdict": "pass",
            "face": {"verdict": "pass", "probability": 0.0123456789, "criterion": "lenient"},
            "brain": {"verdict": "pass", "judged": True, "largest_piece_ml": 0.1, "depth_mm": 1.0},
            "reasons": words,
            "features": dict.fromkeys(FEATURES, 0.12345678901234567),
            "undefined": {},
            "flags": [],
            "model": {"name": "lenient", "version": "1", "sha256": "0" * 64},
        }


def judge(_pair, _settings, _evidence):
    """At once."""
    return Answer()


def main() -> None:
    """Print each step's time and what a million would take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10_000)
    number = parser.parse_args().subjects
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for subject in range(number):
            for tree in ("raw", "defaced"):
                file = root / tree / f"sub-{subject:07d}" / "anat" / f"sub-{subject:07d}_T1w.nii.gz"
                file.parent.mkdir(parents=True)
                file.touch()
        before = peak_mb()
        pairing = step("finding pairs", number, lambda: pairs_in_folder(root / "raw", root / "defaced"))
        print(f"  memory for it: {(peak_mb() - before) * 1000 / number:.2f} kB per pair")
        options = {"originals": root / "raw", "defaced": root / "defaced"}
        out = root / "out"
        step("judging nothing, 2 workers", number,
             lambda: run_batch(pairing, out, Settings(), Workers(2), judge=judge, **options))  # fmt: skip
        step("the same again, all kept", number,
             lambda: run_batch(pairing, out, Settings(), Workers(2), judge=judge, **options))  # fmt: skip
        step("the table alone", number, lambda: write_group(pairing, out, **options))
        step("the gate", number, lambda: open_gate(out / "group_T1w.tsv", each=False))
        size = (out / "group_T1w.tsv").stat().st_size
        print(f"table: {size / number:.0f} bytes per scan; record: {record_size(out):.0f} bytes")
        print(f"largest memory of this process: {peak_mb():.0f} MB")


def step(what: str, number: int, action):
    """Do it and say how long it took."""
    start, busy = time.monotonic(), time.process_time()
    result = action()
    seconds, busy = time.monotonic() - start, time.process_time() - busy
    print(f"{what}: {1000 * seconds / number:.2f} ms per scan, {1000 * busy / number:.2f} ms of it at work here; "
          f"a million: {seconds / number * 1e6 / 60:.0f} min", flush=True)  # fmt: skip
    return result


def record_size(out: Path) -> float:
    """Of one."""
    return next(out.glob("sub-*/anat/*_T1w.json")).stat().st_size


def peak_mb() -> float:
    """Largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
