"""How much memory a forward pass needs, without running it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from ..meta import Answered, shapes_of, without_data
from .head import Head, without

BLOCK = 16
"""Channels of a block in oneDNN's memory layout with AVX-512; with less it is 8, and the forecast is a little high."""


class Forward(NamedTuple):
    """What one forward pass needs.

    Attributes:
        memory: peak bytes of the tensors alive at one time in inference mode: input included, weights not.
        operations: floating-point operations.
        outputs: channels that the network returns.
    """

    memory: int
    operations: int
    outputs: int


class _LiveStorages(Answered):  # type: ignore[no-untyped-call]
    """Follows every storage that an operation returns until it is freed, and counts floating-point operations."""

    def __init__(self, reordered: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reordered = reordered
        self.live = self.peak = self.operations = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.live
        result = super().__torch_dispatch__(func, types, args, kwargs)
        if (count := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += int(count(*args, **(kwargs or {}), out_val=result))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor):
                self._follow(value.untyped_storage())
        if self._reordered and func is torch.ops.aten.convolution.default:
            transposed = bool(args[6])
            self.peak = max(self.peak, before + _at_work(args[0], result, transposed))
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _at_work(given: torch.Tensor, made: torch.Tensor, transposed: bool) -> int:
    """Bytes that oneDNN's convolution holds beside its input, its output included (measured, torch 2.13).

    It works on copies of the input and the output whose channels are padded to whole blocks; the input's copy is gone
    when the output is brought back into torch's order. An input of less than a block is taken as it is. A transposed
    convolution holds its output three times.
    """
    if transposed:
        return 3 * made.nbytes
    copy = _blocked(given) if given.shape[1] >= BLOCK else 0
    return _blocked(made) + max(copy, made.nbytes)


def _blocked(tensor: torch.Tensor) -> int:
    """Bytes of a ``(B, C, ...)`` tensor whose channels are padded to whole blocks."""
    channels = int(tensor.shape[1])
    return tensor.nbytes // channels * (math.ceil(channels / BLOCK) * BLOCK)


def peak_memory(network: nn.Module, shape: Sequence[int], reordered: bool = False, head: Head | None = None) -> Forward:
    """Runs the network on torch's meta device, where tensors have a shape but no data.

    Once for each network and shape: a network that is kept does not change.

    Args:
        network: the network; not changed.
        shape: ``(B, C, d0, d1, d2)`` of its input.
        reordered: count the copies that oneDNN's convolutions work on, as on a CPU.
        head: what is left to later.
    """
    known = _KNOWN.setdefault(network, {})
    key = (tuple(shape), reordered, head is not None)
    if key not in known:
        with without(head):
            bare = without_data(network)
        live = _LiveStorages(reordered)
        logits = shapes_of(bare, shape, live)
        outputs = int(logits.shape[1]) if isinstance(logits, torch.Tensor) and logits.ndim > 1 else 0
        known[key] = Forward(live.peak, live.operations, outputs)
    return known[key]


_Key = tuple[tuple[int, ...], bool, bool]
_KNOWN: weakref.WeakKeyDictionary[nn.Module, dict[_Key, Forward]] = weakref.WeakKeyDictionary()
