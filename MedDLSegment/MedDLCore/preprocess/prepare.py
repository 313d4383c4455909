"""Brings the input volumes of one case onto the network's grid and into its range of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError
from ..resample import resample
from ..spec import Grid, ModelSpec, ZScore
from ..stretch import lone_axis, stretch
from ..volume import Geometry, LabelMap, Volume
from .grid import network_axes, network_grid, wanted_spacing
from .intensity import apply_intensity, fit_intensity
from .nonzero import body, cropped
from .previous import previous_channels
from .region import Region, cut_out

LEAST_COMMON_PART = 0.5
"""Inputs of one case of which less than this part of the first lies within another do not belong together."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network sees.

    Attributes:
        array: ``(C, axis 0, axis 1, axis 2)`` float32, contiguous.
        geometry: the grid; its K, J, I are the network's axes 0, 1, 2.
        seen: the voxels of the first scan that the grid was laid over, after every crop, in the order of the network's
            axes. For the rule ``extent`` its outer faces are those of the grid.
        alone: the axis that is resampled on its own on the way back, if any.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    seen: Geometry
    alone: int | None = None


def prepare(
    volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None, previous: LabelMap | None = None
) -> Prepared:
    """Prepares one case.

    Args:
        volumes: one ``(K, J, I)`` volume per channel of the model, or a single ``(C, K, J, I)`` one. The first
            decides the grid; the others are brought onto it by their own geometry.
        spec: the model.
        region: only this part. Statistics for the intensity steps are still those of the whole scans.
        previous: what an earlier model found, on the grid of the first volume, where the model takes that.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART, REGION_OUTSIDE.
    """
    whole = cropped(split_channels(volumes, spec), spec.grid)
    found = None if previous is None else previous_channels(previous, whole, spec)
    if spec.intensity_on == "scan":
        whole = _toned(whole, spec)
    parts = whole if region is None else cut_out(whole[:1], region) + tuple(whole[1:])
    seen = network_axes(parts[0].geometry, spec.grid)
    geometry = network_grid(parts[0].geometry, spec.grid)
    array = np.empty((spec.input_channels, *geometry.shape), dtype=np.float32)
    for channel, (scan, part) in enumerate(zip(whole, parts, strict=True)):
        moved = _moved(part, geometry, seen, spec.grid)
        if spec.intensity_on == "scan":
            array[channel] = moved
            continue
        if spec.statistics == "scan":
            measured = scan.array
        elif region is None:
            measured = moved
        else:
            first = whole[0].geometry
            measured = _moved(scan, network_grid(first, spec.grid), network_axes(first, spec.grid), spec.grid)
        array[channel] = apply_intensity(fit_intensity(spec.intensity_of(channel), measured), moved)
    if found is not None:
        array[len(whole) :] = found(geometry, seen)
    own, wanted = seen.spacing[::-1].tolist(), wanted_spacing(seen, spec.grid)
    return Prepared(array, geometry, seen, lone_axis(wanted, own, spec.output.apart))


def _moved(part: Volume, geometry: Geometry, seen: Geometry, grid: Grid) -> NDArray[Any]:
    """A channel on the network's grid."""
    air = float(part.array.min())
    if grid.rule == "centred":
        return resample(part.array, part.geometry, geometry, grid.interpolation, fill=air)
    placed = resample(part.array, part.geometry, seen, grid.interpolation, fill=air)
    alone = lone_axis(seen.spacing[::-1].tolist(), wanted_spacing(seen, grid), grid.apart)
    return stretch(placed, geometry.shape, grid.interpolation, alone)


def _toned(channels: Sequence[Volume], spec: ModelSpec) -> tuple[Volume, ...]:
    """The channels with the intensity steps applied on their own grids."""
    steps = [spec.intensity_of(n) for n in range(len(channels))]
    for_body = any(isinstance(step, ZScore) and step.body for own in steps for step in own)
    within = body(channels) if for_body else None
    toned = []
    for own, channel in zip(steps, channels, strict=True):
        values = apply_intensity(fit_intensity(own, channel.array, within), channel.array)
        if within is not None and any(isinstance(step, ZScore) and step.body for step in own):
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
