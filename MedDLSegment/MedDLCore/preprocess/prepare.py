"""Brings the input volumes of one case onto the network's grid and into its range of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from ..resample import resample
from ..spec import Grid, ModelSpec, ZScore
from ..stretch import lone_axis, stretch
from ..volume import Geometry, LabelMap, Volume
from .foreground import NOTHING_CUT, Cut, around, cut_to, foreground_of_scan
from .grid import network_axes, network_grid, wanted_spacing
from .intensity import apply_intensity, fit_intensity
from .nonzero import body, cropped
from .previous import previous_labels
from .region import Region, cut_out

LEAST_COMMON_PART = 0.5
"""Inputs of one case of which less than this part of the first lies within another do not belong together."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network sees.

    Attributes:
        array: ``(C, axis 0, axis 1, axis 2)`` float32.
        geometry: the whole grid; its K, J, I are the network's axes 0, 1, 2.
        part: the voxels of the first scan that the grid was laid over, after every crop; for the rule ``extent`` in the
            order of the network's axes.
        cut: voxels of the grid that the array lacks at the low and the high end of each axis.
        alone: the axis that is resampled on its own on the way back, if any.
        notices: what the person should know.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    part: Geometry
    cut: Cut = NOTHING_CUT
    alone: int | None = None
    notices: tuple[Notice, ...] = ()


def prepare(
    volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None, previous: LabelMap | None = None
) -> Prepared:
    """Prepares one case.

    Args:
        volumes: one ``(K, J, I)`` volume per channel of the model, or a single ``(C, K, J, I)`` one. The first
            decides the grid; the others are brought onto it by their own geometry.
        spec: the model.
        region: only this part. Statistics for the intensity steps are still those of the whole scans.
        previous: what an earlier model found, for a model that takes it (``spec.previous``); on the first scan's grid.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART.
    """
    channels = cropped(split_channels(volumes, spec), spec.grid)
    found = None if previous is None else previous_labels(previous, channels, spec)
    foreground, notices = foreground_of_scan(channels, spec)
    whole = cut_to(_toned(channels, spec), foreground)
    parts = whole if region is None else cut_out(whole[:1], region) + tuple(whole[1:])
    placed = network_axes(parts[0].geometry, spec.grid)
    geometry = network_grid(parts[0].geometry, spec.grid)
    array = np.empty((spec.input_channels, *geometry.shape), dtype=np.float32)
    on_network = spec.foreground if spec.foreground is not None and spec.foreground.grid == "network" else None
    inside = np.zeros(geometry.shape if on_network else (0, 0, 0), dtype=np.bool_)
    for channel, (scan, part) in enumerate(zip(whole, parts, strict=True)):
        steps = spec.intensity_of(channel)[spec.steps_on_scan :]
        moved = _moved(part, parts[0].geometry, spec.grid, air=float(scan.array.min()))
        if spec.statistics == "scan" or not steps:
            measured = scan.array
        elif region is None:
            measured = moved
        else:
            measured = _moved(scan, whole[0].geometry, spec.grid, air=float(scan.array.min()))
        lines = fit_intensity(steps, measured)
        array[channel] = apply_intensity(lines, moved)
        if on_network is not None and on_network.channel in (None, channel):
            known = lines[: on_network.steps - spec.steps_on_scan]
            inside |= apply_intensity(known, moved) > on_network.above
    if found is not None:
        labels = found(geometry, placed)
        for channel, value in enumerate(spec.previous, start=len(whole)):
            array[channel] = labels == value
    extent = spec.grid.rule == "extent"
    own, wanted = placed.spacing[::-1].tolist(), wanted_spacing(placed, spec.grid)
    alone = lone_axis(wanted, own, spec.output.apart) if extent else None
    part_seen = placed if extent else parts[0].geometry
    if on_network is None:
        return Prepared(array, geometry, part_seen, alone=alone, notices=notices)
    cut = around(inside, on_network.margin)
    a, b, c = (slice(low, n - high) for n, (low, high) in zip(geometry.shape, cut, strict=True))
    return Prepared(array[:, a, b, c], geometry, part_seen, cut, alone, notices)


