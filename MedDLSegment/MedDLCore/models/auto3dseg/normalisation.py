"""Auto3DSeg's modes of normalisation as intensity steps."""

from __future__ import annotations

from ...spec import FromMinimum, IntensityStep, Scale, Squash, ZScore
from ...text import shown
from .config import Config

MODES = {"range": "range", "ct": "range", "meanstd": "meanstd", "mri": "meanstd", "meanstdtanh": "meanstdtanh"} | {
    "pet": "pet",
    "none": "none",
}
"""Each mode by its names."""


def steps_of(config: Config, mode: str, key: str) -> tuple[IntensityStep, ...]:
    """The steps of a mode.

    ``range`` maps the bounds to -1 and 1 without clipping, then bounds all values by the logistic function;
    ``meanstd`` standardises what is not zero, ``meanstdtanh`` bounds that smoothly at 3; ``pet`` counts deviations from
    the minimum, then the logistic function.

    Args:
        config: that holds the bounds.
        mode: as the configuration names it.
        key: where, for the message.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    kind = MODES.get(mode)
    if kind == "none":
        return ()
    if kind == "range":
        low, high = config.numbers("intensity_bounds", 2)
        if not low < high:
            raise config.refused("intensity_bounds", f"is {low:g} to {high:g}, which is no range")
        factor = 2 / (high - low)
        return Scale(factor, -1 - low * factor), Squash("logistic")
    if kind == "meanstd":
        return (ZScore(nonzero=True),)
    if kind == "meanstdtanh":
        return ZScore(nonzero=True), Squash("tanh3")
    if kind == "pet":
        return FromMinimum(), Squash("logistic")
    raise config.refused(key, f"is {shown(mode)}, which is none of {', '.join(MODES)}")
