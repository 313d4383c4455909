"""Batches with simulated clicks, so that a network learns to listen (after DeepEdit, Diaz-Pinto et al. 2022).

A part of the patches has no click: so the same network segments on its own. The others are learnt from as they come up
in use: the network's own result, a click into its largest error, its result again, and so on; the last click is learnt
from (iterative training, Sofiiuk et al. 2022). The few voxels at the clicks count once more, by themselves: in the loss
of a whole patch they hardly weigh, and a network that is good without clicks would not learn to heed them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  its name everywhere
from torch import Tensor, nn

from MedDLCore.preprocess import Clicked, click_channels, click_spacing, mask_channels

from ..plan import Plan
from .losses import Total, alone
from .network import outputs_of
from .simulated_user import next_click


def with_silence(images: Tensor, plan: Plan) -> Tensor:
    """``(B, C, ...)`` as the plan's network takes them: with channels of no click, where it listens."""
    silent = plan.spec.input_channels - images.shape[1]
    return torch.cat([images, images.new_zeros((len(images), silent, *images.shape[2:]))], dim=1) if silent else images


def with_clicks(network: nn.Module, images: Tensor, truth: Tensor, plan: Plan, seed: int, first: int = 0) -> Tensor:
    """Simulates a person who corrects what the network finds now.

    Args:
        network: on the device of the images; afterwards as it was.
        images: ``(B, C, *patch)``: the channels of the scan.
        truth: ``(B, L, *patch)``, see ``PreparedCase.truth``.
        plan: which clicks, and how many.
        seed: of the iteration: decides together with a patch's place in the batch.
        first: the place of the first of these patches.

    Returns:
        ``(B, C + 3 * labels, *patch)``; for a plan without clicks the images.
    """
    heard, clicks, listening = with_silence(images, plan), plan.spec.clicks, plan.listening
    if clicks is None or listening is None:
        return heard
    spacing = click_spacing(plan.grid)
    rngs = [np.random.default_rng([seed, first + n]) for n in range(len(images))]
    wanted = [0 if rng.random() < listening.silent else int(rng.integers(1, listening.most + 1)) for rng in rngs]
    clicked: list[list[Clicked]] = [[] for _ in rngs]
    true = truth.cpu().numpy()
    with _as_used(network):
        while asked := [n for n, count in enumerate(wanted) if len(clicked[n]) < count]:
            for n, found in zip(asked, _found(network, heard[asked], plan), strict=True):
                click = next_click(found, true[n], clicks, spacing, plan.overlapping, rngs[n])
                if click is None:
                    wanted[n] = len(clicked[n])
                    continue
                clicked[n].append(click)
                balls = click_channels(clicked[n], plan.patch, spacing, clicks)
                masks = mask_channels(found, clicks, plan.overlapping)
                heard[n, images.shape[1] :] = torch.from_numpy(np.concatenate([balls, masks])).to(heard)
    return heard


def loss_at_clicks(heard: Tensor, logits: Tensor, truth: Tensor, plan: Plan, total: Total = alone) -> Tensor:
    """The mean cross entropy in the balls of the clicks; 0 where nobody has clicked, or the plan has no clicks.

    Args:
        heard: what the network took, ``(B, C + 3 * labels, *patch)``, see ``with_clicks``.
        logits: what it found, ``(B, outputs, *patch)``.
        truth: ``(B, L, *patch)``; within a ball each voxel counts as what it is.
        plan: which of the channels are clicks, and what they weigh.
        total: where several processes share a batch: sums over all of them.
    """
    clicks, listening = plan.spec.clicks, plan.listening
    if clicks is None or listening is None:
        return logits.new_zeros(())
    first = len(plan.channels)
    clicked = heard[:, first : first + 2 * len(clicks.labels)].amax(dim=1)
    if plan.overlapping:
        each = F.binary_cross_entropy_with_logits(logits.float(), truth.float(), reduction="none").mean(dim=1)
    else:
        each = F.cross_entropy(logits.float(), truth[:, 0].long(), reduction="none")
    missed, voxels = total(torch.stack([(each * clicked).sum(), clicked.sum()]))
    loss: Tensor = listening.weight * missed / voxels.clamp(min=1)
    return loss


def _found(network: nn.Module, heard: Tensor, plan: Plan) -> np.ndarray:
    """``(B, 1, *patch)`` label values, or ``(B, L, *patch)`` masks."""
    logits = outputs_of(network, heard, 0)[0]
    found: np.ndarray = (logits > 0 if plan.overlapping else logits.argmax(dim=1, keepdim=True)).cpu().numpy()
    return found


@contextmanager
def _as_used(network: nn.Module) -> Iterator[None]:
    """In eval mode and without gradients; then as it was."""
    learning = [part for part in network.modules() if part.training]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part in learning:
            part.training = True
