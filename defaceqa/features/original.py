"""What is measured on an original alone: found once, used for any number of defacings of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from defaceqa import head as head_module
from defaceqa import renders
from defaceqa.anatomy.patches import region_of
from defaceqa.features.fsim import Structure, structure
from defaceqa.features.residual import Skin, near_lips
from defaceqa.surfaces import Surface, clear_original, outer_skin, skin_surface
from defaceqa.volumes import Volume


@dataclass
class MeasuredOriginal:
    """An original on the working grid; its surface, renders and skin are found when first asked for.

    Parameters
    ----------
    volume : Volume
    """

    volume: Volume
    _views: NDArray[np.uint8] | None = field(default=None, init=False)
    _skin: tuple[object, Skin] | None = field(default=None, init=False)

    @cached_property
    def data(self) -> NDArray[np.float32]:
        """The image on the working grid."""
        return head_module.to_working_grid(self.volume.data, self.volume.spacing_mm)

    @cached_property
    def threshold(self) -> float:
        """Skin level."""
        return head_module.head_threshold(self.data)

    @cached_property
    def tissue(self) -> float:
        """Tissue level above the air."""
        air, _, tissue = head_module.intensity_levels(self.data)
        return tissue - air

    @cached_property
    def head(self) -> NDArray[np.bool_]:
        """Head mask on the working grid."""
        return head_module.head_mask(self.data, self.threshold)

    @cached_property
    def head_on_image(self) -> NDArray[np.bool_]:
        """Head mask on the image's own grid."""
        return head_module.from_working_grid(self.head, self.volume.shape, self.volume.spacing_mm)

    @cached_property
    def origin_mm(self) -> NDArray[np.float64]:
        """First voxel of the working grid, grid mm."""
        return head_module.working_origin_mm(self.volume.shape, self.volume.spacing_mm)

    @cached_property
    def surface(self) -> Surface:
        """Skin of the original."""
        return skin_surface(clear_original(self.data, self.head), self.threshold, self.origin_mm)

    @cached_property
    def structures(self) -> list[Structure]:
        """What FSIM compares, of every view; only after the views were rendered."""
        return [] if self._views is None else [structure(view) for view in self._views]

    def views_beside(self, defaced: Surface) -> list[NDArray[np.uint8]]:
        """Renders of the original and of a defaced surface with the original's camera, both in one window at first."""
        focus_mm = renders.camera_focus_mm(self.head, self.origin_mm)
        if self._views is None:
            self._views, seen = renders.render_views([self.surface, defaced], focus_mm)
        else:
            [seen] = renders.render_views([defaced], focus_mm)
        return [self._views, seen]

    def skin(self, landmarks_mm: dict[str, NDArray[np.float64]]) -> Skin:
        """Outer skin in the face regions that landmarks (grid mm) define; the last one is kept."""
        if self._skin is None or self._skin[0] is not landmarks_mm:
            self._skin = (landmarks_mm, self._find_skin(landmarks_mm))
        return self._skin[1]

    def _find_skin(self, landmarks_mm: dict[str, NDArray[np.float64]]) -> Skin:
        surface = self.surface
        outside = outer_skin(surface, self.head, self.origin_mm)
        points = surface.vertices_mm[outside]
        regions = region_of(points, landmarks_mm)
        named = regions > 0
        return Skin(
            points[named],
            surface.normals[outside][named],
            surface.vertex_areas_mm2[outside][named],
            regions[named],
            near_lips(points[named], landmarks_mm),
        )
