"""Brings the input volumes of one case onto the network's grid and into its range of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..cut import NOTHING_CUT, Cut, inner
from ..errors import Code, MedDLError, Notice
from ..spec import ModelSpec, ZScore
from ..stretch import lone_axis
from ..volume import Geometry, LabelMap, Volume
from .foreground import around, cut_to, foreground_of_scan
from .grid import network_axes, network_grid, wanted_spacing
from .intensity import fit_intensity, tone
from .moving import Toned, in_parts, moved
from .nonzero import body, cropped
from .previous import previous_labels
from .region import Region, cut_out
from .route import works_in

if TYPE_CHECKING:
    from torch import Tensor

LEAST_COMMON_PART = 0.5
"""Inputs of one case of which less than this part of the first lies within another do not belong together."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network sees.

    Attributes:
        array: ``(C, axis 0, axis 1, axis 2)`` float32: of numpy on a CPU, elsewhere a tensor on the device.
        geometry: the whole grid; its K, J, I are the network's axes 0, 1, 2.
        part: the voxels of the first scan that the grid was laid over, after every crop; for the rule ``extent`` in the
            order of the network's axes.
        cut: voxels of the grid that the array lacks at the low and the high end of each axis.
        alone: the axis that is resampled on its own on the way back, if any.
        notices: what the person should know.
    """

    array: NDArray[np.float32] | Tensor
    geometry: Geometry
    part: Geometry
    cut: Cut = NOTHING_CUT
    alone: int | None = None
    notices: tuple[Notice, ...] = ()


def prepare(
    volumes: Sequence[Volume],
    spec: ModelSpec,
    region: Region | None = None,
    previous: LabelMap | None = None,
    device: str = "cpu",
    cut: Cut = NOTHING_CUT,
) -> Prepared:
    """Prepares one case.

    Args:
        volumes: one ``(K, J, I)`` volume per channel of the model, or a single ``(C, K, J, I)`` one. The first
            decides the grid; the others are brought onto it by their own geometry.
        spec: the model.
        region: only this part. Statistics for the intensity steps are still those of the whole scans.
        previous: what an earlier model found, for a model that takes it (``spec.previous``); on the first scan's grid.
        device: where the work is done and the result stays: torch's name for it.
        cut: what of the network's grid is left out, for a model that does not cut it by itself.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART.
    """
    import torch

    channels = cropped(split_channels(volumes, spec), spec.grid)
    found = None if previous is None else previous_labels(previous, channels, spec)
    foreground, notices = foreground_of_scan(channels, spec)
    whole = _toned(channels, spec, foreground)
    parts = whole if region is None else (whole[0].cut(region), *whole[1:])
    scan, first = whole[0].geometry, parts[0].geometry
    placed, geometry = network_axes(first, spec.grid), network_grid(first, spec.grid)
    seen = inner(cut, geometry.shape)
    array = _empty((spec.input_channels, *(part.stop - part.start for part in seen)), device)
    on_network = spec.foreground if spec.foreground is not None and spec.foreground.grid == "network" else None
    inside = torch.zeros(geometry.shape if on_network else (0, 0, 0), dtype=torch.bool, device=device)
    for n, (channel, part) in enumerate(zip(whole, parts, strict=True)):
        steps = spec.intensity_of(n)[spec.steps_on_scan :]
        air = float(channel.ends()[0].min())
        if spec.statistics == "scan" or not steps:
            lines = fit_intensity(steps, channel.volume.array, applied=channel.lines)
            flow = moved(part, first, spec.grid, air, device, cut)
        else:
            single = works_in(channel.volume.array) == np.float32
            shape = network_grid(scan, spec.grid).shape
            into = array[n] if single and array.shape[1:] == shape else _empty(shape, device, single)
            for where, values in moved(channel, scan, spec.grid, air, device):
                into[where] = values
            lines = fit_intensity(steps, into)
            flow = in_parts(into[seen]) if region is None else moved(part, first, spec.grid, air, device, cut)
        for where, values in flow:
            if on_network is not None and on_network.channel in (None, n):
                known = lines[: on_network.steps - spec.steps_on_scan]
                inside[where] |= (tone(known, values.clone()) > on_network.above).to(device)
            array[n][where] = tone(lines, values)
    if found is not None:
        labels = found(geometry, placed)
        for n, value in enumerate(spec.previous, start=len(whole)):
            array[n] = torch.from_numpy(labels[seen] == value)
    array[len(whole) + len(spec.previous) :] = 0  # no click yet
    extent = spec.grid.rule == "extent"
    own, wanted = placed.spacing[::-1].tolist(), wanted_spacing(placed, spec.grid)
    alone = lone_axis(wanted, own, spec.output.apart) if extent else None
    if on_network is not None:
        cut = around(inside.cpu().numpy(), on_network.margin)
        a, b, c = inner(cut, geometry.shape)
        array = array[:, a, b, c]
    seen_by_network = array.numpy() if device == "cpu" else array
    return Prepared(seen_by_network, geometry, placed if extent else first, cut, alone, notices)


def laid_over(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None) -> Geometry:
    """The voxels of the first scan that the network's grid is laid over, but for a foreground that the model cuts.

    Arguments and errors as for ``prepare``.
    """
    first = cropped(split_channels(volumes, spec), spec.grid)[:1]
    return (first if region is None else cut_out(first, region))[0].geometry


def _empty(shape: Sequence[int], device: str, single: bool = True) -> Tensor:
    """Uninitialised numbers of 32 bits; or of 64, on the device where that has them."""
    import torch

    if device == "cpu" or (device == "mps" and not single):  # numpy asks for large pages: they are filled sooner
        return torch.from_numpy(np.empty(shape, dtype=np.float32 if single else np.float64))
    return torch.empty(tuple(shape), dtype=torch.float32 if single else torch.float64, device=device)


def _toned(channels: Sequence[Volume], spec: ModelSpec, foreground: Geometry) -> tuple[Toned, ...]:
    """The channels with the steps that come before the network's grid, fitted to the channels themselves."""
    before = [spec.intensity_of(n)[: spec.steps_on_scan] for n in range(len(channels))]
    of_body = [any(isinstance(step, ZScore) and step.body for step in steps) for steps in before]
    mask = body(channels) if any(of_body) else None
    toned = []
    for steps, only_body, channel in zip(before, of_body, channels, strict=True):
        within = mask if only_body else None
        toned.append(Toned(channel, fit_intensity(steps, channel.array, within), within))
    if spec.foreground is None or spec.foreground.grid != "scan":
        return tuple(toned)
    return tuple(Toned(cut) for cut in cut_to([replace(one.volume, array=one.values()) for one in toned], foreground))


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
        if (common := common_part(single[0].geometry, other.geometry)) < LEAST_COMMON_PART:
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


def common_part(first: Geometry, other: Geometry) -> float:
    """The part of a coarse lattice of points of ``first`` that lies within ``other``."""
    lattice = np.stack(np.meshgrid(*[np.linspace(0, n - 1, 9) for n in first.shape[::-1]]), axis=-1).reshape(-1, 3)
    indices = other.ras_to_index(first.index_to_ras(lattice))
    within = ((indices >= -0.5) & (indices <= np.array(other.shape[::-1]) - 0.5)).all(axis=1)
    return float(within.mean())
