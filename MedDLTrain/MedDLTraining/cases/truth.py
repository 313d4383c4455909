"""The drawn labels on the grid that the network sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.preprocess import Prepared
from MedDLCore.resample import resample
from MedDLCore.spec import ModelSpec
from MedDLCore.stretch import stretch_labels
from MedDLCore.volume import LabelMap


def on_network_grid(truth: LabelMap, prepared: Prepared, spec: ModelSpec) -> NDArray[np.uint8]:
    """Brings a case's labels onto the grid of its prepared scan.

    Where the scan fills the network's grid (``grid.rule`` is ``extent``), a voxel takes the label of which most lies
    there; otherwise that of the nearest voxel.

    Args:
        truth: on the first scan's grid; values 1 to N.
        prepared: from ``preprocess.prepare``.
        spec: the model.

    Returns:
        ``(1, d0, d1, d2)`` label values where labels exclude each other; ``(N, d0, d1, d2)`` masks (0 or 1) in the
        order of the values where they may overlap. The array of ``prepared`` has the same ``d0, d1, d2``.
    """
    if spec.output.activation == "sigmoid":
        layers = [truth.mask(label).astype(np.uint8) for label in sorted(truth.labels, key=lambda x: x.value)]
    else:
        layers = [_flattened(truth)]
    return np.stack([layer_on_network_grid(layer, truth, prepared, spec) for layer in layers])


def _flattened(truth: LabelMap) -> NDArray[np.uint8]:
    """One layer; the later label lies over the earlier one."""
    if truth.layers == 1:
        return truth.layer(0).astype(np.uint8)
    flat = np.zeros(truth.geometry.shape, np.uint8)
    for label in truth.labels:
        flat[truth.mask(label)] = label.value
    return flat


def layer_on_network_grid(layer: NDArray[Any], truth: LabelMap, prepared: Prepared, spec: ModelSpec) -> NDArray[Any]:
    """Brings one layer, on the grid of ``truth``, onto the network's grid; see ``on_network_grid``."""
    if spec.grid.rule == "extent":
        placed = resample(layer, truth.geometry, prepared.part, "nearest")
        moved = stretch_labels(placed, prepared.geometry.shape, prepared.alone)
    else:
        moved = resample(layer, truth.geometry, prepared.geometry, "nearest")
    a, b, c = (slice(low, n - high) for n, (low, high) in zip(moved.shape, prepared.cut, strict=True))
    return moved[a, b, c]
