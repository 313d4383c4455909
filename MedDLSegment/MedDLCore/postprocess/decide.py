"""Logits on the network's grid -> labels on the scan's grid.

Class by class, so that no array of classes x scan exists: each class is interpolated onto the scan's grid and competes
with the best so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..spec import CleanUp, Output
from ..volume import Geometry, Label, LabelMap
from .clean_up import clean_mask, clean_up

FAR = 1e30
"""A score that no network reaches: background outside the network's grid, and everything else there."""


class FinishedSlab(Protocol):
    """Logits of some slices along network axis 0: ``(classes, n, d1, d2)`` float32, from slice ``start`` on."""

    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def logits(self) -> NDArray[np.float32]: ...  # noqa: D102


def decide(
    slabs: Iterable[FinishedSlab],
    network: Geometry,
    scan: Geometry,
    output: Output,
    labels: Sequence[Label],
    steps: CleanUp = CleanUp(),
    on_progress: Callable[[int, int], None] | None = None,
    within: NDArray[np.bool_] | None = None,
) -> LabelMap:
    """Decides the label of every voxel of the scan, and cleans up.

    Voxels of the scan outside the network's grid are background.

    Args:
        slabs: in order and without gaps, together the network's whole grid.
        network: the network's grid.
        scan: the scan's grid.
        output: what the channels mean, and what is interpolated.
        labels: structures to keep; the other classes still compete for their voxels.
        steps: clean-up of exclusive classes together, of overlapping structures each on its own.
        on_progress: called with (done, of) after each class.
        within: ``scan.shape``; what lies outside is background before the clean-up. None: nothing does.
    """
    logits = _gathered(slabs, network.shape)
    channels = range(len(logits)) if output.activation == "softmax" else [label.value - 1 for label in labels]

    def progress(done: int) -> None:
        if on_progress is not None:
            on_progress(done, len(channels))

    if output.activation == "softmax":
        winners = _winners(logits, network, scan, output, progress)
        if within is not None:
            winners *= within
        decided = LabelMap(_kept(winners, labels), scan, tuple(replace(label, layer=0) for label in labels))
        return clean_up(decided, steps)
    return _overlapping(logits, network, scan, output, labels, steps, progress, within)


def _gathered(slabs: Iterable[FinishedSlab], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    logits: NDArray[np.float32] | None = None
    for slab in slabs:
        if slab.logits.shape[1:] == shape:
            return slab.logits
        if logits is None:
            logits = np.empty((len(slab.logits), *shape), dtype=np.float32)
        logits[:, slab.start : slab.start + slab.logits.shape[1]] = slab.logits
    if logits is None:
        raise ValueError("no slabs")
    return logits


def _winners(
    logits: NDArray[np.float32], network: Geometry, scan: Geometry, output: Output, progress: Callable[[int], None]
) -> NDArray[Any]:
    """``scan.shape``: the class with the largest score; classes before others on a tie."""
    dtype = np.uint8 if len(logits) <= 256 else np.uint16
    if output.interpolate == "labels":
        decided = np.empty(network.shape, dtype=dtype)
        for n in range(len(decided)):  # slice by slice: numpy's argmax copies what it looks through
            decided[n] = logits[:, n].argmax(axis=0)
        return resample(decided, network, scan, "nearest", fill=0)
    if output.interpolate == "probabilities":
        _softmax(logits)
    best = resample(logits[0], network, scan, "linear", fill=FAR)
    winners = np.zeros(scan.shape, dtype=dtype)
    progress(1)
    for channel in range(1, len(logits)):
        _compete(resample(logits[channel], network, scan, "linear", fill=-FAR), best, winners, dtype(channel))
        progress(channel + 1)
    return winners


def _compete(score: NDArray[np.float32], best: NDArray[np.float32], winners: NDArray[Any], channel: Any) -> None:
    """In place. A function of its own, so that no score is held while the next one is made."""
    np.putmask(winners, score > best, channel)
    np.maximum(best, score, out=best)


def _softmax(logits: NDArray[np.float32]) -> None:
    """In place, over the first axis."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)


def only(label_map: LabelMap, labels: Sequence[Label]) -> LabelMap:
    """The label map without its other structures, by their values; layers that nothing is left of stay."""
    values = {label.value for label in labels}
    kept = tuple(label for label in label_map.labels if label.value in values)
    return (
        label_map if kept == label_map.labels else replace(label_map, array=_kept(label_map.array, kept), labels=kept)
    )


def _kept(winners: NDArray[Any], labels: Sequence[Label]) -> NDArray[Any]:
    """Class numbers -> label values; classes that are not among the labels become background."""
    highest = max(label.value for label in labels)
    table = np.zeros(max(int(winners.max()), highest) + 1, dtype=np.uint8 if highest < 256 else np.uint16)
    for label in labels:
        table[label.value] = label.value
    kept = np.empty(winners.shape, dtype=table.dtype)
    planes = (-1, *winners.shape[-2:])  # one by one: numpy's look-up takes 8 bytes for each voxel
    for plane, numbers in zip(kept.reshape(planes), winners.reshape(planes), strict=True):
        plane[:] = table[numbers]
    return kept


def _overlapping(
    logits: NDArray[np.float32],
    network: Geometry,
    scan: Geometry,
    output: Output,
    labels: Sequence[Label],
    steps: CleanUp,
    progress: Callable[[int], None],
    within: NDArray[np.bool_] | None,
) -> LabelMap:
    """Each label on its own; labels that do not overlap share a layer."""
    border = float(np.log(output.threshold / (1 - output.threshold)))
    dtype = np.uint8 if max(label.value for label in labels) < 256 else np.uint16
    layers: list[NDArray[Any]] = []
    placed: list[Label] = []
    for done, label in enumerate(labels, start=1):
        score = logits[label.value - 1]
        if output.interpolate == "labels":
            mask = resample(score > border, network, scan, "nearest", fill=0)
        elif output.interpolate == "probabilities":
            probability = 0.5 + 0.5 * np.tanh(0.5 * score)  # the sigmoid, without its overflow
            mask = resample(probability, network, scan, "linear", fill=0) > output.threshold
        else:
            mask = resample(score, network, scan, "linear", fill=-FAR) > border
        if within is not None:
            mask = mask & within
        mask = clean_mask(mask, label.value, steps, scan.voxel_volume)
        n = next((n for n, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if n == len(layers):
            layers.append(np.zeros(scan.shape, dtype=dtype))
        layers[n][mask] = label.value
        placed.append(replace(label, layer=n))
        progress(done)
    return LabelMap(layers[0] if len(layers) == 1 else np.stack(layers), scan, tuple(placed))
