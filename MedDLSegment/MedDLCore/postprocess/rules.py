"""What decides a voxel's label: the largest score, or every score above a border."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..spec import Output

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDING = 1e-5
"""Part of a score by which its interpolation in float32 may be off: no class is left out by less."""


class Rule(Protocol):
    """Decides labels from scores ``(channels, ...)``.

    An interpolated score lies between the least and the greatest of what it is made from. So a label that all of these
    voxels have is the result's, and channels that the bounds exclude need not be interpolated: nothing is lost.
    """

    def labels(self, scores: Tensor) -> Tensor:
        """``(channels, ...)`` -> ``(...)``: the label of each voxel."""

    def candidates(self, greatest: Tensor, least_of: Callable[[], Sequence[Tensor]]) -> Tensor:
        """Which channels may decide a voxel of a block.

        Args:
            greatest: ``(channels, n)``: the greatest score of each channel in n blocks.
            least_of: gives ``(n,)`` the least score, in each block, of one or more of the channels that it may be
                labelled with.

        Returns:
            ``(channels, n)`` bool.
        """

    def compete(self, labels: Tensor, best: Tensor, score: Tensor, channel: Tensor) -> None:
        """Takes the scores of one channel into account, in place. Channels come in ascending order.

        Args:
            labels: ``(n, voxels)``, so far; 0 at first.
            best: ``(n, voxels)``, for the rule's own use; -inf at first.
            score: ``(n, voxels)``.
            channel: ``(n, 1)``, of each row.
        """


class Largest:
    """The channel with the largest score; on a tie the first one."""

    def labels(self, scores: Tensor) -> Tensor:  # noqa: D102
        return scores.max(dim=0).indices.to(_dtype(len(scores)))

    def candidates(self, greatest: Tensor, least_of: Callable[[], Sequence[Tensor]]) -> Tensor:  # noqa: D102
        surely = functools.reduce(lambda a, b: a.maximum(b), least_of())
        return greatest + ROUNDING * greatest.abs() >= surely - ROUNDING * surely.abs()

    def compete(self, labels: Tensor, best: Tensor, score: Tensor, channel: Tensor) -> None:  # noqa: D102
        larger = score > best
        labels.copy_(channel.to(labels.dtype).where(larger, labels))
        best.copy_(score.maximum(best))


class Painted:
    """The number of the last channel, counted from 1, whose score is at least the border; 0 where none is."""

    def __init__(self, border: float) -> None:
        self._border = border

    def labels(self, scores: Tensor) -> Tensor:  # noqa: D102
        painted = scores.new_zeros(scores.shape[1:], dtype=_dtype(len(scores) + 1))
        for n, score in enumerate(scores, start=1):
            painted.masked_fill_(score >= self._border, n)
        return painted

    def candidates(self, greatest: Tensor, least_of: Callable[[], Sequence[Tensor]]) -> Tensor:  # noqa: D102, ARG002
        return greatest + ROUNDING * greatest.abs() >= self._border

    def compete(self, labels: Tensor, best: Tensor, score: Tensor, channel: Tensor) -> None:  # noqa: D102, ARG002
        labels.copy_((channel + 1).to(labels.dtype).where(score >= self._border, labels))


def activated(scores: Tensor, output: Output) -> Tensor:
    """What is interpolated, ``(channels, ...)``: logits as they are, or the probabilities that they stand for."""
    if output.interpolate != "probabilities":
        return scores
    return scores.softmax(dim=0) if output.activation == "softmax" else scores.sigmoid()


def rule_of(output: Output) -> Rule:
    """What decides; of ``sigmoid``, for one channel."""
    if output.activation == "softmax":
        return Largest()
    threshold = output.threshold
    return Painted(threshold if output.interpolate == "probabilities" else math.log(threshold / (1 - threshold)))


def named(labels: Tensor, values: Tensor | None) -> Tensor:
    """Puts the value of each label in its place; None: the label itself. uint8 where that suffices, else int32."""
    if values is None:
        return labels
    return values.to(labels.device)[labels.long()].to(_dtype(int(values.max()) + 1))


def _dtype(labels: int) -> torch.dtype:
    import torch

    return torch.uint8 if labels <= 256 else torch.int32
