"""What a checkpoint says beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...text import shown
from ..weights import read_checkpoint
from .refusal import refused


@dataclass(frozen=True)
class Facts:
    """What nnU-Net's predictor takes from the first fold's checkpoint.

    Attributes:
        trainer: name of the class that trained it.
        configuration: of the plans.
        mirror_axes: axes of its patch over whose flips the prediction is averaged.
        state: the weights.
    """

    trainer: str
    configuration: str
    mirror_axes: tuple[int, ...]
    state: Mapping[str, Any]


def read_facts(path: Path) -> Facts:
    """Reads a checkpoint.

    Raises:
        MedDLError: MODEL_UNSAFE, MODEL_CORRUPT as for any weights; MODEL_INVALID where it is not nnU-Net's.
    """
    content = read_checkpoint(path)
    if not isinstance(content, Mapping) or not isinstance(content.get("network_weights"), Mapping):
        raise refused(path.name, "it has no network_weights, as nnU-Net's checkpoints have")
    arguments = content.get("init_args")
    configuration = arguments.get("configuration") if isinstance(arguments, Mapping) else None
    trainer = content.get("trainer_name")
    if not isinstance(configuration, str) or not isinstance(trainer, str):
        raise refused(path.name, "it does not say its configuration and its trainer")
    return Facts(trainer, configuration, _mirror_axes(content, path), content["network_weights"])


def _mirror_axes(content: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    axes = content.get("inference_allowed_mirroring_axes")
    if axes is None:
        return ()
    whole = isinstance(axes, (tuple, list)) and all(type(axis) is int and 0 <= axis < 3 for axis in axes)
    if not whole or len(set(axes)) != len(axes):
        raise refused(path.name, f"inference_allowed_mirroring_axes is {shown(axes)}")
    return tuple(axes)
