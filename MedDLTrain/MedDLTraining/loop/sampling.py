"""Patches at random places of the cases; a part of each batch is centred on a structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cases import PreparedCase
from ..plan import Plan

AROUND = 0.25
"""What is cut around a patch, as a part of it: a turned patch reaches so far."""

Batch = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Images ``(B, C, s0, s1, s2)`` and truth ``(B, L, s0, s1, s2)``."""


def source_shape(patch: Sequence[int]) -> tuple[int, int, int]:
    """Voxels that are cut for a patch of so many; their difference is even, so that the middle is the same."""
    a, b, c = (n + 2 * round(n * AROUND / 2) if n > 1 else 1 for n in patch)
    return a, b, c


def draw_batch(cases: Sequence[PreparedCase], plan: Plan, seed: Sequence[int], share: range | None = None) -> Batch:
    """Draws a batch, or a share of it.

    The last ``plan.foreground`` of the batch are centred on a voxel of a label that the case has, every label equally
    often. Patches stay within the scan, as windows of inference do; a smaller scan is in the middle.

    Args:
        cases: of the training.
        plan: patch, batch, padding.
        seed: decides everything; each patch of the batch has a stream of its own.
        share: which patches of the batch; None: all.
    """
    images, truths = [], []
    for n in range(plan.batch) if share is None else share:
        rng = np.random.default_rng([*seed, n])
        case = cases[int(rng.integers(len(cases)))]
        on_structure = n >= round(plan.batch * (1 - plan.foreground)) and bool(case.places)
        start = _start(case, plan.patch, rng, on_structure)
        source = source_shape(plan.patch)
        start = [s - (big - small) // 2 for s, big, small in zip(start, source, plan.patch, strict=True)]
        images.append(cut(case.image, start, source, plan.inference.padding_value))
        truths.append(cut(case.truth, start, source, 0))
    return np.stack(images), np.stack(truths)


def _start(case: PreparedCase, patch: Sequence[int], rng: np.random.Generator, on_structure: bool) -> list[int]:
    shape = case.truth.shape[1:]
    if on_structure:
        places = case.places[sorted(case.places)[int(rng.integers(len(case.places)))]]
        centre = places[int(rng.integers(len(places)))]
        wanted = [int(c) - p // 2 for c, p in zip(centre, patch, strict=True)]
    else:
        wanted = [int(rng.integers(max(n - p, 0) + 1)) for n, p in zip(shape, patch, strict=True)]
    return [min(max(w, 0), n - p) if n > p else -((p - n) // 2) for w, n, p in zip(wanted, shape, patch, strict=True)]


def cut(array: NDArray[Any], start: Sequence[int], shape: Sequence[int], padding: float) -> NDArray[Any]:
    """``(C, *shape)`` from ``start``, which may lie outside; there, it is ``padding``."""
    result = np.full((len(array), *shape), padding, dtype=array.dtype)
    inside = [(max(s, 0), min(s + w, n)) for s, w, n in zip(start, shape, array.shape[1:], strict=True)]
    if any(low >= high for low, high in inside):
        return result
    a, b, c = (slice(low - s, high - s) for (low, high), s in zip(inside, start, strict=True))
    x, y, z = (slice(low, high) for low, high in inside)
    result[:, a, b, c] = array[:, x, y, z]
    return result
