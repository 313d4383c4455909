"""How much memory ``decide`` needs, without running it."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..spec import CleanUp, ModelSpec
from ..volume import Geometry
from .blocks import AT_A_TIME, SPAN
from .sweep import SLICES

FLOAT32, INDEX = 4, 8
"""Bytes of a score, and of torch's index."""

COMPONENTS, HOLES = 15, 25
"""Bytes per voxel of a structure's bounding box that finding its components, or filling its holes, takes at the peak
(measured with SimpleITK 2.5 on smooth structures; noise takes more)."""


COMPETING = 4
"""Arrays of ``AT_A_TIME`` scores at one time: what is interpolated, along two axes and all three, and the best."""


class Deciding(NamedTuple):
    """What ``decide`` holds, in bytes.

    Attributes:
        result: of the labels.
        piece: of what is decided at a time, beside the logits: on their device.
        cleaning: beside the result, once the logits are gone.
    """

    result: int
    piece: int
    cleaning: int


def deciding_memory(network: Geometry, scan: Geometry, spec: ModelSpec, kept: int) -> Deciding:
    """What ``decide`` holds at its peak beyond the logits.

    Bounding boxes count as the whole scan, and overlapping structures as if each took a layer of its own.

    Args:
        network: the network's grid.
        scan: the scan's grid, or that of the part that the network sees.
        spec: the model.
        kept: how many labels ``decide`` is given.
    """
    as_labels = spec.output.interpolate == "labels"
    overlapping = spec.output.activation == "sigmoid"
    voxels, found = math.prod(scan.shape), math.prod((network if as_labels else scan).shape)
    label = 1 if max(one.value for one in spec.labels) < 256 else 2
    layers = kept if overlapping else 1
    result = layers * label * found
    moved = layers * label * voxels if as_labels or overlapping else 0
    cleaning = moved + (1 + overlapping + _cleaning(spec.clean_up)) * voxels * (
        spec.clean_up != CleanUp() or overlapping
    )
    return Deciding(result, _of_piece(network, scan, spec), cleaning)


def merging_memory(scan: Geometry, spec: ModelSpec) -> int:
    """Bytes that ``merge`` and what it is given hold: the result so far, the new one, and one more.

    Args:
        scan: the scan's grid.
        spec: of the model whose parts are merged.
    """
    return 3 * (1 if len(spec.labels) < 256 else 2) * math.prod(scan.shape)


def joining_memory(scan: Geometry, spec: ModelSpec, kept: int) -> int:
    """Bytes that ``join`` holds on the scan's grid: its result, and once more of it at the end.

    Overlapping structures count as if each took a layer of its own.

    Args:
        scan: the scan's grid.
        spec: the model.
        kept: how many structures the result has.
    """
    label = 1 if max(one.value for one in spec.labels) < 256 else 2
    layers = kept if spec.output.activation == "sigmoid" else 1
    return 2 * layers * label * math.prod(scan.shape)


def _of_piece(network: Geometry, scan: Geometry, spec: ModelSpec) -> int:
    """A few slices: as probabilities, their labels, the bounds of their blocks, and the voxels made from them."""
    channels, slices = spec.output_channels, min(SLICES + 1, network.shape[0])
    seen = slices * math.prod(network.shape[1:])
    labels = (FLOAT32 + INDEX) * seen
    if spec.output.interpolate == "labels":
        return labels
    activated = channels * seen * FLOAT32 if spec.output.interpolate == "probabilities" else 0
    bounds = 2 * channels * seen * FLOAT32 // SPAN
    made = math.prod(scan.shape) * slices // network.shape[0]
    return activated + max(labels, bounds) + 3 * made + COMPETING * min(AT_A_TIME, channels * made) * FLOAT32


def _cleaning(steps: CleanUp) -> int:
    if steps.fill_holes:
        return HOLES
    return COMPONENTS if steps.keep_largest or steps.minimum_volume > 0 else 0