def laid_over(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None) -> Geometry:
    """The voxels of the first scan that the network's grid is laid over, but for a foreground that the model cuts.

    Arguments and errors as for ``prepare``.
    """
    first = cropped(split_channels(volumes, spec), spec.grid)[:1]
    return (first if region is None else cut_out(first, region))[0].geometry


def _moved(channel: Volume, first: Geometry, grid: Grid, air: float) -> NDArray[Any]:
    """A channel on the network's grid for the scan, or the part of it, ``first``."""
    geometry = network_grid(first, grid)
    if grid.rule == "extent":
        placed = network_axes(first, grid)
        values = resample(channel.array, channel.geometry, placed, grid.interpolation, fill=air)
        alone = lone_axis(placed.spacing[::-1].tolist(), wanted_spacing(placed, grid), grid.apart)
        return stretch(values, geometry.shape, grid.interpolation, alone)
    on_edge = grid.rule == "first_voxel" and channel.geometry.same_as(first)
    return resample(channel.array, channel.geometry, geometry, grid.interpolation, fill=None if on_edge else air)


def _toned(channels: Sequence[Volume], spec: ModelSpec) -> tuple[Volume, ...]:
    """The channels with the steps that come before the network's grid, fitted to the channels themselves."""
    before = [spec.intensity_of(n)[: spec.steps_on_scan] for n in range(len(channels))]
    of_body = [any(isinstance(step, ZScore) and step.body for step in steps) for steps in before]
    within = body(channels) if any(of_body) else None
    toned = []
    for steps, only_body, channel in zip(before, of_body, channels, strict=True):
        if not steps:
            toned.append(channel)
            continue
        values = apply_intensity(fit_intensity(steps, channel.array, within), channel.array)
        if only_body and within is not None:
            np.copyto(values, channel.array, where=~within, casting="same_kind")
        toned.append(replace(channel, array=values))
    return tuple(toned)


def split_channels(volumes: Sequence[Volume], spec: ModelSpec) -> tuple[Volume, ...]:
    """One ``(K, J, I)`` volume per channel of the model.

    Raises:
        MedDLError: CHANNELS_MISMATCH where their number is not the model's; CHANNELS_APART where they do not lie on
            each other.
    """
    single = tuple(part for volume in volumes for part in _channels(volume))
    wanted = len(spec.channels)
    if len(single) != wanted:
        names = ", ".join(channel.name for channel in spec.channels)
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"The model needs {wanted} input volume(s), in this order: {names}. {len(single)} given.",
        )
    for channel, other in zip(spec.channels[1:], single[1:], strict=True):
        if (common := _common_part(single[0].geometry, other.geometry)) < LEAST_COMMON_PART:
            raise MedDLError(
                Code.CHANNELS_APART,
                f"Only {common:.0%} of the first volume lies within the one given for {channel.name!r}.",
            )
    return single


def _channels(volume: Volume) -> tuple[Volume, ...]:
    if volume.array.ndim == 3:
        return (volume,)
    return tuple(
        Volume(array, volume.geometry, volume.modality, volume.source, volume.acquired, volume.notices)
        for array in volume.array
    )


def _common_part(first: Geometry, other: Geometry) -> float:
    """The part of a coarse lattice of points of ``first`` that lies within ``other``."""
    lattice = np.stack(np.meshgrid(*[np.linspace(0, n - 1, 9) for n in first.shape[::-1]]), axis=-1).reshape(-1, 3)
    indices = other.ras_to_index(first.index_to_ras(lattice))
    within = ((indices >= -0.5) & (indices <= np.array(other.shape[::-1]) - 0.5)).all(axis=1)
    return float(within.mean())
