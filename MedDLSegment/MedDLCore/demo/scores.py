"""How well a network finds the organs of phantoms that it has not learned from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..metrics import dice_by_label
from ..models import ModelPackage
from ..pipeline import Model, segment
from ..spec import ModelSpec
from .phantom import make_phantom

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Scores:
    """Figures over several phantoms.

    Attributes:
        seeds: the phantoms.
        dice: by label name, one value for each phantom.
        seconds: CPU seconds that one case took, on average.
        memory: bytes that the largest was planned to need.
    """

    seeds: tuple[int, ...]
    dice: Mapping[str, tuple[float, ...]]
    seconds: float
    memory: int


def held_out_scores(spec: ModelSpec, network: nn.Module, seeds: Sequence[int]) -> Scores:
    """Segments phantoms on the CPU as ``meddl segment`` does, with the threads that torch is set to."""
    import torch

    from ..inference import choose_device

    package = ModelPackage(spec, Path(), "")
    model = Model(package, [network.eval()], choose_device("cpu", torch.get_num_threads()))
    rows, seconds, memory = [], 0.0, 0
    for seed in seeds:
        volume, truth = make_phantom(seed)
        started = time.process_time()
        found = segment([volume], model)
        seconds += time.process_time() - started
        memory = max(memory, found.plan.memory if found.plan else 0)
        rows.append(dice_by_label(truth, found.label_map))
    dice = {label.name: tuple(row[label.name] for row in rows) for label in spec.labels}
    return Scores(tuple(seeds), dice, seconds / len(rows), memory)
