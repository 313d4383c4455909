"""How much memory the sliding window and the mean over passes hold around the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..spec import Inference
from .memory import Forward

BYTES = 4
"""Of a float32."""


class Running(NamedTuple):
    """What ``predict`` holds at its peak, beyond the prepared array.

    Attributes:
        passing: bytes of the network, its input and its predictions for a batch: on the device.
        held: bytes that it keeps from one patch to the next, the sum of the predictions: on the device.
        padded: bytes of the padded copy of the prepared array, 0 where there is none: in the machine's memory.
        shared: bytes of ``passing`` that are the prepared or padded array itself where the network works on the host.
    """

    passing: int
    held: int
    padded: int
    shared: int = 0

    def peak(self, finishing: int) -> int:
        """Bytes at the peak on the device; ``finishing``: what is made of a slab takes so many beside it."""
        return self.held + max(self.passing, finishing)


def running_memory(
    forward: Forward,
    shape: Sequence[int],
    padded: Sequence[int],
    channels: int,
    passes: int,
    batch: int,
    inference: Inference,
) -> Running:
    """Adds up what ``predict`` and ``Predictor`` hold. See there for the order in which arrays come and go.

    Args:
        forward: of one batch of patches.
        shape: voxels of the prepared array along axes 0, 1, 2.
        padded: the same with the padding.
        channels: of the prepared array.
        passes: forward passes per patch.
        batch: patches that go through the network together.
        inference: patch and overlap.
    """
    copied = math.prod(padded) * channels * BYTES if tuple(shape) != tuple(padded) else 0
    per_voxel = forward.outputs * BYTES
    if inference.patch is None:
        logits = math.prod(padded) * per_voxel
        # The mean over passes: the sum beside a pass; at its end the sum, the pass, and the pass turned back.
        passing = forward.memory if passes == 1 else max(forward.memory + logits, 3 * logits)
        return Running(passing - logits, logits, copied, shared=math.prod(padded) * channels * BYTES)
    patches = batch * math.prod(inference.patch) * per_voxel
    window = (inference.patch[0] + 1) * padded[1] * padded[2] * (per_voxel + BYTES)
    passing = forward.memory if passes == 1 else max(forward.memory + patches, 3 * patches)
    return Running(max(passing, patches), window, copied)
