"""What an earlier model found, as further input channels: the cascade of nnU-Net (Isensee et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..spec import ModelSpec
from ..stretch import lone_axis, stretch_labels
from ..volume import Geometry, LabelMap, Volume
from .grid import wanted_spacing
from .nonzero import body

Labels = Callable[[Geometry, Geometry], NDArray[np.int32]]
"""(the network's grid, the part of the scan that it was laid over) -> values, ``(axis 0, axis 1, axis 2)``."""

OUTSIDE = -1
"""Label of background outside the body, which is a class of its own when labels are resampled."""


def previous_labels(previous: LabelMap, channels: Sequence[Volume], spec: ModelSpec) -> Labels:
    """Brings what the earlier model found onto the network's grid.

    Args:
        previous: one layer, on the grid of the scan.
        channels: the scan, cropped as the model asks for, before its intensity steps.
        spec: the model that takes them, with the rule ``extent``.
    """
    geometry = channels[0].geometry
    labels = resample(previous.layer(0), previous.geometry, geometry, "nearest").astype(np.int32)
    if spec.grid.crop == "nonzero":
        labels[(labels == 0) & ~body(channels)] = OUTSIDE

    def labels_on(grid: Geometry, seen: Geometry) -> NDArray[np.int32]:
        alone = lone_axis(seen.spacing[::-1].tolist(), wanted_spacing(seen, spec.grid), spec.grid.apart)
        moved: NDArray[np.int32] = stretch_labels(resample(labels, geometry, seen, "nearest"), grid.shape, alone)
        return moved

    return labels_on
