"""How much memory a forward pass needs, without running it."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


class _LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every storage that an operation returns until it is freed."""

    def __init__(self, reordered: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reordered = reordered
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor):
                self._follow(value.untyped_storage())
        if self._reordered and func is torch.ops.aten.convolution.default:
            self.peak = max(self.peak, self.live + _blocked(args[0]) + _blocked(result))
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


def _blocked(tensor: torch.Tensor) -> int:
    """Bytes of a ``(B, C, ...)`` tensor whose channels are padded to a multiple of 16."""
    channels = int(tensor.shape[1])
    return tensor.nbytes // channels * (-(-channels // 16) * 16)


def peak_memory(network: nn.Module, shape: tuple[int, ...], reordered: bool = False) -> tuple[int, int]:
    """Runs the network on torch's meta device, where tensors have a shape but no data.

    Args:
        network: the network; not changed.
        shape: ``(B, C, d0, d1, d2)`` of its input.
        reordered: each convolution works on copies of its input and output, as oneDNN's on a CPU do, which bring the
            channels into blocks of 16.

    Returns:
        Peak bytes of the tensors alive at one time during a forward pass in inference mode (input included, weights
        and the libraries' own work space not), and its floating-point operations.
    """
    on_meta = _to_meta(network)
    live = _LiveStorages(reordered)
    with torch.no_grad(), FlopCounterMode(display=False) as flops, live:
        on_meta(torch.empty(shape, device="meta"))
    return live.peak, int(flops.get_total_flops())


def _to_meta(network: nn.Module) -> nn.Module:
    """A copy of the network on the meta device that never holds a second copy of the weights."""
    memo: dict[int, Any] = {}
    for tensor in [*network.parameters(), *network.buffers()]:
        twin = torch.empty_like(tensor, device="meta")
        memo[id(tensor)] = nn.Parameter(twin, False) if isinstance(tensor, nn.Parameter) else twin
    return copy.deepcopy(network, memo)
