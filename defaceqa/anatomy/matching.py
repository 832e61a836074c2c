"""How well two images match under a transform, and the transform under which they match best, by SimpleITK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import SimpleITK

Measure = Literal["information", "correlation", "difference"]

HISTOGRAM_BINS = 32
SEED = 1
"""Where the evenly spread voxels begin; fixed, so that the same scan gives the same matrix."""


@dataclass(frozen=True)
class Match:
    """Two images to be compared.

    Parameters
    ----------
    fixed, moving : SimpleITK.Image
    mask : SimpleITK.Image
        Voxels of ``fixed`` that count.
    share : float
        How many of the voxels are compared, evenly spread; 1 for all.
    measure : {"information", "correlation", "difference"}
        Mattes mutual information, under which T1w, T2w and FLAIR behave alike; correlation or mean squared difference,
        as suit two masks. Differences are for optimising, not for ranking: their cost is not below 0.
    """

    fixed: SimpleITK.Image
    moving: SimpleITK.Image
    mask: SimpleITK.Image
    share: float = 1.0
    measure: Measure = "information"

    def cost(self, transform: SimpleITK.Transform) -> float:
        """Cost, 0 or less, weighted by how much of the mask is in view: a thin overlap must not win by agreeing."""
        import SimpleITK as sitk

        method = self._method()
        method.SetInitialTransform(transform)
        field_of_view = sitk.Image(self.moving.GetSize(), sitk.sitkUInt8) + 1
        field_of_view.CopyInformation(self.moving)
        view = sitk.Resample(field_of_view, self.fixed, transform, sitk.sitkNearestNeighbor, 0)
        wanted = sitk.GetArrayViewFromImage(self.mask) > 0
        share = np.count_nonzero((sitk.GetArrayViewFromImage(view) > 0) & wanted) / np.count_nonzero(wanted)
        return float(method.MetricEvaluate(self.fixed, self.moving)) * float(share) if share > 0 else 0.0

    def optimise(self, transform: SimpleITK.Transform, *, step_mm: float, iterations: int) -> None:
        """Move the transform, in place, to the best match; leave it when the images do not overlap."""
        before = transform.GetParameters()
        method = self._method()
        method.SetInitialTransform(transform, inPlace=True)
        method.SetOptimizerAsRegularStepGradientDescent(
            step_mm, step_mm / 100, iterations, gradientMagnitudeTolerance=1e-6
        )
        method.SetOptimizerScalesFromPhysicalShift()
        try:
            method.Execute(self.fixed, self.moving)
        except RuntimeError:  # how SimpleITK says that the images no longer overlap; the quality tells how bad it is
            transform.SetParameters(before)

    def _method(self) -> SimpleITK.ImageRegistrationMethod:
        import SimpleITK as sitk

        method = sitk.ImageRegistrationMethod()
        match self.measure:
            case "information":
                method.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
            case "correlation":
                method.SetMetricAsCorrelation()
            case "difference":
                method.SetMetricAsMeanSquares()
        if self.share < 1:
            method.SetMetricSamplingStrategy(method.REGULAR)
            method.SetMetricSamplingPercentage(self.share, SEED)
        else:
            method.SetMetricSamplingStrategy(method.NONE)
        method.SetMetricFixedMask(self.mask)
        method.SetInterpolator(sitk.sitkLinear)
        # sums in one order, so that the same scan gives the same matrix; the method's own setting does not reach the
        # metric
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        method.SetNumberOfThreads(1)
        return method
