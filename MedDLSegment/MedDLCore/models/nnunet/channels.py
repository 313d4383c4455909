"""The input channels: their names, modality and normalisation."""

from __future__ import annotations

from typing import Any

from ...spec import Channel, FixedZScore, IntensityStep, Percentiles, Scale, ZScore
from ...spec_rules import LONGEST_LABEL
from ...text import one_line, shown
from .refusal import refused
from .values import Table

MODALITIES = {
    **dict.fromkeys(("ct", "ctnorm"), "CT"),
    **dict.fromkeys(("mr", "mri", "t1", "t1w", "t1c", "t1ce", "t1gd", "t1n", "t2", "t2w", "t2f", "flair", "adc"), "MR"),
    **dict.fromkeys(("pt", "pet"), "PT"),
}
"""What a channel's name says about its modality, in lower case. Others say nothing."""

SMALLEST_DEVIATION = 1e-8


def channels(dataset: Table, configuration: Table, plans: Table) -> tuple[Channel, ...]:
    """The channels, each with its own intensity steps.

    Raises:
        MedDLError: MODEL_INVALID, naming the normalisation that is not known.
    """
    names = _names(dataset)
    schemes = configuration.list("normalization_schemes", str, len(names))
    masked = configuration.list("use_mask_for_norm", bool, len(names))
    found = []
    for n, (name, scheme, mask) in enumerate(zip(names, schemes, masked, strict=True)):
        steps = _steps(scheme, mask, plans, n)
        modality = "CT" if scheme == "CTNormalization" and name.casefold() not in MODALITIES else _modality(name)
        found.append(Channel(name, modality, steps))
    return tuple(found)


def modalities(dataset: Table) -> list[str | None]:
    """The modality of each channel, as far as its name tells.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    return [_modality(name) for name in _names(dataset)]


def _names(dataset: Table) -> list[str]:
    table = dataset.table("channel_names" if "channel_names" in dataset else "modality")
    wanted = [str(n) for n in range(len(table.values))]
    if sorted(table.values) != sorted(wanted) or not wanted:
        raise refused(dataset.file, f"{table.where} does not number its channels from 0")
    names = [one_line(table.text(key), LONGEST_LABEL) for key in wanted]
    if not all(names):
        raise refused(dataset.file, f"{table.where} has a channel without a name")
    return names


def _modality(name: str) -> str | None:
    return MODALITIES.get(name.casefold().strip())


def _steps(scheme: str, mask: bool, plans: Table, channel: int) -> tuple[IntensityStep, ...]:
    known: dict[str, Any] = {
        "ZScoreNormalization": (ZScore(body=mask),),
        "NoNormalization": (),
        "RescaleTo01Normalization": (Percentiles(0.0, 100.0),),
        "RGBTo01Normalization": (Scale(1 / 255),),
    }
    if scheme == "CTNormalization":
        facts = plans.table("foreground_intensity_properties_per_channel").table(str(channel))
        low, high, mean, std = (facts.number(k) for k in ("percentile_00_5", "percentile_99_5", "mean", "std"))
        return (FixedZScore(low, high, mean, max(std, SMALLEST_DEVIATION)),)
    if scheme not in known:
        names = ", ".join(sorted([*known, "CTNormalization"]))
        raise refused(
            plans.file, f"the normalisation {shown(scheme)} is not one that MedDL knows", f"It knows: {names}."
        )
    steps: tuple[IntensityStep, ...] = known[scheme]
    return steps
