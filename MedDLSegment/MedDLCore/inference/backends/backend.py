"""What every backend can do."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Backend(Protocol):
    """Computes one network."""

    @property
    def name(self) -> str:
        """What people and manifests call it."""

    def __call__(self, patches: Tensor) -> Tensor:
        """Maps ``(B, C, d0, d1, d2)`` float32 to ``(B, outputs, d0, d1, d2)`` logits on the same device.

        Where the head is left to later, to features.
        """

    def release(self) -> None:
        """Gives back the memory that it keeps from one call to the next."""
