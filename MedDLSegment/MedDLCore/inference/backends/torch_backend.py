"""Networks computed by torch: on CUDA in half precision where the card has fast units for it, else in float32."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ..head import Head, without
from .single_patch import SinglePatch

TENSOR_CORES = (7, 0)
"""Compute capability from which cards have them. Before it, half precision is no faster or far slower."""


class TorchBackend:
    """Computes a network with torch, on the device that it is moved to.

    Half precision is float16 under autocast, as nnU-Net's predictor has it: convolutions take it, and what is
    sensitive stays float32. bfloat16 has 8 bits of mantissa against 11, and flips labels more often.
    """

    def __init__(
        self, network: nn.Module, device: str = "cpu", full_precision: bool = False, head: Head | None = None
    ) -> None:
        """Takes a network.

        Args:
            network: in eval mode.
            device: where it is, or will be.
            full_precision: float32 on every device.
            head: what is left to later.
        """
        self._network = network
        self._head = head
        self._full_precision = full_precision
        self._half = self._is_half_on(device)

    @property
    def name(self) -> str:
        """``torch``, or ``torch float16``."""
        return "torch float16" if self._half else "torch"

    def to(self, device: str) -> None:
        """Moves the network."""
        self._network.to(device)
        self._half = self._is_half_on(device)

    def widen(self) -> bool:
        """Goes over to float32 for good; False where it computes in float32 already."""
        was_half, self._half, self._full_precision = self._half, False, True
        return was_half

    def __call__(self, patches: Tensor) -> Tensor:
        """See ``Backend``."""
        half = torch.autocast("cuda", torch.float16) if self._half else nullcontext()
        with torch.inference_mode(), half, SinglePatch(), without(self._head):
            logits: Tensor = self._network(patches)
        return logits

    def release(self) -> None:
        """Keeps nothing."""

    def _is_half_on(self, device: str) -> bool:
        if self._full_precision or not device.startswith("cuda"):
            return False
        return torch.cuda.get_device_capability(device) >= TENSOR_CORES
