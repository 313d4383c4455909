"""What a memory that has run out looks like, of the machine and of the devices that networks run on."""

from __future__ import annotations

import sys

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


def release(device: str) -> None:
    """Gives cached device memory back, so that a smaller attempt can use it."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
    elif device == "mps":
        import torch

        torch.mps.empty_cache()
