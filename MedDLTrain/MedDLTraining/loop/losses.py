"""What is minimised, for exclusive labels and for overlapping ones, over one or several resolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812  its name everywhere
from monai.losses import FocalLoss
from torch import Tensor

from ..plan import Loss

LossFunction = Callable[[Sequence[Tensor], Tensor], Tensor]
"""Of logits, finest first, ``(B, outputs, d0, d1, d2)`` each, and truth ``(B, L, d0, d1, d2)``: one number."""


Total = Callable[[Tensor], Tensor]
"""A sum over this process's part of the batch, to that over the whole batch."""

SMOOTH = 1e-5
"""Keeps the ratio defined where a class is neither there nor found (MONAI's value)."""

IN_BATCH = (0, 2, 3, 4)


def alone(own: Tensor) -> Tensor:
    """The sum where one process has the whole batch."""
    return own


def loss_function(loss: Loss, overlapping: bool, total: Total = alone) -> LossFunction:
    """The loss of a plan.

    Dice and Tversky are those of the whole batch, without the background (nnU-Net's batch Dice). Coarser outputs are
    compared with the truth's nearest voxels; each counts half of the finer one.

    Args:
        loss: kind and weights.
        overlapping: truth is a mask for each label, with a sigmoid; else one layer of values, with a softmax.
        total: where several processes share a batch: sums over all of them.
    """
    term = _term(loss, overlapping, total)

    def value(outputs: Sequence[Tensor], truth: Tensor) -> Tensor:
        weights = [0.5**n for n in range(len(outputs))]
        terms = [
            weight * term(logits.float(), _at(truth, logits)) for weight, logits in zip(weights, outputs, strict=True)
        ]
        result: Tensor = sum(terms[1:], terms[0]) / sum(weights)
        return result

    return value


def _term(loss: Loss, overlapping: bool, total: Total) -> Callable[[Tensor, Tensor], Tensor]:
    if loss.kind == "tversky":
        return _overlap(loss.alpha, loss.beta, overlapping, total)
    focal = FocalLoss(gamma=loss.gamma, use_softmax=not overlapping, to_onehot_y=not overlapping)
    pointwise = focal if "focal" in loss.kind else _binary_cross_entropy if overlapping else _cross_entropy
    dice = _overlap(0.5, 0.5, overlapping, total)

    def combined(logits: Tensor, truth: Tensor) -> Tensor:
        value: Tensor = loss.pointwise * pointwise(logits, truth)
        return value if loss.kind == "focal" else value + loss.overlap * dice(logits, truth)

    return combined


def _overlap(alpha: float, beta: float, overlapping: bool, total: Total) -> Callable[[Tensor, Tensor], Tensor]:
    """The Tversky loss over the batch (Salehi et al. 2017); with two halves it is the soft Dice loss."""

    def value(logits: Tensor, truth: Tensor) -> Tensor:
        if overlapping:
            found, drawn = logits.sigmoid(), truth
        else:
            found = logits.softmax(1)
            drawn = torch.zeros_like(found).scatter_(1, truth.long(), 1)[:, 1:]
            found = found[:, 1:]
        sums = [(found * drawn).sum(IN_BATCH), found.sum(IN_BATCH), drawn.sum(IN_BATCH)]
        both, of_found, of_drawn = total(torch.stack(sums))
        wrong = alpha * (of_found - both) + beta * (of_drawn - both)
        loss: Tensor = 1 - ((both + SMOOTH) / (both + wrong + SMOOTH)).mean()
        return loss

    return value


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.cross_entropy(logits, truth[:, 0].long())


def _binary_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, truth)


def _at(truth: Tensor, logits: Tensor) -> Tensor:
    return truth if truth.shape[2:] == logits.shape[2:] else F.interpolate(truth, logits.shape[2:], mode="nearest")
