"""Time and memory of ``defaceqa predict`` against the plain recipe, whole processes, on one pair.

    python compare_plain_recipe.py [ORIGINAL DEFACED] [--cube] [--same-size] [--plain-python PYTHON | --only-defaceqa]

Imports nothing heavy: a process starts out with its parent's memory counted as its own peak.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
JUDGED = (0, 1, 3)
"""Exit codes of ``defaceqa predict`` that come with a verdict."""

MEGABYTE = 1e6
MEMORY_LIMIT_MB = 2000
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    peak_mb: float


def run(command: list[str], accepted: tuple[int, ...] = (0,)) -> Run:
    """Run a command to its end; stop here with its message when it fails."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in accepted:
            output.seek(0)
            sys.exit(f"{' '.join(command)}\nended with code {process.returncode}:\n{output.read()[-2000:]}")
    return Run(seconds, usage.ru_maxrss * RSS_UNIT / MEGABYTE)


def environment() -> dict[str, str]:
    """Without a display both programs are told to draw through EGL."""
    headless = sys.platform == "linux" and "DISPLAY" not in os.environ
    return {**({"VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow"} if headless else {}), **os.environ}


def plain_environment() -> str:
    """Python with the packages of the plain recipe, installed once into the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "defaceqa" / "plain-recipe"
    python = str(folder / "bin" / "python")
    if not (folder / "complete").exists():
        print(f"installing the plain recipe's packages into {folder} (about 1 GB) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        packages = [
            "--only-binary=:all:",
            "--no-binary=phasepack",
            "--requirement",
            str(HERE / "plain_requirements.txt"),
        ]
        run([python, "-m", "pip", "install", "--quiet", *packages])
        (folder / "complete").touch()
    return python


def prepared_pair(folder: Path, given: list[str], *, cube: bool) -> list[str]:
    """Give the pair to measure with, written to `folder` when it is not simply the given one."""
    if given and not cube:
        return given
    run([sys.executable, str(HERE / "example_pair.py"), str(folder), *given, *(["--cube"] if cube else [])])
    return [str(folder / name) for name in ("original.nii.gz", "defaced.nii.gz")]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", nargs="*", metavar="ORIGINAL DEFACED", help="default: the synthetic head, 1 mm")
    parser.add_argument("--plain-python", help="a Python with plain_requirements.txt; default: install one")
    parser.add_argument("--only-defaceqa", action="store_true", help="leave the plain recipe out")
    parser.add_argument("--defaceqa", default=str(Path(sys.executable).with_name("defaceqa")))
    parser.add_argument("--same-size", action="store_true", help="give the plain recipe DefaceQA's picture size")
    parser.add_argument("--cube", action="store_true", help="bring the pair to 256 x 256 x 256 voxels first")
    options = parser.parse_args()
    if len(options.pair) not in (0, 2):
        parser.error("give two files, original and defaced, or none")
    return options


def plain_run(pair: list[str], options: argparse.Namespace) -> Run:
    """Run the plain recipe."""
    python = options.plain_python or plain_environment()
    return run([python, str(HERE / "plain_recipe.py"), *pair, *(["--same-size"] if options.same_size else [])])


def report(plain: Run | None, ours: Run) -> None:
    """Print both, and the ratio."""
    print(f"{'':18}{'time':>10}{'peak memory':>15}")
    rows = {"plain recipe": plain, "defaceqa predict": ours}
    for name, measured in rows.items():
        if measured:
            print(f"{name:18}{measured.seconds:8.2f} s{measured.peak_mb:12.0f} MB")
    if plain:
        print(f"{'ratio':18}{plain.seconds / ours.seconds:8.1f} x{plain.peak_mb / ours.peak_mb:12.1f} x")
    verdict = "below" if ours.peak_mb < MEMORY_LIMIT_MB else "ABOVE"
    print(f"defaceqa's peak memory is {verdict} {MEMORY_LIMIT_MB} MB")


def main() -> None:
    """Measure both on one pair."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        pair = prepared_pair(Path(folder), options.pair, cube=options.cube)
        print(f"{os.cpu_count()} cores; {' and '.join(Path(name).name for name in pair)}", flush=True)
        plain = None if options.only_defaceqa else plain_run(pair, options)
        ours = run([options.defaceqa, "predict", *pair, "--json", "-"], accepted=JUDGED)
    report(plain, ours)


if __name__ == "__main__":
    main()
