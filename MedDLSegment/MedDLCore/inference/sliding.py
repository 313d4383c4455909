"""The sliding window: patches in, finished slabs of logits out, slice by slice along network axis 0.

Only one patch-deep slab of logits is held at a time: as soon as no later patch touches a slice, it is finished, handed
on and forgotten.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..out_of_memory import ON_HOST, on_device
from ..spec import Inference
from .predictor import Predictor
from .windows import gaussian, nnunet_gaussian, smallest_weight_of_monai, window_starts

SLICES = 16
"""Slices of which logits are made of features at a time."""

OnProgress = Callable[[int, int], None]
"""Called with (done, of) after each forward pass; what it raises (a cancellation) ends the run."""


@dataclass(frozen=True, eq=False)
class Slab:
    """Finished logits of the slices ``start`` to ``start + n`` along network axis 0.

    A slab begins with the last slice of the one before it, so that what lies between the two can be interpolated. It is
    a view of memory that the next slab takes again.

    Attributes:
        start: first slice.
        logits: ``(outputs, n, d1, d2)`` float32, on the device where they were summed.
    """

    start: int
    logits: Tensor


def padded_shape(shape: Sequence[int], inference: Inference) -> tuple[int, int, int]:
    """The shape that goes through the network: at least a patch, or a multiple of the divisor."""
    if inference.patch is not None:
        a, b, c = (max(n, p) for n, p in zip(shape, inference.patch, strict=True))
    else:
        a, b, c = (-(-n // inference.divisor) * inference.divisor for n in shape)
    return a, b, c


def predict(
    array: NDArray[np.float32] | Tensor,
    predictor: Predictor,
    inference: Inference,
    on_progress: OnProgress | None = None,
) -> Iterator[Slab]:
    """Runs the network over an array.

    Args:
        array: ``(C, d0, d1, d2)`` float32; a tensor may lie on any device.
        predictor: the network(s).
        inference: patch, overlap, weighting, padding.
        on_progress: called after each forward pass; without a patch, after each layer.

    Yields:
        Slabs in order that together cover ``array``.
    """
    shape = array.shape[1:]
    whole = padded_shape(shape, inference)
    before = [(w - n) // 2 for w, n in zip(whole, shape, strict=True)]
    padded = _padded(array, before, whole, inference, predictor.stepped_down)
    slabs = (
        _whole(padded, predictor, on_progress)
        if inference.patch is None
        else _sliding(padded, predictor, inference, inference.patch, on_progress)
    )
    known = before[0]
    for slab in slabs:  # cut the padding off
        first = max(slab.start, before[0])
        last = min(slab.start + slab.logits.shape[1], before[0] + shape[0])
        if last > known:
            part = slab.logits[:, first - slab.start : last - slab.start]
            for axis in (1, 2):
                part = part.narrow(axis + 1, before[axis], shape[axis])
            yield Slab(first - before[0], part)
            known = last


def _padded(
    array: NDArray[np.float32] | Tensor,
    before: Sequence[int],
    whole: Sequence[int],
    inference: Inference,
    tell: Callable[[str], None],
) -> Tensor:
    """On the array's device, or in the machine's memory."""
    widths = [(b, w - n - b) for b, w, n in zip(before, whole, array.shape[1:], strict=True)]
    if isinstance(array, Tensor) and array.device.type not in ON_HOST:
        if not np.any(widths):
            return array
        if inference.padding == "constant":
            ends = [width for low_high in reversed(widths) for width in low_high]
            pad = functools.partial(nn.functional.pad, pad=ends, value=inference.padding_value)
            return on_device(pad, [array], "to pad the scan", tell)
        return _padded(array.cpu(), before, whole, inference, tell)
    values = np.ascontiguousarray(array)
    if np.any(widths):
        every = [(0, 0), *widths]
        if inference.padding == "constant":
            values = np.pad(values, every, constant_values=inference.padding_value)
        else:
            values = np.pad(values, every, mode=inference.padding)
    return torch.from_numpy(values)


def _whole(padded: Tensor, predictor: Predictor, on_progress: OnProgress | None) -> Iterator[Slab]:
    done = itertools.count(1)

    def on_layer() -> None:
        if on_progress is not None:
            on_progress(min(next(done), total), total)

    with predictor.watched(on_layer) as total:
        features = predictor(padded[None])[0]
    if on_progress is not None and next(done) <= total:  # the last layer is still to come
        on_progress(total, total)
    yield from _in_slabs(features, 0, predictor)


def _in_slabs(features: Tensor, start: int, predictor: Predictor) -> Iterator[Slab]:
    """Of ``(F, n, d1, d2)`` features, from slice ``start`` on: logits are made of a few slices at a time."""
    depth = features.shape[1]
    for stop in range(min(SLICES, depth), depth + SLICES, SLICES):
        first = max(0, stop - SLICES - 1)
        yield Slab(start + first, predictor.logits(features[:, first : min(stop, depth)]))


def _sliding(
    padded: Tensor,
    predictor: Predictor,
    inference: Inference,
    patch: tuple[int, int, int],
    on_progress: OnProgress | None,
) -> Iterator[Slab]:
    depth, *in_plane = (
        window_starts(n, p, inference.overlap, inference.windows) for n, p in zip(padded.shape[1:], patch, strict=True)
    )
    places = list(itertools.product(*in_plane))
    total = len(depth) * len(places) * predictor.passes
    done = itertools.count(1)

    def on_pass(patches: int) -> None:
        for _ in range(patches):
            n = next(done)
        if on_progress is not None:
            on_progress(min(n, total), total)

    window = _Window(patch, padded.shape[2:], torch.from_numpy(_weights(patch, inference)), predictor)
    for start, following in itertools.zip_longest(depth, depth[1:]):
        for n in range(0, len(places), inference.batch):
            group = places[n : n + inference.batch]
            views = [padded[:, start : start + patch[0], y : y + patch[1], x : x + patch[2]] for y, x in group]
            patches = on_device(_stacked, views, "for patches of the scan", predictor.stepped_down)
            window.add(predictor(patches, functools.partial(on_pass, len(group))), group)
        final = patch[0] if following is None else following - start
        predictor.release()  # for what becomes of the slab
        yield from _in_slabs(*window.finished(start, final), predictor)
        window.advance(final)


def _stacked(*views: Tensor) -> Tensor:
    return torch.stack(views)


def _weights(patch: Sequence[int], inference: Inference) -> NDArray[np.float32]:
    if inference.weighting == "constant":
        return np.ones(patch, np.float32)
    if inference.weighting == "monai":
        return gaussian(patch, inference.sigma, smallest_weight_of_monai(patch, inference.sigma))
    return (nnunet_gaussian if inference.weighting == "nnunet" else gaussian)(patch, inference.sigma)


class _Window:
    """The weighted sum of the predictions for one patch-deep run of slices, behind the last one before them."""

    def __init__(self, patch: Sequence[int], plane: Sequence[int], weights: Tensor, predictor: Predictor) -> None:
        self._patch, self._plane, self._weights, self._predictor = patch, plane, weights, predictor
        self._sum = self._weight = torch.empty(0)

    def add(self, logits: Tensor, places: Sequence[tuple[Any, ...]]) -> None:
        """Adds ``(B, outputs, d0, d1, d2)`` logits at their places ``(axis 1, axis 2)``, without copies of them."""
        if not len(self._sum):
            work, tell = functools.partial(self._begin, len(logits[0])), self._predictor.stepped_down
            on_device(work, [logits], "for the sum of the predictions", tell)
        if logits.device != self._sum.device:  # one of the two has left the device, which had no memory
            logits = logits.cpu()
            self._sum, self._weight, self._weights = (each.cpu() for each in (self._sum, self._weight, self._weights))
        _, d1, d2 = self._patch
        for patch, (y, x) in zip(logits, places, strict=True):
            there = self._sum[:, 1:, y : y + d1, x : x + d2]
            there.addcmul_(patch, self._weights)
            self._weight[:, y : y + d1, x : x + d2] += self._weights

    def finished(self, start: int, count: int) -> tuple[Tensor, int]:
        """The mean of the first ``count`` slices, of which the first is number ``start``, behind the one before."""
        self._sum[:, 1 : count + 1] /= self._weight[:count]
        before = min(start, 1)
        return self._sum[:, 1 - before : count + 1], start - before

    def advance(self, count: int) -> None:
        """Lets go of ``count`` slices, all but the last of them."""
        _shift(self._sum, count, axis=1)
        _shift(self._weight, count, axis=0)

    def _begin(self, outputs: int, like: Tensor) -> None:
        """Makes room for the sum, where the logits are."""
        room = torch.zeros(outputs, self._patch[0] + 1, *self._plane, device=like.device)
        self._weight = torch.zeros(self._patch[0], *self._plane, device=like.device)
        self._weights = self._weights.to(like.device)
        self._sum = room


def _shift(tensor: Tensor, count: int, axis: int) -> None:
    """Drops the first ``count`` slices and appends as many zeros, in place: in steps that do not overlap."""
    size = tensor.shape[axis]
    for start in range(0, size - count, count):
        length = min(count, size - count - start)
        tensor.narrow(axis, start, length).copy_(tensor.narrow(axis, start + count, length))
    tensor.narrow(axis, size - count, count).zero_()
