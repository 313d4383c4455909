"""What a memory that has run out looks like, of the machine and of the devices that networks run on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Result = TypeVar("Result")

ON_HOST = frozenset({"cpu"})
"""Kinds of devices whose memory is the machine's own: nothing to step down to."""

_WORDS = (
    "DefaultCPUAllocator",
    "Failed to allocate memory for image",  # ITK
    "MPS backend out of memory",
    "CUDA out of memory",
    "CUDA error: out of memory",  # the driver's own, e.g. where another program holds the card's memory
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""How those say it that have no exception of their own for it."""


def is_out_of_memory(error: BaseException) -> bool:
    """An allocator gave up. Other errors are not for stepping down: they would only come again."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")  # where it is not loaded, it has raised nothing
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


def on_device(
    work: Callable[..., Result], tensors: Sequence[Tensor], what: str, tell: Callable[[str], None] | None = None
) -> Result:
    """Does something with tensors where they are, or with copies in the machine's memory.

    The latter where they are not all on one device, and where their device has no memory left for it, or (MPS) lacks
    an operation.

    Args:
        work: takes the tensors and does not change them.
        tensors: one or more.
        what: is done, for a message: "to decide the labels".
        tell: told what happened where the device did not do.
    """
    device = tensors[0].device
    if all(tensor.device == device for tensor in tensors):
        try:
            return work(*tensors)
        except NotImplementedError:  # of an operation that MPS lacks
            if device.type != "mps":
                raise
            problem = "lacks an operation"
        except RuntimeError as error:
            if not is_out_of_memory(error) or device.type in ON_HOST:
                raise
            problem = "had no memory"
        if tell is not None:  # outside the handlers: their tracebacks would keep tensors alive
            tell(f"{device} {problem} {what}; it went on in the machine's memory.")
        release(str(device))
    return work(*(tensor.cpu() for tensor in tensors))


def release(device: str) -> None:
    """Gives cached device memory back, so that a smaller attempt can use it."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
    elif device == "mps":
        import torch

        torch.mps.empty_cache()
