"""Logits on the network's grid -> labels on the scan's grid.

Class by class, so that no array of classes x scan exists: each class is interpolated onto the scan's grid and competes
with the best so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..resample import Interpolation, reach_beyond, resample
from ..spec import CleanUp, Output
from ..stretch import stretch
from ..volume import Geometry, Label, LabelMap
from .clean_up import clean_mask, clean_up
from .nearest import nearest

FAR = 1e30
"""A score that no network reaches: background outside the network's grid, and everything else there."""


NOTHING_CUT = ((0, 0), (0, 0), (0, 0))


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
    cut: Sequence[tuple[int, int]] = NOTHING_CUT,
    alone: int | None = None,
) -> LabelMap:
    """Decides the label of every voxel of the scan, and cleans up.

    Voxels of the scan outside the network's grid are background.

    Args:
        slabs: in order and without gaps, together the network's whole grid without what was cut off.
        network: the network's grid.
        scan: the scan's grid.
        output: what the channels mean, and what is interpolated.
        labels: structures to keep; the other classes still compete for their voxels.
        steps: clean-up of exclusive classes together, of overlapping structures each on its own.
        on_progress: called with (done, of) after each class.
        within: ``scan.shape``; what lies outside is background before the clean-up. None: nothing does.
        cut: voxels of the network's grid that the slabs lack at the low and the high end of each axis; the scores of
            all classes are 0 there.
        alone: the scan fills the network's grid, in its axis order, and this axis is resampled on its own.
    """
    inner = tuple(n - low - high for n, (low, high) in zip(network.shape, cut, strict=True))
    logits = _gathered(slabs, inner)
    way = _WayBack(network, scan, [(low, high) for low, high in cut], alone)
    channels = [label.value - 1 for label in labels] if output.activation == "sigmoid" else range(len(logits))

    def progress(done: int) -> None:
        if on_progress is not None:
            on_progress(done, len(channels))

    if output.activation != "sigmoid":
        if output.interpolate == "labels":
            return _nearest(logits, way, output, labels, steps, within)
        score = _painted if output.activation == "regions" else _winners
        decided = _kept_within(score(logits, way, output, progress), within)
        return clean_up(_exclusive(decided, scan, labels), steps)
    return _overlapping(logits, way, output, labels, steps, progress, within)


@dataclass(frozen=True)
class _WayBack:
    """From the part of the network's grid that the network saw to the scan's grid."""

    network: Geometry
    scan: Geometry
    cut: Sequence[tuple[int, int]]
    alone: int | None

    def __call__(self, score: NDArray[Any], interpolation: Interpolation, outside: float) -> NDArray[Any]:
        """``scan.shape``. What lies clearly outside the network's grid is ``outside``."""
        if np.any(self.cut):
            score = np.pad(score, self.cut)
        if interpolation == "linear" and self.alone is not None:
            return stretch(score, self.scan.shape, "linear", self.alone)
        fill = None if self._covered else outside
        if interpolation == "nearest":
            return nearest(score, self.network, self.scan, fill)
        return resample(score, self.network, self.scan, interpolation, fill)

    @property
    def _covered(self) -> bool:
        """The scan reaches no further beyond the network's outer centres than the largest voxel of both grids."""
        reach = reach_beyond(self.network, self.scan) * self.network.spacing[::-1, None]
        return bool(reach.max() <= max(self.network.spacing.max(), self.scan.spacing.max()))


def _gathered(slabs: Iterable[FinishedSlab], shape: tuple[int, ...]) -> NDArray[np.float32]:
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


def _kept_within(decided: NDArray[Any], within: NDArray[np.bool_] | None) -> NDArray[Any]:
    return decided if within is None else decided * within


def _nearest(
    logits: NDArray[np.float32],
    way: _WayBack,
    output: Output,
    labels: Sequence[Label],
    steps: CleanUp,
    within: NDArray[np.bool_] | None,
) -> LabelMap:
    """Labels are decided on the network's grid; the nearest ones are taken."""
    winners = _paint(logits, output, _border(output)) if output.activation == "regions" else _largest(logits)
    if steps.grid == "scan":
        moved = _kept_within(way(winners, "nearest", 0), within)
        return clean_up(_exclusive(moved, way.scan, labels), steps)
    start, stop = ([end[n] for end in way.cut] for n in (0, 1))
    seen = way.network.cropped(start, [n - high for n, high in zip(way.network.shape, stop, strict=True)])
    cleaned = clean_up(_exclusive(winners, seen, labels), steps)
    return replace(cleaned, array=_kept_within(way(cleaned.array, "nearest", 0), within), geometry=way.scan)


