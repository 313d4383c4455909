"""What is to be reached, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from .cases import JUDGE
from .figures import Figures, Measured, NotMeasuredError


class Target(NamedTuple):
    """One quantity of one case.

    Attributes:
        row: its name.
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


OF_CASES = (
    Target("1a", "whole call / (patches x bare forward)", "unet-5", lambda m: m.whole() / m.floor(), 1.05),
    Target(
        "1b", "the same, the U-Net's forward in place of ours", "anatomy-118", lambda m: 1 + m.other() / m.floor(), 1.1
    ),
    Target("1c", "all but the network, CPU-s", "anatomy-5", lambda m: m.other(), 4),
    Target("1c", "all but the network, CPU-s", "anatomy-118", lambda m: m.other(), 10),
    Target("2a", "all but the network / nnU-Net's", "anatomy-5", lambda m: m.other() / m.other("nnunet"), 1 / 10),
    Target(
        "2a", "all but the network / nnU-Net's", "anatomy-118-half", lambda m: m.other() / m.other("nnunet"), 1 / 40
    ),
    Target("2b", "the same, nnU-Net by torch", "anatomy-5", lambda m: m.other() / m.other("nnunet-torch"), 1 / 3),
    Target(
        "2b", "the same, nnU-Net by torch", "anatomy-118-half", lambda m: m.other() / m.other("nnunet-torch"), 1 / 5
    ),
    Target("2c", "whole call / nnU-Net's", "unet-5", lambda m: m.whole() / m.whole("nnunet"), 0.75),
    Target("2c", "the same, OpenVINO", "unet-5", lambda m: m.whole("meddl-openvino") / m.whole("nnunet"), 0.45),
    Target("2d", "peak memory / nnU-Net's", "anatomy-5", lambda m: m.memory() / m.memory("nnunet"), 0.3),
    Target("2d", "peak memory / nnU-Net's", "anatomy-118-half", lambda m: m.memory() / m.memory("nnunet"), 0.45),
    Target("2d", "peak memory / nnU-Net's, with the U-Net", "unet-5", lambda m: m.memory() / m.memory("nnunet"), 0.8),
    Target("2e", "peak memory, GB", "anatomy-118", lambda m: m.memory() / 1e9, 3.6),
    Target("2e", "peak memory, GB", "anatomy-118-long", lambda m: m.memory() / 1e9, 3.6),
    Target("3a", "all but the network / MONAI's", "anatomy-5", lambda m: m.other() / m.other("monai"), 1 / 7),
    Target("3a", "all but the network / MONAI's", "anatomy-118-half", lambda m: m.other() / m.other("monai"), 1 / 5),
    Target("3a", "peak memory / MONAI's", "anatomy-5", lambda m: m.memory() / m.memory("monai"), 0.25),
    Target("3a", "peak memory / MONAI's", "anatomy-118-half", lambda m: m.memory() / m.memory("monai"), 0.25),
    Target("4", "OpenVINO's forward / torch's", "unet-5", lambda m: m.network("meddl-openvino") / m.network(), 0.62),
    Target(
        "4", "labels of OpenVINO and torch", "unet-5", lambda m: m.agreement("meddl-openvino", "meddl"), 0.9998, True
    ),
)

WITH_TRAINED = 0.9995
"""Agreement with nnU-Net's unmodified predictor. With random weights, or noise, half precision flips near-ties."""


def targets(cases: Iterable[str]) -> list[Target]:
    """The targets, with the agreement that is asked of each of the cases."""
    agreements = []
    for case in cases:
        agreements.append(
            Target("3c", "labels like nnU-Net's in fp32", case, lambda m: m.agreement("meddl", JUDGE), 0.9999, True)
        )
        if not case.startswith(("unet", "noise")):
            like = Target(
                "3c", "labels like nnU-Net's", case, lambda m: m.agreement("meddl", "nnunet"), WITH_TRAINED, True
            )
            agreements.append(like)
    return [*OF_CASES, *agreements]


def answered(
    target: Target, results: Mapping[str, Mapping[str, Figures]], instead: str | None = None
) -> dict[str, Any]:
    """A row of the table: the value and whether it is reached, or why it is not known.

    Args:
        target: what is asked.
        results: figures by case and engine.
        instead: answer from this case.
    """
    case = instead or target.case
    row: dict[str, Any] = {"row": target.row, "quantity": target.quantity, "case": case, "bound": target.bound}
    row["at_least"] = target.at_least
    try:
        value = target.of(Measured(results.get(case, {}))) if case in results else None
    except NotMeasuredError as error:
        return {**row, "value": None, "why": str(error)}
    if value is None:
        return {**row, "value": None, "why": "the case was not run"}
    return {**row, "value": value, "reached": value >= target.bound if target.at_least else value <= target.bound}
