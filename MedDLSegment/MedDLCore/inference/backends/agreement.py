"""Whether another backend gives what torch gives."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_AGREEMENT = 0.9998
"""Of the labels of a patch. Where two classes are as likely as each other, rounding decides."""

LARGEST_DIFFERENCE = 1e-2
"""Of the logits, as a part of the largest."""


def disagreement(expected: Tensor, found: Tensor, cut: float | None) -> str:
    """What is wrong with logits, in words; empty where nothing is.

    Args:
        expected: ``(B, outputs, d0, d1, d2)``, by torch.
        found: by the other.
        cut: the logit above which a voxel belongs to a channel's structure; None: the largest channel's class counts.
    """
    if expected.shape != found.shape:
        return f"the logits have the shape {tuple(found.shape)}, not {tuple(expected.shape)}"
    largest, size, equal = 0.0, 0.0, 0
    for a, b in zip(expected.unbind(2), found.unbind(2), strict=True):  # slice by slice: no copies of all the logits
        largest = max(largest, float((a - b).abs().amax().nan_to_num(torch.inf)))
        size = max(size, float(a.abs().amax().nan_to_num(0)))
        equal += int((_labels(a, cut) == _labels(b, cut)).sum())
    if largest > LARGEST_DIFFERENCE * size:
        return f"a logit differs by {largest:.2g}"
    agreement = equal / (expected.numel() if cut is not None else expected[:, 0].numel())
    if agreement < LEAST_AGREEMENT:
        return f"only {agreement:.2%} of the labels agree"
    return ""


def _labels(logits: Tensor, cut: float | None) -> Tensor:
    return logits.argmax(1) if cut is None else logits > cut
