"""The four numbers of a pair as one would script them today, with common packages at their defaults.

NiBabel loads, PyVista contours and takes screenshots from five sides, image-similarity-measures compares. No DefaceQA
here: this is what it is compared with. Runs in an environment of its own (README.md beside this file).

    python plain_recipe.py ORIGINAL DEFACED [--same-size]
"""

import argparse
import json
import warnings

import nibabel as nib
import numpy as np
import pyvista as pv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # phasepack recommends pyfftw
    from image_similarity_measures.quality_metrics import fsim, psnr, rmse, ssim

BACKGROUND = 0.03  # of the normalised intensity, as in the paper
VIEWS = {
    "frontal": (0, 1, 0),
    "left_profile": (-1, 0, 0),
    "right_profile": (1, 0, 0),
    "left_oblique": (-1, 1, 0),
    "right_oblique": (1, 1, 0),
}
MEASURES = {"fsim": fsim, "ssim": ssim, "psnr": psnr, "rmse": rmse}


def head_surface(path: str) -> pv.PolyData:
    """Contour a scan at the background level."""
    image = nib.as_closest_canonical(nib.load(path))
    data = image.get_fdata()
    data = data / data.max()
    grid = pv.ImageData(dimensions=data.shape, spacing=image.header.get_zooms()[:3])
    grid.point_data["intensity"] = data.flatten(order="F")
    return grid.contour([BACKGROUND])


def screenshots(path: str, same_size: bool) -> list[np.ndarray]:
    """Take the five pictures; with `same_size` 512 x 512 and one channel instead of PyVista's 1024 x 768 in colour."""
    plotter = pv.Plotter(off_screen=True, window_size=[512, 512] if same_size else None)
    plotter.set_background("white")
    plotter.add_mesh(head_surface(path), color="white")
    pictures = []
    for direction in VIEWS.values():
        plotter.view_vector(direction, viewup=(0, 0, 1))
        picture = plotter.screenshot(return_img=True)
        pictures.append(picture[:, :, :1] if same_size else picture)
    plotter.close()
    return pictures


def main() -> None:
    """Print the mean of each measure over the views, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original")
    parser.add_argument("defaced")
    parser.add_argument("--same-size", action="store_true", help="512 x 512 grey pictures, as DefaceQA's")
    options = parser.parse_args()
    originals = screenshots(options.original, options.same_size)
    defaced = screenshots(options.defaced, options.same_size)
    means = {
        name: float(np.mean([measure(*pair) for pair in zip(originals, defaced, strict=True)]))
        for name, measure in MEASURES.items()
    }
    print(json.dumps(means))


if __name__ == "__main__":
    main()
