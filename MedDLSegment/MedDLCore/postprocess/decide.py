"""Slabs of logits on the network's grid -> labels on the scan's grid.

What comes is used and let go: no array of classes x volume exists, on either grid.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..cut import NOTHING_CUT, Cut, inner
from ..out_of_memory import on_device
from ..spec import CleanUp, Output
from ..volume import Geometry, Label, LabelMap
from .clean_up import clean_mask, clean_up
from .layers import Layers
from .nearest import nearest
from .parts import Part, parts_of
from .rules import rule_of
from .sweep import FinishedSlab
from .way_back import reach

if TYPE_CHECKING:
    from torch import Tensor

OnProgress = Callable[[int, int], None]


def decide(
    slabs: Iterable[FinishedSlab],
    network: Geometry,
    scan: Geometry,
    output: Output,
    labels: Sequence[Label],
    steps: CleanUp = CleanUp(),
    on_progress: OnProgress | None = None,
    within: NDArray[np.bool_] | None = None,
    cut: Cut = NOTHING_CUT,
    alone: int | None = None,
    on_step_down: Callable[[str], None] | None = None,
) -> LabelMap:
    """Decides the label of every voxel of the scan, and cleans up.

    Voxels of the scan outside the network's grid are background.

    Args:
        slabs: in order, together the network's whole grid without what was cut off; each begins with the last slice of
            the one before it.
        network: the network's grid.
        scan: the scan's grid.
        output: what the channels mean, and what is interpolated.
        labels: structures to keep; the other classes still compete for their voxels.
        steps: clean-up of exclusive classes together, of overlapping structures each on its own.
        on_progress: called with (done, of) after some voxels, and after each overlapping structure is cleaned up.
        within: ``scan.shape``; what lies outside is background before the clean-up. None: nothing does.
        cut: voxels of the network's grid that the slabs lack at the low and the high end of each axis; the scores of
            all classes are 0 there.
        alone: this axis of the network is resampled on its own; see ``way_back``.
        on_step_down: told what happened where the scores' device has no memory left and the machine's was used.
    """
    as_labels = output.interpolate == "labels"
    grid = _seen(network, cut) if as_labels else scan
    tell = on_progress or _tell_nobody
    rule = rule_of(output)

    def decided(part: Part, channels: slice, values: Tensor | None = None) -> NDArray[Any]:
        work = functools.partial(part.decide, rule, values=values)
        return on_device(work, [part.scores[channels]], "to decide the labels", on_step_down)

    def on_scan(array: NDArray[Any]) -> NDArray[Any]:
        moved = _onto(array, network, scan, cut) if as_labels else array
        return moved if within is None else moved * within

    voxels, each = math.prod(grid.shape), math.ceil(math.prod(grid.shape) / len(labels))
    total = voxels + (len(labels) * each if output.activation == "sigmoid" else 0)

    def cleaned(structures: int) -> None:
        tell(voxels + structures * each, total)

    parts = _told(parts_of(slabs, network, scan, output, cut, alone, on_step_down), total, tell)
    if output.activation == "sigmoid":
        layers = Layers(grid.shape, labels)
        for part in parts:
            for label in labels:
                mask = decided(part, slice(label.value - 1, label.value)) > 0
                layers.add(label.value, mask, part.place)
        return _overlapping(layers, grid, scan, labels, steps, on_scan, cleaned)
    used = slice(len(output.paint)) if output.activation == "regions" else slice(None)
    found = np.zeros(grid.shape, dtype=np.uint8 if max(label.value for label in labels) < 256 else np.uint16)
    values: Tensor | None = None
    for part in parts:
        if values is None:
            values = _values(output, labels, len(part.scores))
        part.place(found)[:] = decided(part, used, values)
    in_one_layer = tuple(replace(label, layer=0) for label in labels)
    if as_labels and steps.grid == "network":
        found, steps = clean_up(LabelMap(found, grid, in_one_layer), steps).array, CleanUp()
    return clean_up(LabelMap(on_scan(found), scan, in_one_layer), steps)


def _overlapping(
    layers: Layers,
    grid: Geometry,
    scan: Geometry,
    labels: Sequence[Label],
    steps: CleanUp,
    on_scan: Callable[[NDArray[Any]], NDArray[Any]],
    tell: Callable[[int], None],
) -> LabelMap:
    """Each structure cleaned up on its own; those that do not overlap then share a layer."""
    final = Layers(scan.shape, labels)
    for done, label in enumerate(labels, start=1):
        mask = layers.mask(label.value)
        if steps.grid == "network":
            mask = clean_mask(mask, label.value, steps, grid.voxel_volume)
        mask = on_scan(mask)
        if steps.grid == "scan":
            mask = clean_mask(mask, label.value, steps, scan.voxel_volume)
        final.add(label.value, mask)
        tell(done)
    arrays, layer_of = final.arrays()
    placed = tuple(replace(label, layer=layer_of.get(label.value, 0)) for label in labels)
    return LabelMap(arrays[0] if len(arrays) == 1 else np.stack(arrays), scan, placed)


def _values(output: Output, labels: Sequence[Label], channels: int) -> Tensor:
    """The label value that stands for each label of the rule; 0 for structures that are not kept."""
    import torch

    kept = {label.value for label in labels}
    rules = (0, *output.paint) if output.activation == "regions" else range(channels)
    return torch.tensor([value if value in kept else 0 for value in rules])


def _seen(network: Geometry, cut: Cut) -> Geometry:
    """The network's grid without what is cut off."""
    left = inner(cut, network.shape)
    return network.cropped([part.start for part in left], [part.stop for part in left])


def _onto(array: NDArray[Any], network: Geometry, scan: Geometry, cut: Cut) -> NDArray[Any]:
    """The nearest labels; background outside the network's grid and where something is cut off."""
    whole = np.pad(array, cut) if np.any(cut) else array
    return nearest(whole, network, scan, None if np.isinf(reach(network, scan)) else 0)


def _told(parts: Iterable[Part], of: int, tell: OnProgress) -> Iterator[Part]:
    done = 0
    for part in parts:
        yield part
        done += part.voxels
        tell(done, of)


def _tell_nobody(done: int, of: int) -> None:
    """Progress that nobody asked for."""


def only(label_map: LabelMap, labels: Sequence[Label]) -> LabelMap:
    """The label map without its other structures, by their values; layers that nothing is left of stay."""
    values = {label.value for label in labels}
    kept = tuple(label for label in label_map.labels if label.value in values)
    return (
        label_map if kept == label_map.labels else replace(label_map, array=_kept(label_map.array, kept), labels=kept)
    )


def _kept(array: NDArray[Any], labels: Sequence[Label]) -> NDArray[Any]:
    """Label values; those that are not among the labels become background."""
    table = np.zeros(int(array.max()) + 1, dtype=array.dtype)
    for label in labels:
        if label.value < len(table):
            table[label.value] = label.value
    kept = np.empty_like(array)
    planes = (-1, *array.shape[-2:])  # one by one: numpy's look-up takes 8 bytes for each voxel
    for plane, values in zip(kept.reshape(planes), array.reshape(planes), strict=True):
        plane[:] = table[values]
    return kept
