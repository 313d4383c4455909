"""How much memory ``decide`` needs, without running it."""

from __future__ import annotations

import math

from ..spec import CleanUp, ModelSpec
from ..volume import Geometry

FLOAT32 = 4
"""Bytes of a voxel."""

COMPONENTS, HOLES = 18, 25
"""Bytes per voxel of a structure's bounding box that finding its components, or filling its holes, takes at the peak
(measured with SimpleITK 2.5 on noise; a smooth structure takes less)."""


def deciding_memory(network: Geometry, scan: Geometry, spec: ModelSpec, kept: int) -> int:
    """Bytes that ``decide`` holds at its peak beyond the logits, its result included.

    Bounding boxes count as the whole scan.

    Args:
        network: the network's grid.
        scan: the scan's grid, or that of the part that the network sees.
        spec: the model.
        kept: how many labels ``decide`` is given.
    """
    grid, voxels = math.prod(network.shape), math.prod(scan.shape)
    label = 1 if spec.output_channels <= 256 else 2
    as_labels = spec.output.interpolate == "labels"
    moving = (2 * grid + 2 * voxels) * label if as_labels else (grid + 2 * voxels) * FLOAT32
    cleaning = (2 + _cleaning(spec.clean_up)) * voxels
    if spec.output.activation == "sigmoid":
        layers = kept * label * voxels
        activated = 4 * FLOAT32 * grid if spec.output.interpolate == "probabilities" else 0
        made = layers + max(activated + moving + voxels, 2 * voxels + cleaning)
        return max(made, (2 if kept > 1 else 1) * layers)
    competing = (FLOAT32 + label) * voxels + max(moving, (FLOAT32 + 1) * voxels)
    deciding = moving if as_labels else competing
    return max(deciding, 2 * label * voxels + (cleaning if spec.clean_up != CleanUp() else 0))


def merging_memory(scan: Geometry, spec: ModelSpec) -> int:
    """Bytes that ``merge`` and what it is given hold: the result so far, the new one, and one more.

    Args:
        scan: the scan's grid.
        spec: of the model whose parts are merged.
    """
    return 3 * (1 if len(spec.labels) < 256 else 2) * math.prod(scan.shape)


def _cleaning(steps: CleanUp) -> int:
    if steps.fill_holes:
        return HOLES
    return COMPONENTS if steps.keep_largest or steps.minimum_volume > 0 else 0
