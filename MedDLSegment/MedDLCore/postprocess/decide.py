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
from ..stretch import stretch
from ..volume import Geometry, Label, LabelMap
from .clean_up import clean_mask, clean_up

FAR = 1e30
"""A score that no network reaches: background outside the network's grid, and everything else there."""


Bring = Callable[[NDArray[np.float32], float], NDArray[np.float32]]
"""(scores on the network's grid, score outside it) -> scores on the scan's."""


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
    alone: int | None = None,
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
        alone: the scan fills the network's grid, in its axis order, and this axis is resampled on its own.
    """
    logits = _gathered(slabs, network.shape)
    channels = [label.value - 1 for label in labels] if output.activation == "sigmoid" else range(len(logits))

    def bring(score: NDArray[np.float32], outside: float) -> NDArray[np.float32]:
        if alone is not None:
            return stretch(score, scan.shape, "linear", alone)
        return resample(score, network, scan, "linear", fill=outside)

    def progress(done: int) -> None:
        if on_progress is not None:
            on_progress(done, len(channels))

    if output.activation != "sigmoid":
        if output.activation == "regions":
            winners = _painted(logits, output, bring, progress)
        elif output.interpolate == "labels":
            winners = resample(logits.argmax(axis=0).astype(_dtype_for(len(logits))), network, scan, "nearest", fill=0)
        else:
            winners = _winners(logits, output, bring, progress)
        decided = LabelMap(_kept(winners, labels), scan, tuple(replace(label, layer=0) for label in labels))
        return clean_up(decided, steps)
    return _overlapping(logits, network, scan, output, labels, steps, bring, progress)


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
    logits: NDArray[np.float32], output: Output, bring: Bring, progress: Callable[[int], None]
) -> NDArray[Any]:
    """``scan.shape``: the class with the largest score; classes before others on a tie."""
    if output.interpolate == "probabilities":
        _softmax(logits)
    best = bring(logits[0], FAR)
    winners = np.zeros(best.shape, dtype=_dtype_for(len(logits)))
    progress(1)
    for channel in range(1, len(logits)):
        score = bring(logits[channel], -FAR)
        np.putmask(winners, score > best, winners.dtype.type(channel))
        np.maximum(best, score, out=best)
        progress(channel + 1)
    return winners


def _painted(
    logits: NDArray[np.float32], output: Output, bring: Bring, progress: Callable[[int], None]
) -> NDArray[Any]:
    """``scan.shape``: the value of the last region that a voxel lies in."""
    border = _border(output)
    painted: NDArray[Any] | None = None
    for channel, value in enumerate(output.paint):
        score = bring(logits[channel], -FAR)
        if painted is None:
            painted = np.zeros(score.shape, dtype=_dtype_for(max(output.paint) + 1))
        painted[score > border] = value
        progress(channel + 1)
    assert painted is not None  # noqa: S101  a description names a region
    return painted


def _dtype_for(values: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if values <= 256 else np.uint16


def _border(output: Output) -> float:
    """The logit of the threshold."""
    return float(np.log(output.threshold / (1 - output.threshold)))


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
    kept: NDArray[Any] = table[winners]
    return kept


def _overlapping(
    logits: NDArray[np.float32],
    network: Geometry,
    scan: Geometry,
    output: Output,
    labels: Sequence[Label],
    steps: CleanUp,
    bring: Bring,
    progress: Callable[[int], None],
) -> LabelMap:
    """Each label on its own; labels that do not overlap share a layer."""
    border = _border(output)
    dtype = np.uint8 if max(label.value for label in labels) < 256 else np.uint16
    layers: list[NDArray[Any]] = []
    placed: list[Label] = []
    for done, label in enumerate(labels, start=1):
        score = logits[label.value - 1]
        if output.interpolate == "labels":
            mask = resample(score > border, network, scan, "nearest", fill=0)
        elif output.interpolate == "probabilities":
            probability = 0.5 + 0.5 * np.tanh(0.5 * score)  # the sigmoid, without its overflow
            mask = bring(probability, 0) > output.threshold
        else:
            mask = bring(score, -FAR) > border
        mask = clean_mask(mask, label.value, steps, scan.voxel_volume)
        n = next((n for n, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if n == len(layers):
            layers.append(np.zeros(scan.shape, dtype=dtype))
        layers[n][mask] = label.value
        placed.append(replace(label, layer=n))
        progress(done)
    return LabelMap(layers[0] if len(layers) == 1 else np.stack(layers), scan, tuple(placed))
