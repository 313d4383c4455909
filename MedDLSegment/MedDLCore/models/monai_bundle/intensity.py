"""MONAI's intensity transforms as steps of the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...spec import IntensityStep, Percentiles, Scale, Window, ZScore
from .arguments import Arguments


def _normalize(arguments: Arguments, joint: bool) -> IntensityStep:
    nonzero = arguments.flag("nonzero")
    channel_wise = arguments.flag("channel_wise")
    arguments.ignore(("dtype",))
    if arguments.value("subtrahend") is None and arguments.value("divisor") is None:
        _refuse_joint(arguments, joint and not channel_wise)
        return ZScore(nonzero=nonzero)
    if nonzero:
        raise arguments.outside("nonzero", True, "leaves zeros out of a fixed scale")
    mean, deviation = arguments.number("subtrahend", 0.0), arguments.number("divisor", 1.0)
    return Scale(1 / (deviation or 1.0), -mean / (deviation or 1.0))


def _scale(arguments: Arguments, joint: bool) -> IntensityStep:
    channel_wise = arguments.flag("channel_wise")
    arguments.ignore(("dtype",))
    factor = arguments.value("factor")
    if factor is not None:
        return Scale(1 + arguments.number("factor"))
    _refuse_joint(arguments, joint and not channel_wise)
    return Percentiles(0, 100, arguments.number("minv", 0.0), arguments.number("maxv", 1.0), clip=False)


def _scale_range(arguments: Arguments, joint: bool) -> IntensityStep:  # noqa: ARG001  needs no statistics
    low, high = arguments.number("a_min"), arguments.number("a_max")
    clip = arguments.flag("clip")
    arguments.ignore(("dtype",))
    if not low < high:
        raise arguments.outside("a_min", low, "is not below a_max")
    if arguments.value("b_min") is None and arguments.value("b_max") is None and not clip:
        out_low, out_high = 0.0, 1.0
    else:
        out_low, out_high = arguments.number("b_min"), arguments.number("b_max")
    if clip and out_low < out_high:
        return Window(low, high, out_low, out_high)
    if clip:
        raise arguments.outside("b_min", out_low, "is not below b_max")
    factor = (out_high - out_low) / (high - low)
    return Scale(factor, out_low - low * factor)


def _scale_percentiles(arguments: Arguments, joint: bool) -> IntensityStep:
    _refuse_joint(arguments, joint and not arguments.flag("channel_wise"))
    arguments.one_of("relative", (False,), False)
    arguments.ignore(("dtype", "channel_wise"))
    lower, upper = arguments.number("lower"), arguments.number("upper")
    if not 0 <= lower < upper <= 100:
        invalid = not (0 <= lower <= 100 and 0 <= upper <= 100)
        raise arguments.outside("lower", lower, "and upper are not rising percentiles", invalid)
    return Percentiles(lower, upper, arguments.number("b_min"), arguments.number("b_max"), arguments.flag("clip"))


def _shift(arguments: Arguments, joint: bool) -> IntensityStep:  # noqa: ARG001  needs no statistics
    arguments.ignore(("safe", "meta_keys", "meta_key_postfix", "factor_key"))
    return Scale(1.0, arguments.number("offset"))


def _refuse_joint(arguments: Arguments, joint: bool) -> None:
    if joint:
        raise arguments.outside("channel_wise", False, "takes statistics over several input volumes together")


INTENSITY: Mapping[str, Callable[[Arguments, bool], IntensityStep]] = {
    "NormalizeIntensity": _normalize,
    "ScaleIntensity": _scale,
    "ScaleIntensityRange": _scale_range,
    "ScaleIntensityRangePercentiles": _scale_percentiles,
    "ShiftIntensity": _shift,
}
"""By MONAI's name: the step, given the arguments and whether statistics are over several channels together."""
