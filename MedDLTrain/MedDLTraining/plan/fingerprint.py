"""What of a plan follows from the data alone: grid, intensity, which axes may be flipped, whether labels overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel, FixedZScore, FloatTriple, Grid, IntensityStep, ZScore

from ..check.facts import CaseFacts
from ..data import DataSet
from .flips import flips

APART = 3.0
"""Voxels that are so many times longer along one axis than along another are resampled there on their own (nnU-Net)."""


@dataclass(frozen=True)
class Fingerprint:
    """What a plan needs to know of the data.

    Attributes:
        spacing: median, mm along network axes 0, 1, 2 (R, A, S).
        shape: median number of voxels along them at that spacing.
        grid: for the model.
        channels: with their intensity steps.
        overlapping: labels share voxels.
        padding: value of what lies outside a scan: air, where all channels are CT; else the mean.
        flips: axes along which patches may be flipped.
    """

    spacing: FloatTriple
    shape: tuple[int, int, int]
    grid: Grid
    channels: tuple[Channel, ...]
    overlapping: bool
    padding: float
    flips: tuple[int, ...]


def fingerprint(facts: Sequence[CaseFacts], data_set: DataSet) -> Fingerprint:
    """Looks at what the check has measured of the training cases.

    Args:
        facts: of the cases that are learnt from.
        data_set: their labels and channels.

    Raises:
        MedDLError: DATA_INVALID where no case could be read.
    """
    usable = [case for case in facts if case.error is None and case.images]
    if not usable:
        raise MedDLError(Code.DATA_INVALID, "No case of the training data could be read.", "See: meddl check FOLDER.")
    spacings = np.array([case.images[0].spacing for case in usable])
    spacing = np.median(spacings, axis=0)
    extents = np.array([case.images[0].geometry.reoriented("RAS").shape[::-1] for case in usable]) * spacings
    shape = np.maximum(1, np.round(np.median(extents, axis=0) / spacing)).astype(int)
    overlapping = not data_set.exclusive or any(case.overlap for case in usable)
    grid = Grid(
        orientation="RAS",
        spacing=_triple(np.round(spacing, 4)),
        rule="extent",
        interpolation="cubic",
        apart=APART,
    )
    channels = tuple(_channel(n, channel, usable) for n, channel in enumerate(data_set.channels))
    return Fingerprint(
        _triple(spacing),
        (int(shape[0]), int(shape[1]), int(shape[2])),
        grid,
        channels,
        overlapping,
        _padding(channels),
        flips(data_set.labels, grid.orientation, usable),
    )


def _channel(n: int, channel: Channel, facts: Sequence[CaseFacts]) -> Channel:
    modality = modality_of(n, channel, facts)
    return Channel(channel.name, modality, (_intensity(n, modality, facts),))


def modality_of(n: int, channel: Channel, facts: Sequence[CaseFacts]) -> str | None:
    """What the ``n``th channel of a data set is: as its description says, or else all files that say it."""
    modalities = {case.images[n].modality for case in facts if case.images} - {None}
    return channel.modality or (modalities.pop() if len(modalities) == 1 else None)


def _intensity(n: int, modality: str | None, facts: Sequence[CaseFacts]) -> IntensityStep:
    """CT has a scale of its own: its structures' values decide (nnU-Net). Other images are taken one by one."""
    values: NDArray[np.float32] = np.concatenate([case.images[n].foreground for case in facts])
    if modality != "CT" or len(values) == 0 or not all(case.images[n].hounsfield for case in facts):
        return ZScore()
    low, high = (float(v) for v in np.percentile(values, (0.5, 99.5)))
    clipped = np.clip(values.astype(np.float64), low, high)
    mean, deviation = float(clipped.mean()), float(clipped.std())
    if not low < high or deviation < 1e-3:
        return ZScore()
    return FixedZScore(round(low, 3), round(high, 3), round(mean, 3), round(deviation, 3))


def _padding(channels: Sequence[Channel]) -> float:
    steps = [step for channel in channels for step in channel.intensity or ()]
    darkest = [(step.low - step.mean) / step.std for step in steps if isinstance(step, FixedZScore)]
    return round(min(darkest), 4) if len(darkest) == len(channels) else 0.0


def _triple(values: NDArray[np.float64]) -> FloatTriple:
    a, b, c = (float(value) for value in values)
    return a, b, c
