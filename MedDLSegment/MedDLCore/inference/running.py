"""How much memory the sliding window and the mean over passes hold around the network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from ..spec import Inference
from .memory import Forward
from .windows import window_starts

BYTES = 4
"""Of a float32."""


class Running(NamedTuple):
    """What ``predict`` holds at its peak, beyond the prepared array.

    Attributes:
        work: bytes of the network, its input and the sum of its predictions: on the device.
        padded: bytes of the padded copy of the prepared array, 0 where there is none: in the machine's memory.
        before_last: bytes of finished slabs while the network works on the last row of patches.
        logits: bytes of the finished logits of the whole scan.
        slabs: bytes of the finished slabs that are on their way into them.
        shared: bytes of ``work`` that are the prepared or padded array itself where the network works on the host.
    """

    work: int
    padded: int
    before_last: int
    logits: int
    slabs: int
    shared: int = 0

    def on_host(self, work_too: bool) -> int:
        """Bytes at the peak in the machine's memory; ``work_too``: the network works there as well."""
        if not work_too:
            return self.padded + self.slabs + self.logits
        return self.padded + max(self.work - self.shared + self.before_last, 2 * self.slabs + self.logits)


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
        # The mean over passes: the sum beside a pass; at its end the sum, the pass turned back, and the mean.
        work = forward.memory if passes == 1 else max(forward.memory + logits, 4 * logits)
        return Running(work, copied, 0, logits, 0, shared=math.prod(padded) * channels * BYTES)
    starts = window_starts(padded[0], inference.patch[0], inference.overlap)
    patches = batch * math.prod(inference.patch) * per_voxel
    slab = inference.patch[0] * padded[1] * padded[2] * per_voxel
    passing = forward.memory if passes == 1 else max(forward.memory + patches, 4 * patches)
    work = slab + max(passing, patches + patches // batch)  # or a batch and a patch of it that is weighted
    if len(starts) == 1:  # finished in one piece, which is handed on as it is
        return Running(work, copied, 0, slab, 0)
    plane = shape[1] * shape[2] * per_voxel
    step = max(after - before for before, after in itertools.pairwise(starts))
    return Running(work, copied, starts[-1] * plane + slab * step // inference.patch[0], shape[0] * plane, slab)
