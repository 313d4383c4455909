"""What a click says holds where it was made: a network that still says otherwise is bent there, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..preprocess import Clicked
from ..spec import Clicks

if TYPE_CHECKING:
    from torch import Tensor

LEAD = 0.5
"""By so much the label that a click wants is ahead at its voxel, in logits: resampling does not turn it back."""


def heed(
    logits: Tensor, clicked: Sequence[Clicked], clicks: Clicks, spacing: Sequence[float], overlapping: bool
) -> None:
    """Lets the clicks have their way.

    Where a click is not obeyed, what it lacks is added to the logit of its label (or taken away, by a negative one), in
    full as far as the click's ball reaches, and less and less to twice that distance. So of the voxels around it those
    follow that are at least as likely as the clicked one: a border is moved up to the click, and what the network is
    sure of stays.

    Args:
        logits: ``(C, d0, d1, d2)``, changed in place: of the background and the labels, or of the labels alone where
            they overlap.
        clicked: in their order, on the same grid; some may lie outside. Where two disagree, the later one counts.
        clicks: which labels listen, and the radius of the ball, mm.
        spacing: mm along axes 0, 1, 2.
        overlapping: whether the labels are.
    """
    import torch

    for one in clicked:
        voxel, shape = one.voxel, logits.shape[1:]
        if one.label not in clicks.labels or not all(0 <= n < size for n, size in zip(voxel, shape, strict=True)):
            continue
        channel = one.label - overlapping
        there = logits[:, voxel[0], voxel[1], voxel[2]].clone()
        own, there[channel] = float(there[channel]), -torch.inf
        lacking = (0.0 if overlapping else float(there.max())) - own
        change = lacking + LEAD if one.positive else lacking - LEAD
        if (change > 0) is one.positive:
            near = [
                slice(max(n - int(2 * clicks.radius / mm), 0), n + int(2 * clicks.radius / mm) + 1)
                for n, mm in zip(voxel, spacing, strict=True)
            ]
            part = logits[channel, near[0], near[1], near[2]]
            from_part = [n - each.start for n, each in zip(voxel, near, strict=True)]
            part += change * _share(part, from_part, spacing, clicks.radius)


def _share(part: Tensor, voxel: Sequence[int], spacing: Sequence[float], radius: float) -> Tensor:
    """``(d0, d1, d2)``: 1 in a ball around a voxel, 0 from twice its radius on."""
    import torch

    sides = zip(part.shape, voxel, spacing, strict=True)
    a, b, c = torch.meshgrid(*((torch.arange(size) - n) * mm for size, n, mm in sides), indexing="ij")
    return (2 - torch.sqrt(a**2 + b**2 + c**2) / radius).clamp(0, 1).to(part)
