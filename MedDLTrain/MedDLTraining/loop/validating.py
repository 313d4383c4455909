"""The Dice on cases that are not learnt from, by the very sliding window that users get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from MedDLCore.inference import Predictor, Slab, predict
from MedDLCore.metrics import dice

from ..cases import PreparedCase
from ..plan import Plan


def validation_dice(
    network: nn.Module,
    cases: Sequence[PreparedCase],
    plan: Plan,
    device: str = "cpu",
    most: int | None = None,
) -> Mapping[str, float]:
    """Mean Dice of each label over whole cases, on the network's grid.

    A label that a case does not have counts there only where it was found all the same (as 0).

    Args:
        network: in eval mode.
        cases: that were not learnt from.
        plan: patch, overlap, labels.
        device: where the network is.
        most: of the cases, at most so many are taken, evenly; None: all.

    Raises:
        MedDLError: NETWORK_NONFINITE, NO_MEMORY.
    """
    scores: dict[str, list[float]] = {label.name: [] for label in plan.labels}
    spec = plan.spec
    for case in _some(cases, most):
        predictor = Predictor([network], spec.output_channels, device, plan.inference.mirror_axes)
        array = np.array(case.image)  # a copy: what is mapped into memory is read-only
        found = decided(predict(array, predictor, plan.inference), case.truth.shape[1:], plan.overlapping)
        for label in plan.labels:
            mask = found[label.value - 1] if plan.overlapping else found[0] == label.value
            truth = case.truth[label.value - 1] > 0 if plan.overlapping else case.truth[0] == label.value
            if truth.any() or mask.any():
                scores[label.name].append(dice(truth, mask > 0))
    return {name: float(np.mean(values)) if values else float("nan") for name, values in scores.items()}


def decided(slabs: Iterable[Slab], shape: Sequence[int], overlapping: bool) -> NDArray[np.uint8]:
    """Logits to labels: ``(1, *shape)`` values, or ``(N, *shape)`` masks."""
    found: NDArray[np.uint8] | None = None
    for slab in slabs:
        part = (slab.logits > 0 if overlapping else slab.logits.argmax(dim=0)[None]).cpu().numpy()
        if found is None:
            found = np.zeros((len(part), *shape), np.uint8)
        found[:, slab.start : slab.start + part.shape[1]] = part
    if found is None:
        raise ValueError("no slabs")
    return found


def _some(cases: Sequence[PreparedCase], most: int | None) -> list[PreparedCase]:
    if most is None or most >= len(cases):
        return list(cases)
    return [cases[n * len(cases) // most] for n in range(most)]
