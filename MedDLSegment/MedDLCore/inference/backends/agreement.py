"""Whether another backend gives what torch gives."""

from __future__ import annotations

import torch
from torch import Tensor

from ..head import Head

LEAST_AGREEMENT = 0.9998
"""Of the labels of a patch. Where two classes are as likely as each other, rounding decides."""

LARGEST_DIFFERENCE = 1e-2
"""Of the logits, as a part of the largest."""


def disagreement(expected: Tensor, found: Tensor, cut: float | None, head: Head | None = None) -> str:
    """What is wrong with logits, in words; empty where nothing is.

    Args:
        expected: ``(B, outputs, d0, d1, d2)``, by torch; or features of which a head makes logits.
        found: by the other.
        cut: the logit above which a voxel belongs to a channel's structure; None: the largest channel's class counts.
        head: makes the logits.
    """
    if expected.shape != found.shape:
        return f"the logits have the shape {tuple(found.shape)}, not {tuple(expected.shape)}"
    largest, size, equal, of = 0.0, 0.0, 0, 0
    for slices in zip(expected.unbind(2), found.unbind(2), strict=True):  # no copies of all the logits
        channels_first = [each.transpose(0, 1) for each in slices]
        a, b = [head.logits(each) for each in channels_first] if head is not None else channels_first
        largest = max(largest, float((a - b).abs().amax().nan_to_num(torch.inf)))
        size = max(size, float(a.abs().amax().nan_to_num(0)))
        same = _labels(a, cut) == _labels(b, cut)
        equal, of = equal + int(same.sum()), of + same.numel()
    if largest > LARGEST_DIFFERENCE * size:
        return f"a logit differs by {largest:.2g}"
    if equal < LEAST_AGREEMENT * of:
        return f"only {equal / of:.2%} of the labels agree"
    return ""


def _labels(logits: Tensor, cut: float | None) -> Tensor:
    return logits.argmax(0) if cut is None else logits > cut