def _exclusive(winners: NDArray[Any], geometry: Geometry, labels: Sequence[Label]) -> LabelMap:
    return LabelMap(_kept(winners, labels), geometry, tuple(replace(label, layer=0) for label in labels))


def _dtype(classes: int) -> type[np.uint8 | np.uint16]:
    return np.uint8 if classes <= 256 else np.uint16


def _largest(scores: NDArray[np.float32]) -> NDArray[Any]:
    """The class with the largest score. Slice by slice: numpy's argmax copies what it looks through."""
    winners = np.empty(scores.shape[1:], dtype=_dtype(len(scores)))
    for n in range(len(winners)):
        winners[n] = scores[:, n].argmax(axis=0)
    return winners


def _winners(
    logits: NDArray[np.float32], way: _WayBack, output: Output, progress: Callable[[int], None]
) -> NDArray[Any]:
    """``scan.shape``: the class with the largest score; classes before others on a tie."""
    dtype = _dtype(len(logits))
    if output.interpolate == "probabilities":
        _softmax(logits)
    best = way(logits[0], "linear", FAR)
    winners = np.zeros(best.shape, dtype=dtype)
    progress(1)
    for channel in range(1, len(logits)):
        _compete(way(logits[channel], "linear", -FAR), best, winners, dtype(channel))
        progress(channel + 1)
    return winners


def _compete(score: NDArray[np.float32], best: NDArray[np.float32], winners: NDArray[Any], channel: Any) -> None:
    """In place. A function of its own, so that no score is held while the next one is made."""
    np.putmask(winners, score > best, channel)
    np.maximum(best, score, out=best)


def _painted(
    logits: NDArray[np.float32], way: _WayBack, output: Output, progress: Callable[[int], None]
) -> NDArray[Any]:
    """``scan.shape``: the value of the last region that a voxel lies in."""

    def scores() -> Iterator[NDArray[Any]]:
        for channel, score in enumerate(logits):
            if output.interpolate == "probabilities":
                yield way(_logistic(score), "linear", 0)
            else:
                yield way(score, "linear", -FAR)
            progress(channel + 1)

    return _paint(scores(), output, output.threshold if output.interpolate == "probabilities" else _border(output))


def _paint(scores: Iterable[NDArray[Any]], output: Output, border: float) -> NDArray[Any]:
    painted: NDArray[Any] | None = None
    for value, score in zip(output.paint, scores, strict=False):  # a network may have more channels than are used
        if painted is None:
            painted = np.zeros(score.shape, dtype=_dtype(max(output.paint) + 1))
        painted[score >= border] = value
    if painted is None:
        raise ValueError("no regions")
    return painted


def _border(output: Output) -> float:
    """The logit of the threshold."""
    return float(np.log(output.threshold / (1 - output.threshold)))


def _logistic(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sigmoid, without its overflow."""
    result: NDArray[np.float32] = 0.5 + 0.5 * np.tanh(0.5 * score)
    return result


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
    way: _WayBack,
    output: Output,
    labels: Sequence[Label],
    steps: CleanUp,
    progress: Callable[[int], None],
    within: NDArray[np.bool_] | None,
) -> LabelMap:
    """Each label on its own; labels that do not overlap share a layer."""
    border = _border(output)
    dtype = np.uint8 if max(label.value for label in labels) < 256 else np.uint16
    layers: list[NDArray[Any]] = []
    placed: list[Label] = []
    for done, label in enumerate(labels, start=1):
        score = logits[label.value - 1]
        if output.interpolate == "labels":
            mask = way(_cleaned_on_network(score >= border, label, way, steps), "nearest", 0)
        elif output.interpolate == "probabilities":
            mask = way(_logistic(score), "linear", 0) >= output.threshold
        else:
            mask = way(score, "linear", -FAR) >= border
        mask = _kept_within(mask, within)
        if steps.grid == "scan":
            mask = clean_mask(mask, label.value, steps, way.scan.voxel_volume)
        n = next((n for n, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if n == len(layers):
            layers.append(np.zeros(mask.shape, dtype=dtype))
        layers[n][mask] = label.value
        placed.append(replace(label, layer=n))
        progress(done)
    return LabelMap(layers[0] if len(layers) == 1 else np.stack(layers), way.scan, tuple(placed))


def _cleaned_on_network(mask: NDArray[np.bool_], label: Label, way: _WayBack, steps: CleanUp) -> NDArray[np.bool_]:
    return mask if steps.grid == "scan" else clean_mask(mask, label.value, steps, way.network.voxel_volume)
