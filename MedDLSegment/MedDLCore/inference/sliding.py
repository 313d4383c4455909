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
from torch import Tensor

from ..errors import Code, Notice
from ..spec import Inference
from .devices import is_out_of_memory, release
from .predictor import Predictor
from .windows import gaussian, nnunet_gaussian, smallest_weight_of_monai, window_starts

ON_HOST = frozenset({"cpu"})
"""Kinds of devices whose memory is the machine's own: nothing to step down to."""

OnProgress = Callable[[int, int], None]
"""Called with (done, of) after each forward pass; what it raises (a cancellation) ends the run."""


@dataclass(frozen=True, eq=False)
class Slab:
    """Finished logits of the slices ``start`` to ``start + n`` along network axis 0.

    Attributes:
        start: first slice.
        logits: ``(outputs, n, d1, d2)`` float32.
    """

    start: int
    logits: NDArray[np.float32]


def padded_shape(shape: Sequence[int], inference: Inference) -> tuple[int, int, int]:
    """The shape that goes through the network: at least a patch, or a multiple of the divisor."""
    if inference.patch is not None:
        a, b, c = (max(n, p) for n, p in zip(shape, inference.patch, strict=True))
    else:
        a, b, c = (-(-n // inference.divisor) * inference.divisor for n in shape)
    return a, b, c


def predict(
    array: NDArray[np.float32], predictor: Predictor, inference: Inference, on_progress: OnProgress | None = None
) -> Iterator[Slab]:
    """Runs the network over an array.

    Args:
        array: ``(C, d0, d1, d2)`` float32.
        predictor: the network(s).
        inference: patch, overlap, weighting, padding.
        on_progress: called after each forward pass; without a patch, after each layer.

    Yields:
        Slabs in order, without gaps, that together cover ``array``.
    """
    shape = array.shape[1:]
    whole = padded_shape(shape, inference)
    before = [(w - n) // 2 for w, n in zip(whole, shape, strict=True)]
    padded = torch.from_numpy(_padded(array, before, whole, inference))
    slabs = (
        _whole(padded, predictor, on_progress)
        if inference.patch is None
        else _sliding(padded, predictor, inference, inference.patch, on_progress)
    )
    for slab in slabs:  # cut the padding off
        first = max(slab.start, before[0])
        last = min(slab.start + slab.logits.shape[1], before[0] + shape[0])
        if first < last:
            inner = slab.logits[
                :,
                first - slab.start : last - slab.start,
                before[1] : before[1] + shape[1],
                before[2] : before[2] + shape[2],
            ]
            yield Slab(first - before[0], inner)


def _padded(
    array: NDArray[np.float32], before: Sequence[int], whole: Sequence[int], inference: Inference
) -> NDArray[np.float32]:
    shape = array.shape[1:]
    widths = [(0, 0), *((b, w - n - b) for b, w, n in zip(before, whole, shape, strict=True))]
    if not np.any(widths):
        return np.ascontiguousarray(array)
    if inference.padding == "constant":
        return np.pad(array, widths, constant_values=inference.padding_value)
    return np.pad(array, widths, mode=inference.padding)


def _whole(padded: Tensor, predictor: Predictor, on_progress: OnProgress | None) -> Iterator[Slab]:
    done = itertools.count(1)

    def on_layer() -> None:
        if on_progress is not None:
            on_progress(min(next(done), total), total)

    with predictor.watched(on_layer) as total:
        logits = predictor(padded[None])
    yield Slab(0, logits[0].cpu().numpy())


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
            patches = torch.stack(
                [padded[:, start : start + patch[0], y : y + patch[1], x : x + patch[2]] for y, x in group]
            )
            window.add(predictor(patches, functools.partial(on_pass, len(group))), group)
        final = patch[0] if following is None else following - start
        yield Slab(start, window.finish(final))


def _weights(patch: Sequence[int], inference: Inference) -> NDArray[np.float32]:
    if inference.weighting == "constant":
        return np.ones(patch, np.float32)
    if inference.weighting == "monai":
        return gaussian(patch, inference.sigma, smallest_weight_of_monai(patch, inference.sigma))
    return (nnunet_gaussian if inference.weighting == "nnunet" else gaussian)(patch, inference.sigma)


class _Window:
    """The weighted sum of the predictions for one patch-deep run of slices."""

    def __init__(self, patch: Sequence[int], plane: Sequence[int], weights: Tensor, predictor: Predictor) -> None:
        self._patch, self._plane, self._weights, self._predictor = patch, plane, weights, predictor
        self._sum: Tensor | None = None
        self._weight = torch.zeros(patch[0], *plane)

    def add(self, logits: Tensor, places: Sequence[tuple[Any, ...]]) -> None:
        """Adds ``(B, outputs, d0, d1, d2)`` logits at their places ``(axis 1, axis 2)``."""
        try:
            self._add(logits, places)
        except RuntimeError as error:
            if not is_out_of_memory(error) or logits.device.type in ON_HOST:
                raise
        else:
            return
        # A patch is added in place after its product was allocated, so that ``_added`` patches are in the sum.
        message = f"{logits.device} had no memory for the sum of the predictions; it went on in the machine's memory."
        self._predictor.notices.append(Notice(Code.STEPPED_DOWN, message))
        remaining = places[self._added :]
        on_cpu = logits.cpu()[self._added :]
        self._sum = None if self._sum is None else self._sum.cpu()
        release(self._predictor.device)
        self._add(on_cpu, remaining)

    def _add(self, logits: Tensor, places: Sequence[tuple[Any, ...]]) -> None:
        self._added = 0
        d0, d1, d2 = self._patch
        if self._sum is None:
            self._sum = torch.zeros(logits.shape[1], d0, *self._plane, device=logits.device)
        weights = self._weights.to(self._sum.device)
        for patch, (y, x) in zip(logits, places, strict=True):
            weighted = patch.to(self._sum.device) * weights
            self._sum[:, :, y : y + d1, x : x + d2] += weighted
            self._weight[:, y : y + d1, x : x + d2] += self._weights
            self._added += 1

    def finish(self, count: int) -> NDArray[np.float32]:
        """``(outputs, count, d1, d2)``: the mean of the first ``count`` slices, which then leave the window."""
        assert self._sum is not None  # noqa: S101  something was added
        finished: NDArray[np.float32] = (self._sum[:, :count].cpu() / self._weight[:count]).numpy()
        self._sum = _advanced(self._sum, count, axis=1)
        self._weight = _advanced(self._weight, count, axis=0)
        return finished


def _advanced(tensor: Tensor, count: int, axis: int) -> Tensor:
    """Drops the first ``count`` slices and appends as many zeros, in place where the memory allows."""
    kept = tensor.narrow(axis, count, tensor.shape[axis] - count).clone()
    tensor.zero_()
    tensor.narrow(axis, 0, kept.shape[axis]).copy_(kept)
    return tensor
