"""Brings the input volumes of one case onto the network's grid and into its range of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from ..resample import resample
from ..spec import ModelSpec
from ..volume import Geometry, Volume
from .foreground import NOTHING_CUT, Cut, around, cut_to, foreground_of_scan
from .grid import network_grid
from .intensity import apply_intensity, fit_intensity, toned
from .region import Region, cut_out

LEAST_COMMON_PART = 0.5
"""Inputs of one case of which less than this part of the first lies within another do not belong together."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network sees.

    Attributes:
        array: ``(C, axis 0, axis 1, axis 2)`` float32.
        geometry: the whole grid; its K, J, I are the network's axes 0, 1, 2.
        part: of the first scan, over which the grid was laid.
        cut: voxels of the grid that the array lacks at the low and the high end of each axis.
        notices: what the person should know.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    part: Geometry
    cut: Cut = NOTHING_CUT
    notices: tuple[Notice, ...] = ()


def prepare(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None) -> Prepared:
    """Prepares one case.

    Args:
        volumes: one ``(K, J, I)`` volume per channel of the model, or a single ``(C, K, J, I)`` one. The first
            decides the grid; the others are brought onto it by their own geometry.
        spec: the model.
        region: only this part. Statistics for the intensity steps are still those of the whole scans.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART, REGION_OUTSIDE.
    """
    channels = split_channels(volumes, spec)
    seen, notices = foreground_of_scan(channels, spec)
    whole = cut_to(_toned(channels, spec), seen)
    parts = whole if region is None else cut_out(whole[:1], region) + tuple(whole[1:])
    geometry = network_grid(parts[0].geometry, spec.grid)
    array = np.empty((len(whole), *geometry.shape), dtype=np.float32)
    inside: NDArray[np.bool_] | None = None
    for channel, (scan, part) in enumerate(zip(whole, parts, strict=True)):
        air = float(scan.array.min())
        on_edge = spec.grid.rule == "first_voxel" and part.geometry.same_as(parts[0].geometry)
        fill = None if on_edge else air
        moved = resample(part.array, part.geometry, geometry, spec.grid.interpolation, fill)
        if spec.statistics == "scan":
            measured = scan.array
        elif region is None:
            measured = moved
        else:
            whole_grid = network_grid(whole[0].geometry, spec.grid)
            measured = resample(scan.array, scan.geometry, whole_grid, spec.grid.interpolation, fill)
        lines = fit_intensity(spec.intensity_of(channel)[spec.steps_on_scan :], measured)
        array[channel] = apply_intensity(lines, moved)
        if spec.foreground is not None and spec.foreground.channel in (None, channel):
            known = lines[: max(0, spec.foreground.steps - spec.steps_on_scan)]
            above = apply_intensity(known, moved) > spec.foreground.above
            inside = above if inside is None else inside | above
    if spec.foreground is None or inside is None or spec.foreground.grid == "scan":
        return Prepared(array, geometry, parts[0].geometry, notices=notices)
    cut = around(inside, spec.foreground.margin)
    a, b, c = (slice(low, n - high) for n, (low, high) in zip(geometry.shape, cut, strict=True))
    return Prepared(array[:, a, b, c], geometry, parts[0].geometry, cut)


def _toned(channels: Sequence[Volume], spec: ModelSpec) -> tuple[Volume, ...]:
    """The channels with the steps that come before the network's grid."""
    before = [spec.intensity_of(n)[: spec.steps_on_scan] for n in range(len(channels))]
    return tuple(
        replace(channel, array=toned(steps, channel.array)) for channel, steps in zip(channels, before, strict=True)
    )


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
