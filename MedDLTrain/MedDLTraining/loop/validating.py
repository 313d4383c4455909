"""The Dice on cases that are not learnt from, by the very sliding window that users get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from MedDLCore.inference import Predictor, Slab, predict
from MedDLCore.metrics import dice

from ..cases import PreparedCase
from ..plan import Plan
from .listening import with_silence
from .processes import ALONE, Processes


def validation_dice(
    network: nn.Module,
    cases: Sequence[PreparedCase],
    plan: Plan,
    device: str = "cpu",
    most: int | None = None,
    processes: Processes = ALONE,
) -> Mapping[str, float]:
    """Mean Dice of each label over whole cases, on the network's grid.

    A label that a case does not have counts there only where it was found all the same (as 0).

    Args:
        network: in eval mode.
        cases: that were not learnt from.
        plan: patch, overlap, labels.
        device: where the network is.
        most: of the cases, at most so many are taken, evenly; None: all.
        processes: among which the cases are dealt out; all get the same result.

    Raises:
        MedDLError: NETWORK_NONFINITE, NO_MEMORY.
    """
    own = [_dice_of(network, case, plan, device) for case in processes.dealt(_some(cases, most))]
    scores = [score for part in zip_longest(*processes.gathered(own), fillvalue={}) for score in part]
    by_label = {label.name: [score[label.name] for score in scores if label.name in score] for label in plan.labels}
    return {name: float(np.mean(values)) if values else float("nan") for name, values in by_label.items()}


def _dice_of(network: nn.Module, case: PreparedCase, plan: Plan, device: str) -> dict[str, float]:
    """Of the labels that the case has, or seems to have."""
    predictor = Predictor([network], plan.spec.output_channels, device, plan.inference.mirror_axes)
    heard = with_silence(torch.from_numpy(np.array(case.image))[None], plan)[0]  # copied: the mapped is read-only
    found = decided(predict(heard.numpy(), predictor, plan.inference), case.truth.shape[1:], plan.overlapping)
    scores = {}
    for label in plan.labels:
        mask = found[label.value - 1] if plan.overlapping else found[0] == label.value
        truth = case.truth[label.value - 1] > 0 if plan.overlapping else case.truth[0] == label.value
        if truth.any() or mask.any():
            scores[label.name] = dice(truth, mask > 0)
    return scores


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
