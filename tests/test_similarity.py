import numpy as np
import pictures
import pytest
from skimage import metrics

from defaceqa.errors import InputError
from defaceqa.features.similarity import MEASURES, PSNR_CAP_DB, psnr_db, similarity_features
from defaceqa.renders import VIEWS

ORIGINAL = np.stack([pictures.head()] * 5)
AMOUNTS = (0.35, 0.2, 0.5, 0.7, 0.25)
DEFACED = np.stack([pictures.defaced(amount) for amount in AMOUNTS])
SILHOUETTES = ORIGINAL != pictures.WHITE
BEST = {"fsim": 1.0, "ssim": 1.0, "psnr": PSNR_CAP_DB, "rmse": 0.0}


@pytest.fixture(scope="module")
def features() -> dict[str, float]:
    return similarity_features(ORIGINAL, DEFACED, SILHOUETTES)


def test_every_measure_has_each_view_and_the_mean_over_picture_and_head(features: dict[str, float]) -> None:
    places = [f"{head}_{view}" for head in ("", "_head") for view in (*VIEWS, "mean")]
    assert set(features) == {measure + place for measure in MEASURES for place in places}
    assert all(type(value) is float for value in features.values())


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("place", ["", "_head"])
def test_means_are_over_the_five_views(features: dict[str, float], measure: str, place: str) -> None:
    views = [features[f"{measure}{place}_{view}"] for view in VIEWS]
    assert features[f"{measure}{place}_mean"] == pytest.approx(np.mean(views), abs=1e-12)


def test_views_keep_their_order(features: dict[str, float]) -> None:
    for view, defaced in zip(VIEWS, DEFACED, strict=True):
        assert features[f"rmse_{view}"] == pytest.approx(_rmse(ORIGINAL[0], defaced))


def test_ssim_psnr_and_rmse_of_a_view_are_those_of_scikit_image(features: dict[str, float]) -> None:
    original, defaced = ORIGINAL[0], DEFACED[0]
    assert features["ssim_frontal"] == pytest.approx(_skimage_ssim(original, defaced)[0], abs=1e-12)
    expected = metrics.peak_signal_noise_ratio(original, defaced, data_range=255)
    assert features["psnr_frontal"] == pytest.approx(expected, abs=1e-9)
    assert features["rmse_frontal"] == pytest.approx(metrics.mean_squared_error(original, defaced) ** 0.5, abs=1e-9)


def test_ssim_psnr_and_rmse_inside_the_head_take_its_pixels_only(features: dict[str, float]) -> None:
    original, defaced, inside = ORIGINAL[0], DEFACED[0], SILHOUETTES[0]
    squared = np.mean((original[inside].astype(float) - defaced[inside]) ** 2)
    assert features["ssim_head_frontal"] == pytest.approx(_skimage_ssim(original, defaced)[1][inside].mean(), abs=1e-12)
    assert features["rmse_head_frontal"] == pytest.approx(squared**0.5, abs=1e-9)
    assert features["psnr_head_frontal"] == pytest.approx(10 * np.log10(255**2 / squared), abs=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("place", ["", "_head"])
def test_identical_renders_get_the_best_value(measure: str, place: str) -> None:
    identical = similarity_features(ORIGINAL, ORIGINAL, SILHOUETTES)
    assert identical[f"{measure}{place}_mean"] == pytest.approx(BEST[measure], abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("place", ["", "_head"])
def test_likeness_falls_as_more_of_the_head_is_erased(features: dict[str, float], measure: str, place: str) -> None:
    by_amount = [features[f"{measure}{place}_{view}"] for _, view in sorted(zip(AMOUNTS, VIEWS, strict=True))]
    assert by_amount == sorted(by_amount, reverse=measure != "rmse")
    assert len(set(by_amount)) == len(by_amount)


def test_the_order_of_original_and_defaced_does_not_matter(features: dict[str, float]) -> None:
    swapped = similarity_features(DEFACED, ORIGINAL, SILHOUETTES)
    assert swapped == pytest.approx(features, abs=1e-12)


def test_white_background_dilutes_the_picture_but_not_the_head(features: dict[str, float]) -> None:
    around = [(0, 0), (48, 48), (48, 48)]
    original, defaced = (np.pad(views, around, constant_values=pictures.WHITE) for views in (ORIGINAL, DEFACED))
    wider = similarity_features(original, defaced, np.pad(SILHOUETTES, around))
    assert wider["rmse_mean"] < features["rmse_mean"] - 5
    assert wider["ssim_mean"] > features["ssim_mean"] + 0.05
    assert wider["rmse_head_mean"] == pytest.approx(features["rmse_head_mean"], abs=1e-9)
    assert wider["ssim_head_mean"] == pytest.approx(features["ssim_head_mean"], abs=1e-3)


def test_an_empty_silhouette_leaves_its_view_and_the_mean_undefined() -> None:
    silhouettes = SILHOUETTES.copy()
    silhouettes[1] = False
    features = similarity_features(ORIGINAL, DEFACED, silhouettes)
    undefined = {name for name, value in features.items() if np.isnan(value)}
    assert undefined == {f"{measure}_head_{place}" for measure in MEASURES for place in ("left_profile", "mean")}


def test_psnr_is_capped_for_identical_pictures_and_just_above() -> None:
    assert psnr_db(0) == PSNR_CAP_DB
    assert psnr_db(1e-9) == PSNR_CAP_DB
    assert psnr_db(255**2) == 0
    assert np.isnan(psnr_db(float("nan")))


@pytest.mark.parametrize(
    ("original", "defaced", "silhouettes", "message"),
    [
        (ORIGINAL[:4], DEFACED[:4], SILHOUETTES[:4], r"shape \(4, 96, 96\); \(5, rows, columns\)"),
        (ORIGINAL[0], DEFACED[0], SILHOUETTES[0], r"shape \(96, 96\)"),
        (ORIGINAL, DEFACED[:, :90], SILHOUETTES, "different shapes"),
        (ORIGINAL, DEFACED, SILHOUETTES[:, :90], "different shapes"),
        (ORIGINAL / 255, DEFACED, SILHOUETTES, "The picture is float64"),
        (ORIGINAL, DEFACED / 255, SILHOUETTES, "The picture is float64"),
        (ORIGINAL, DEFACED, SILHOUETTES.astype(np.uint8), "silhouettes are uint8"),
    ],
    ids=["four-views", "one-view", "views-differ", "masks-differ", "float-original", "float-defaced", "byte-masks"],
)
def test_arrays_that_are_not_five_views_are_refused(original, defaced, silhouettes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        similarity_features(original, defaced, silhouettes)


def _rmse(a: pictures.ByteArray, b: pictures.ByteArray) -> float:
    return float(np.mean((a.astype(float) - b) ** 2) ** 0.5)


def _skimage_ssim(a: pictures.ByteArray, b: pictures.ByteArray) -> tuple[float, np.ndarray]:
    return metrics.structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
