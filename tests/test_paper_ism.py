"""The feature set ``paper-ism`` against the package it reproduces.

The small golden file holds the package's own output, so that every run compares. With the variable DEFACEQA_PAPER_ENV
the package itself is run on renders: set it to a Python that has the package, or to ``build`` to install one (in the
user's cache folder, once, about 500 MB).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pictures
import pytest

from defaceqa.errors import InputError
from defaceqa.features import paper_ism
from defaceqa.features.extract import working_pair
from defaceqa.renders import camera_focus_mm, render_views
from defaceqa.simulation.phantom import synthetic_head
from defaceqa.surfaces import skin_surface
from defaceqa.volumes import Pair, Volume

MEASURES = ("fsim", "ssim", "psnr", "rmse")
TOLERANCE = 1e-6
INSTALL_SECONDS = 300
GOLDEN = json.loads(Path(__file__).with_name("data").joinpath("fsim/image-similarity-measures-0.3.6.json").read_text())
PAIRS = {
    "head-lower-third-erased": (pictures.head(), pictures.defaced(0.35)),
    "head-against-texture": (pictures.head(), pictures.texture()),
    "texture-against-its-mirror": (pictures.texture(), pictures.texture()[:, ::-1]),
    "odd-rows-and-columns": (pictures.head()[:95, :81], pictures.defaced(0.35)[:95, :81]),
}

RUN_THE_PACKAGE = """
import json, sys
import numpy as np
from image_similarity_measures import quality_metrics
views = np.load(sys.argv[1])
pairs = [[np.repeat(view[:, :, None], 3, axis=2) for view in pair] for pair in zip(views["original"], views["defaced"])]
print(json.dumps({name: [float(getattr(quality_metrics, name)(*pair)) for pair in pairs] for name in sys.argv[2:]}))
"""


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("pair", PAIRS)
def test_measures_equal_the_output_of_the_package(pair: str, measure: str) -> None:
    expected = GOLDEN["values"][pair][measure]
    assert getattr(paper_ism, measure)(*PAIRS[pair]) == pytest.approx(expected, abs=TOLERANCE)


def test_features_are_means_over_the_views() -> None:
    original = np.stack([pictures.head()] * 5)
    defaced = np.stack([pictures.defaced(amount) for amount in (0.35, 0.2, 0.5, 0.7, 0.25)])
    features = paper_ism.paper_ism_features(original, defaced)
    assert set(features) == {f"paper_ism_{measure}" for measure in MEASURES}
    for measure in MEASURES:
        views = [getattr(paper_ism, measure)(*pair) for pair in zip(original, defaced, strict=True)]
        assert features[f"paper_ism_{measure}"] == pytest.approx(np.mean(views), abs=1e-12)


def test_identical_pictures_get_the_best_value() -> None:
    values = [getattr(paper_ism, measure)(pictures.head(), pictures.head()) for measure in MEASURES]
    assert values == [1, 1, float("inf"), 0]


def test_a_blank_picture_has_no_fsim_as_in_the_package() -> None:
    assert np.isnan(paper_ism.fsim(pictures.blank(), pictures.head()))


def test_gradients_lose_their_negative_half_and_overflow() -> None:
    rising = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    assert paper_ism.overflowing_gradient(rising)[32, 32] == 32
    assert paper_ism.overflowing_gradient(rising[:, ::-1])[32, 32] == 0
    steep = 10 * (rising % 16)
    assert paper_ism.overflowing_gradient(steep)[32, 8] == pytest.approx((320**2 % 65536) ** 0.5)


@pytest.mark.parametrize("views", [np.zeros((4, 96, 96), np.uint8), np.zeros((96, 96), np.uint8)])
def test_other_than_five_views_are_refused(views) -> None:
    with pytest.raises(InputError, match=r"\(5, rows, columns\) is needed"):
        paper_ism.paper_ism_features(views, views)


def test_views_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="different shapes"):
        paper_ism.paper_ism_features(np.zeros((5, 96, 96), np.uint8), np.zeros((5, 96, 90), np.uint8))


@pytest.mark.slow
def test_the_package_itself_gives_the_same_on_five_renders(tmp_path: Path) -> None:
    python = _python_with_the_package()
    original, defaced = _renders()
    np.savez(tmp_path / "views.npz", original=original, defaced=defaced)
    command = [python, "-W", "ignore", "-c", RUN_THE_PACKAGE, str(tmp_path / "views.npz"), *MEASURES]
    expected = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for measure in MEASURES:
        found = [getattr(paper_ism, measure)(*pair) for pair in zip(original, defaced, strict=True)]
        assert found == pytest.approx(expected[measure], abs=TOLERANCE)


def _renders() -> list[np.ndarray]:
    """Five views of the synthetic head and of the same with its face cut off."""
    original = synthetic_head(2.0).volume
    cut = original.data.copy()
    cut[:, round(0.75 * cut.shape[1]) :, : round(0.55 * cut.shape[2])] = 0
    working = working_pair(Pair(original, Volume(cut, original.affine), None, ()))
    surfaces = [
        skin_surface(data, working.threshold, working.origin_mm) for data in (working.original, working.defaced)
    ]
    return render_views(surfaces, camera_focus_mm(working.head, working.origin_mm))


def _python_with_the_package() -> str:
    asked = os.environ.get("DEFACEQA_PAPER_ENV", "")
    if not asked:
        pytest.skip("DEFACEQA_PAPER_ENV is not set: the package itself is not asked for")
    python = _built_environment() if asked == "build" else Path(asked)
    found = subprocess.run(
        [python, "-c", "import image_similarity_measures.quality_metrics"], capture_output=True, check=False
    )
    if found.returncode != 0:
        pytest.skip(f"{python} cannot import image-similarity-measures: {_last_line(found.stderr.decode())}")
    return str(python)


def _built_environment() -> Path:
    """Install the package beside its old NumPy; it has wheels for Python 3.11 at most."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "defaceqa" / "image-similarity-measures-0.3.6"
    if (folder / "complete").exists():
        return folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    wheels_only = ["--only-binary=:all:", "--no-binary=phasepack"]
    packages = ["image-similarity-measures==0.3.6", "numpy<2"]
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *wheels_only, *packages]
    try:
        installed = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"image-similarity-measures was not installed within {INSTALL_SECONDS} seconds")
    if installed.returncode != 0:
        pytest.skip(f"image-similarity-measures cannot be installed: {_last_line(installed.stderr)}")
    (folder / "complete").touch()
    return folder / "bin" / "python"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
