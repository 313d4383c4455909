"""Networks without data: torch's meta device, where tensors have a shape and no values.

torch (2.13) works most shapes out in Python, and imports sympy and its compiler on the way there: that takes most of
the time again that importing torch took. So the operations of MedDL's own networks are answered here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

NOT_TAKEN = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What networks raise for an input of a shape that they cannot take."""

POINTWISE = ("add", "elu", "gelu", "leaky_relu", "mish", "mul", "relu", "sigmoid", "silu")
"""Operations on each voxel, which also exist in place (``relu_``)."""


def without_data(network: nn.Module) -> nn.Module:
    """A copy of a network on the meta device. The weights are not copied; what shares a tensor still shares one."""
    twins: dict[int, Any] = {}
    for tensor in (*network.parameters(), *network.buffers()):
        twin = torch.empty_like(tensor, device="meta")
        twins[id(tensor)] = torch.nn.Parameter(twin, False) if isinstance(tensor, torch.nn.Parameter) else twin
    return copy.deepcopy(network, twins)


def answer(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation returns, to be called from a dispatch mode.

    What is not plainly right is left to torch, whose errors say what is wrong.
    """
    known = _answers().get(func.overloadpacket)
    found = known(*args) if known is not None and not kwargs else None
    return func(*args, **kwargs) if found is None else found


class Answered(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, operations are answered with shapes alone."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and to skip torch's compiler is to import it: half of the time that torch takes."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return answer(func, args, kwargs or {})


def shapes_of(bare: nn.Module, shape: Sequence[int], mode: Answered | None = None) -> Any:
    """What a network without data returns for an input of ``shape``; what the network raises propagates."""
    with torch.no_grad(), mode or Answered():  # type: ignore[no-untyped-call]
        return bare(torch.empty(tuple(shape), device="meta"))


@lru_cache(maxsize=1)
def _answers() -> Mapping[Any, Callable[..., Any]]:
    aten = torch.ops.aten
    known: dict[str, Callable[..., Any]] = {
        **dict.fromkeys(POINTWISE, _pointwise),
        **dict.fromkeys([f"{name}_" for name in POINTWISE], _in_place),
        "avg_pool2d": _pooled,
        "avg_pool3d": _pooled,
        "cat": _cat,
        "convolution": _convolution,
        "native_batch_norm": _batch_norm,
        "repeat": _repeat,
    }
    return {getattr(aten, name): reply for name, reply in known.items()}


def _is_bare(*values: Any) -> bool:
    """Tensors on the meta device, of one kind of floating-point number."""
    kinds = {getattr(value, "dtype", None) for value in values}
    return len(kinds) == 1 and None not in kinds and all(v.is_meta and v.is_floating_point() for v in values)


def _pointwise(image: Any, other: Any = None, *_: Any) -> Tensor | None:
    both = (image,) if other is None or isinstance(other, (int, float)) else (image, other)
    alike = _is_bare(*both) and all(one.shape == image.shape for one in both)
    return image.new_empty(image.shape) if alike else None


def _in_place(image: Any, other: Any = None, *_: Any) -> Tensor | None:
    return None if _pointwise(image, other) is None else image


def _cat(images: Sequence[Tensor], axis: int = 0) -> Tensor | None:
    first, shapes = images[0], [list(image.shape) for image in images]
    total = sum(shape.pop(axis) for shape in shapes)
    if not _is_bare(*images) or any(shape != shapes[0] for shape in shapes):
        return None
    whole = list(first.shape)
    whole[axis] = total
    return first.new_empty(whole)


def _pooled(
    image: Tensor,
    size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil: bool = False,
    *_: Any,
) -> Tensor | None:
    """Blocks that tile the image, which is what pooling is used for."""
    axes, blocks = len(size), list(stride or size)
    sizes = [n // block for n, block in zip(image.shape[-axes:], blocks, strict=True)]
    if blocks != list(size) or any(padding) or ceil or not _is_bare(image) or min(sizes) < 1:
        return None
    return image.new_empty((*image.shape[:-axes], *sizes))


def _convolution(
    image: Tensor,
    weight: Tensor,
    _: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor | None:
    """``(B, outputs, ...)``, with the sizes that torch's documentation of ``Conv3d`` and ``ConvTranspose3d`` gives."""
    axes = image.ndim - 2
    lists = [list(values) * (axes if len(values) == 1 else 1) for values in (stride, padding, dilation, output_padding)]
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    fits = weight.ndim == image.ndim and channels == image.shape[1] and all(len(values) == axes for values in lists)
    if not fits or not _is_bare(image, weight):
        return None
    reach = [d * (k - 1) for d, k in zip(lists[2], weight.shape[2:], strict=True)]
    sizes = [
        (n - 1) * s - 2 * p + r + extra + 1 if transposed else (n + 2 * p - r - 1) // s + 1
        for n, s, p, r, extra in zip(image.shape[2:], lists[0], lists[1], reach, lists[3], strict=True)
    ]
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    return image.new_empty((image.shape[0], outputs, *sizes)) if min(sizes, default=0) > 0 else None


def _batch_norm(image: Tensor, *weights_and_statistics: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """The image, and two statistics of each channel."""
    channels, given = image.shape[1], [tensor for tensor in weights_and_statistics[:4] if tensor is not None]
    if not _is_bare(image, *given) or any(tensor.shape != (channels,) for tensor in given):
        return None
    return image.new_empty(image.shape), image.new_empty(channels), image.new_empty(channels)


def _repeat(values: Tensor, repeats: Sequence[int]) -> Tensor | None:
    if not _is_bare(values) or values.ndim != len(repeats):
        return None
    return values.new_empty([n * times for n, times in zip(values.shape, repeats, strict=True)])
