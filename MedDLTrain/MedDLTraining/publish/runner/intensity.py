"""Intensity steps as MONAI's dictionary transforms, before and after the change of grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from MedDLCore.spec import (
    Clip,
    FixedZScore,
    IntensityStep,
    ModelSpec,
    Percentiles,
    Scale,
    Window,
    ZScore,
)

from .refusal import NotInMonaiError

Transform = dict[str, Any]


def intensity_of(spec: ModelSpec, channel: int, key: str) -> tuple[list[Transform], list[Transform]]:
    """The steps of one input on its own grid, and those on the network's.

    MONAI takes percentiles, means and deviations of what a transform is given. Those of the scan are therefore taken
    before the grid is changed, where that comes to the same: of a straight line and an interpolation, either may come
    first.

    Args:
        spec: the model.
        channel: of its inputs.
        key: under which the configuration keeps it.

    Raises:
        NotInMonaiError: for a step that MONAI does not have, or cannot take at its place.
    """
    steps = spec.intensity_of(channel)
    before = spec.steps_on_scan
    measured = [n for n, step in enumerate(steps) if isinstance(step, (Percentiles, ZScore))]
    if spec.statistics == "scan" and measured and measured[-1] >= before:
        moved = steps[before : measured[-1] + 1]
        if spec.grid.spacing is not None and not all(_is_line(step) for step in moved):
            kinds = ", ".join(step.kind for step in moved)
            raise NotInMonaiError(
                f"the intensity steps ({kinds}) follow the whole scan but come after the change of grid"
            )
        before = measured[-1] + 1
    transforms = [_transform(step, key) for step in steps]
    return transforms[:before], transforms[before:]


def _is_line(step: IntensityStep) -> bool:
    return (
        isinstance(step, Scale)
        or (isinstance(step, ZScore) and not step.nonzero and not step.body)
        or (isinstance(step, Percentiles) and not step.clip)
    )


def _transform(step: IntensityStep, key: str) -> Transform:
    make = _TRANSFORMS.get(type(step))
    if make is None:
        raise NotInMonaiError(f"MONAI has no transform for the intensity step {step.kind}")
    name, arguments = make(step)
    return {"_target_": name, "keys": key, **arguments}


def _range(low: float, high: float, out_low: float, out_high: float, clip: bool) -> tuple[str, Mapping[str, Any]]:
    ends = {"a_min": low, "a_max": high, "b_min": out_low, "b_max": out_high}
    return "ScaleIntensityRanged", {**ends, "clip": clip}


def _z_score(step: ZScore) -> tuple[str, Mapping[str, Any]]:
    if step.body:
        raise NotInMonaiError("MONAI has no transform for the intensity step zscore over the body alone")
    return "NormalizeIntensityd", {"nonzero": step.nonzero, "channel_wise": True}


def _percentiles(step: Percentiles) -> tuple[str, Mapping[str, Any]]:
    ends = {"lower": step.lower, "upper": step.upper, "b_min": step.out_low, "b_max": step.out_high}
    return "ScaleIntensityRangePercentilesd", {**ends, "clip": step.clip, "channel_wise": True}


_TRANSFORMS: Mapping[type[Any], Callable[[Any], tuple[str, Mapping[str, Any]]]] = {
    Clip: lambda step: _range(step.low, step.high, step.low, step.high, True),
    Window: lambda step: _range(step.low, step.high, step.out_low, step.out_high, True),
    FixedZScore: lambda step: _range(
        step.low, step.high, (step.low - step.mean) / step.std, (step.high - step.mean) / step.std, True
    ),
    Scale: lambda step: _range(0.0, 1.0, step.offset, step.offset + step.factor, False),
    ZScore: _z_score,
    Percentiles: _percentiles,
}
