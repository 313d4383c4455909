"""The evaluator: which inferer, preprocessing and postprocessing a run would use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .class_names import known_class
from .config import Config
from .refusal import OutsideError

OURS = {
    "additional_metrics",
    "amp",
    "amp_kwargs",
    "compile",
    "compile_kwargs",
    "device",
    "epoch_length",
    "inferer",
    "key_val_metric",
    "mode",
    "network",
    "non_blocking",
    "postprocessing",
    "to_kwargs",
    "val_data_loader",
    "val_handlers",
}
"""Arguments that are read here, and those that do not change the result: devices, precision, metrics, logs."""


DEFAULTS = {"decollate": True, "iteration_update": None, "prepare_batch": None}
"""What MONAI does without being told."""


@dataclass(frozen=True)
class Root:
    """Something that a run would use.

    Attributes:
        config: the configuration.
        raw: what is written for it; None where there is nothing.
        where: its place.
    """

    config: Config
    raw: Any
    where: str

    @property
    def place(self) -> str:
        """Its place, for a message."""
        return f"{self.config.file}: {self.where}"

    def value(self) -> Any:
        """It, resolved.

        Raises:
            OutsideError: for what the grammar does not have.
        """
        return self.config.resolve(self.raw, self.where)


def check_evaluator(config: Config) -> None:
    """Refuses an evaluator of the bundle's own, or one that is told to work in another way.

    Raises:
        OutsideError: naming it.
    """
    evaluator = config.component("evaluator")
    if evaluator is None:
        return
    known_class(evaluator, "monai.engines", ["SupervisedEvaluator"])
    for name in sorted(set(evaluator.raw) - OURS):
        if evaluator.raw[name] not in (None, DEFAULTS.get(name)):
            raise OutsideError(evaluator.place(name), evaluator.raw[name], "is not how MedDL evaluates")


def find_root(config: Config, user: str, argument: str, id: str) -> Root:
    """What a user takes as an argument, e.g. the evaluator its ``inferer``; else what stands under the usual id."""
    for place, raw in config.written(user):
        if argument in raw:
            return Root(config, raw[argument], f"{place}::{argument}")
        if user == "evaluator":
            return Root(config, None, id)
    return Root(config, f"@{id}" if id in config else None, id)
