"""What is to be reached, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from .cases import JUDGE
from .figures import Figures, Measured, NotMeasuredError


class Target(NamedTuple):
    """One quantity of one case.

    Attributes:
        row: its name; ``plan``: what the plan foresaw.
        quantity: what a person reads.
        case: the case that answers it.
        of: gives it.
        bound: what it may be at most; ``at_least``: at least.
    """

    row: str
    quantity: str
    case: str
    of: Callable[[Measured], float]
    bound: float
    at_least: bool = False


def _other_against(peer: str) -> Callable[[Measured], float]:
    return lambda m: m.other() / m.other(peer)


def _memory_against(peer: str) -> Callable[[Measured], float]:
    return lambda m: m.memory() / m.memory(peer)


def _agreement(engine: str, other: str) -> Callable[[Measured], float]:
    return lambda m: m.agreement(engine, other)


UNET, FEW, MANY, LONG, HALF = "unet-5", "anatomy-5", "anatomy-118", "anatomy-118-long", "anatomy-118-half"
OPENVINO = "meddl-openvino"

OF_CASES = (
    Target("1a", "whole call / (patches x bare forward)", UNET, lambda m: m.whole() / m.floor(), 1.05),
    Target("1b", "the same, with the U-Net's forward", MANY, lambda m: 1 + m.other() / m.floor(), 1.10),
    Target("1c", "all but the network, CPU-s", FEW, Measured.other, 4),
    Target("1c", "all but the network, CPU-s", MANY, Measured.other, 10),
    Target("2a", "all but the network / nnU-Net's", FEW, _other_against("nnunet"), 1 / 10),
    Target("2a", "all but the network / nnU-Net's", HALF, _other_against("nnunet"), 1 / 40),
    Target("2b", "the same, nnU-Net by torch", FEW, _other_against("nnunet-torch"), 1 / 3),
    Target("2b", "the same, nnU-Net by torch", HALF, _other_against("nnunet-torch"), 1 / 5),
    Target("2c", "whole call / nnU-Net's", UNET, lambda m: m.whole() / m.whole("nnunet"), 0.75),
    Target("2c", "the same, by OpenVINO", UNET, lambda m: m.whole(OPENVINO) / m.whole("nnunet"), 0.45),
    Target("2d", "peak memory / nnU-Net's", FEW, _memory_against("nnunet"), 0.30),
    Target("2d", "peak memory / nnU-Net's", HALF, _memory_against("nnunet"), 0.45),
    Target("2d", "peak memory / nnU-Net's, with the U-Net", UNET, _memory_against("nnunet"), 0.80),
    Target("2e", "peak memory, GB", MANY, lambda m: m.memory() / 1e9, 3.6),
    Target("2e", "peak memory, GB", LONG, lambda m: m.memory() / 1e9, 3.6),
    Target("3a", "all but the network / MONAI's", FEW, _other_against("monai"), 1 / 7),
    Target("3a", "all but the network / MONAI's", HALF, _other_against("monai"), 1 / 5),
    Target("3a", "peak memory / MONAI's", FEW, _memory_against("monai"), 0.25),
    Target("3a", "peak memory / MONAI's", HALF, _memory_against("monai"), 0.25),
    Target("4", "OpenVINO's forward / torch's", UNET, lambda m: m.network(OPENVINO) / m.network(), 0.62),
    Target("4", "labels of OpenVINO and torch", UNET, _agreement(OPENVINO, "meddl"), 0.9998, at_least=True),
)

SAME, SAME_WHERE_TRAINED = 0.9999, 0.9995
"""Voxels with nnU-Net's label where it sums in single precision, and where it does not. There, random weights and noise
have near-ties that half precision decides otherwise, and nothing is asked."""

MISJUDGED = 1.2
"""By which factor the plan's memory may be wrong."""


def targets(cases: Iterable[str]) -> list[Target]:
    """The targets, with what is asked of each of the cases."""
    of_each = []
    for case in cases:
        of_each.append(Target("3c", "labels like nnU-Net's in fp32", case, _agreement("meddl", JUDGE), SAME, True))
        if not case.startswith(("unet", "noise")):
            like = _agreement("meddl", "nnunet")
            of_each.append(Target("3c", "labels like nnU-Net's", case, like, SAME_WHERE_TRAINED, True))
        of_each.append(Target("plan", "factor between planned and seen memory", case, Measured.misjudged, MISJUDGED))
    return [*OF_CASES, *of_each]


def answered(
    target: Target, results: Mapping[str, Mapping[str, Figures]], instead: str | None = None
) -> dict[str, Any]:
    """A row of the table: the value and whether it is reached, or why it is not known.

    Args:
        target: what is asked.
        results: figures by case and engine.
        instead: answer from this case, so that a small one shows that every row can be computed.
    """
    case = instead or target.case
    row: dict[str, Any] = {"row": target.row, "quantity": target.quantity, "case": case, "bound": target.bound}
    row["at_least"] = target.at_least
    if case not in results:
        return {**row, "value": None, "why": "the case was not run"}
    try:
        value = target.of(Measured(results[case]))
    except NotMeasuredError as error:
        return {**row, "value": None, "why": str(error)}
    return {**row, "value": value, "reached": value >= target.bound if target.at_least else value <= target.bound}
