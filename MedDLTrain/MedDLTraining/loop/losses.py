"""What is minimised, for exclusive labels and for overlapping ones, over one or several resolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F  # noqa: N812  its name everywhere
from monai.losses import DiceLoss, FocalLoss, TverskyLoss
from torch import Tensor

from ..plan import Loss

LossFunction = Callable[[Sequence[Tensor], Tensor], Tensor]
"""Of logits, finest first, ``(B, outputs, d0, d1, d2)`` each, and truth ``(B, L, d0, d1, d2)``: one number."""


def loss_function(loss: Loss, overlapping: bool) -> LossFunction:
    """The loss of a plan.

    Dice and Tversky are those of the whole batch, without the background (nnU-Net's batch Dice). Coarser outputs are
    compared with the truth's nearest voxels; each counts half of the finer one.

    Args:
        loss: kind and weights.
        overlapping: truth is a mask for each label, with a sigmoid; else one layer of values, with a softmax.
    """
    term = _term(loss, overlapping)

    def total(outputs: Sequence[Tensor], truth: Tensor) -> Tensor:
        weights = [0.5**n for n in range(len(outputs))]
        terms = [
            weight * term(logits.float(), _at(truth, logits)) for weight, logits in zip(weights, outputs, strict=True)
        ]
        result: Tensor = sum(terms[1:], terms[0]) / sum(weights)
        return result

    return total


def _term(loss: Loss, overlapping: bool) -> Callable[[Tensor, Tensor], Tensor]:
    layout = {
        "include_background": overlapping,
        "to_onehot_y": not overlapping,
        "softmax": not overlapping,
        "sigmoid": overlapping,
        "batch": True,
    }
    if loss.kind == "tversky":
        tversky: Callable[[Tensor, Tensor], Tensor] = TverskyLoss(alpha=loss.alpha, beta=loss.beta, **layout)
        return tversky
    focal = FocalLoss(gamma=loss.gamma, use_softmax=not overlapping, to_onehot_y=not overlapping)
    pointwise = focal if "focal" in loss.kind else _binary_cross_entropy if overlapping else _cross_entropy
    overlap = DiceLoss(**layout)

    def combined(logits: Tensor, truth: Tensor) -> Tensor:
        value: Tensor = loss.pointwise * pointwise(logits, truth)
        return value if loss.kind == "focal" else value + loss.overlap * overlap(logits, truth)

    return combined


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.cross_entropy(logits, truth[:, 0].long())


def _binary_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, truth)


def _at(truth: Tensor, logits: Tensor) -> Tensor:
    return truth if truth.shape[2:] == logits.shape[2:] else F.interpolate(truth, logits.shape[2:], mode="nearest")
