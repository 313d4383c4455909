"""One batch varied as the plan says."""

from __future__ import annotations

import torch
from torch import Tensor

from ...plan import Plan
from .chance import Draws
from .space import vary_space
from .values import EFFECTS


def augment(images: Tensor, truth: Tensor, plan: Plan, draws: Draws) -> tuple[Tensor, Tensor]:
    """Varies a batch, and cuts the patch out of its surroundings.

    Args:
        images: ``(B, C, s0, s1, s2)`` float32, from ``draw_batch``, on the device of ``draws``.
        truth: ``(B, L, s0, s1, s2)`` float32.
        plan: patch and augmentation.
        draws: decides; the same give the same on the same device.

    Returns:
        ``(B, C, *patch)`` and ``(B, L, *patch)`` float32.
    """
    spacing = [mm or 1.0 for mm in plan.grid.spacing or (1.0, 1.0, 1.0)]
    padding = plan.inference.padding_value
    with torch.no_grad():
        images, truth = vary_space(images, truth, plan.patch, spacing, plan.augmentation, draws, padding)
        for name, effect in EFFECTS.items():
            settings = getattr(plan.augmentation, name)
            chosen = draws.chosen(len(images), settings.probability)
            if len(chosen):
                own = draws.of(chosen)
                images[chosen] = effect(images[chosen], own.strengths(len(chosen), settings), own)
    return images, truth
