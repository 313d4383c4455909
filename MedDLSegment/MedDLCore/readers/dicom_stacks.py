"""A DICOM series into stacks of parallel slices with one slice at each place: acquisitions, frames, localizers, copies.

Nothing here depends on the order in which files are found.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from .choices import chosen_frames
from .dicom_left_out import LeftOut, notices_of
from .dicom_pixels import stored_frame
from .dicom_slices import Slice
from .dicom_spacing import is_even, uncovered
from .options import ReadOptions

PARALLEL_MM = 0.1
"""Slices are parallel when no corner of one moves further than this where it takes the axes of the other."""

SAME_DEPTH_MM = 0.01
"""Slices nearer than this lie at the same place."""

LOCALIZER_AT_MOST = 3
"""In a series with several directions, a direction with no more slices than this belongs to a localizer."""

ACROSS_DEGREES = 5.0
"""A localizer crosses the stack. Planes that are turned against it by less are slices of it, or would be."""

ACQUISITIONS_AT_MOST = 4
"""More repeats of the same places than a contrast study has phases are a time series, not acquisitions."""

_PLANES = ("sagittal", "coronal", "axial")

Places = list[list[Slice]]
"""The slices of each place, along the normal."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices along their normal, one at each place.

    Attributes:
        slices: at least one.
        part: what distinguishes it from the other stacks of its series; ``""`` for the only one.
        notices: what was found on the way here.
    """

    slices: tuple[Slice, ...]
    part: str = ""
    notices: tuple[Notice, ...] = ()


def depths_of(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """``(N,)`` mm: where slices lie along the normal of the first."""
    depths: NDArray[np.float64] = np.stack([item.position for item in slices]) @ slices[0].normal
    return depths


def thickness_of(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """``(N,)`` mm; NaN where it is not known."""
    return np.array([np.nan if item.thickness is None else item.thickness for item in slices])


def stacks_of(slices: Sequence[Slice], options: ReadOptions) -> list[Stack]:
    """Splits the slices of one series.

    Raises:
        MedDLError: LOCALIZER, MULTI_STACK, SERIES_INCONSISTENT, NOT_3D, GEOM_DUP.
    """
    directions = _directions(sorted(slices, key=_canonical))
    _check_multi_frame(directions)
    directions, notices = _without_localizers(directions)
    stacks = []
    for direction, name in zip(directions, _names(directions), strict=True):
        groups = _same_size(direction)
        for group in groups:
            inner = f"acq{group[0].acquisition}" if len(groups) > 1 else ""
            for part, members, found in _separate(group, options):
                label = "-".join(filter(None, (name, part or inner)))
                stacks.append(Stack(tuple(members), label, (*notices, *found)))
    return stacks


def _canonical(item: Slice) -> tuple[object, ...]:
    axes = np.round(np.concatenate([item.across, item.down]), 3) + 0.0
    uid = item.file.tags.text("SOPInstanceUID")
    return (*axes, *np.round(item.position, 3), *item.order, uid, item.file.name)


def _moved(first: Slice, second: Slice) -> float:
    """How far, in mm, a corner of the first moves along where it takes the second's rows and columns."""
    change = first.edges - second.edges
    return float(np.linalg.norm(np.column_stack([change, change.sum(axis=1)]), axis=0).max())


def _turned(first: Slice, second: Slice) -> float:
    """The same for the second's directions alone, whatever its size and spacing."""
    lengths = np.linalg.norm(first.edges, axis=0)
    change = (np.stack([first.across, first.down], axis=1) - np.stack([second.across, second.down], axis=1)) * lengths
    return float(np.linalg.norm(np.column_stack([change, change.sum(axis=1)]), axis=0).max())


def _directions(slices: Sequence[Slice]) -> Places:
    groups: Places = []
    for item in slices:
        for group in groups:
            if _turned(group[0], item) <= PARALLEL_MM:
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _check_multi_frame(directions: Places) -> None:
    for group in directions:
        stacks = {item.stack for item in group}
        if group[0].pixels.frames > 1 and (len(directions) > 1 or len(stacks) > 1):
            count = max(len(directions), len(stacks))
            raise MedDLError(Code.MULTI_STACK, f"{group[0].file.name} holds {count} stacks of slices, not one.")


def is_scout(slices: Sequence[Slice]) -> bool:
    """Whether all slices lie in several directions with few slices in each."""
    directions = _directions(sorted(slices, key=_canonical))
    return len(directions) > 1 and all(len(group) <= LOCALIZER_AT_MOST for group in directions)


def _without_localizers(directions: Places) -> tuple[Places, list[Notice]]:
    if len(directions) == 1:
        return directions, []
    stacks = [group for group in directions if len(group) > LOCALIZER_AT_MOST]
    if not stacks:
        raise MedDLError(
            Code.LOCALIZER,
            f"The series holds {sum(map(len, directions))} images in {len(directions)} directions, "
            f"at most {LOCALIZER_AT_MOST} in each: a localizer.",
        )
    scouts = [item for group in directions if len(group) <= LOCALIZER_AT_MOST for item in group]
    _check_across(scouts, stacks)
    files = dict.fromkeys(item.file.name for item in scouts)
    return stacks, notices_of(LeftOut(name, Code.LOCALIZER, "a localizer, across the stack") for name in files)


def _check_across(scouts: list[Slice], stacks: Places) -> None:
    """Left out as a localizer, the last slices of a stack would be missed by nobody.

    Raises:
        MedDLError: SERIES_INCONSISTENT where one lies nearly as the slices of a stack do.
    """
    for item in scouts:
        along = max(abs(float(item.normal @ stack[0].normal)) for stack in stacks)
        if along > np.cos(np.deg2rad(ACROSS_DEGREES)):
            raise MedDLError(
                Code.SERIES_INCONSISTENT,
                f"{item.name} is turned a little against the other slices: neither one of their stack nor a localizer "
                "across it.",
            )


def _names(directions: Places) -> list[str]:
    """``axial``, ``coronal1``, ...; ``""`` where there is one direction only."""
    if len(directions) == 1:
        return [""]
    planes = [_PLANES[int(np.argmax(np.abs(group[0].normal)))] for group in directions]
    counted: dict[str, int] = defaultdict(int)
    names = []
    for plane in planes:
        counted[plane] += 1
        names.append(plane if planes.count(plane) == 1 else f"{plane}{counted[plane]}")
    return names


def _same_size(direction: list[Slice]) -> Places:
    """Parallel slices by matrix and pixel spacing. Different ones must be different acquisitions."""
    groups: Places = []
    for item in direction:
        for group in groups:
            same = (item.pixels.rows, item.pixels.columns) == (group[0].pixels.rows, group[0].pixels.columns)
            if same and _moved(group[0], item) <= PARALLEL_MM:
                group.append(item)
                break
        else:
            groups.append([item])
    numbers = [{item.acquisition for item in group} for group in groups]
    apart = sum(map(len, numbers)) == len(set().union(*numbers)) and None not in set().union(*numbers)
    if len(groups) > 1 and not apart:
        sizes = sorted(
            f"{g[0].pixels.columns} x {g[0].pixels.rows} at {g[0].spacing[0]:.4g} x {g[0].spacing[1]:.4g} mm"
            for g in groups
        )
        raise MedDLError(
            Code.SERIES_INCONSISTENT, f"The images of one acquisition have different sizes: {'; '.join(sizes)}."
        )
    return sorted(groups, key=lambda group: group[0].acquisition or 0)


def _separate(group: list[Slice], options: ReadOptions) -> list[tuple[str, list[Slice], list[Notice]]]:
    """Slices with the same axes and size -> (part, slices with one at each place, notices)."""
    places, notices = _without_copies(_places(group))
    repeats = {len(place) for place in places}
    acquisitions = _acquisitions(places)
    if repeats == {1}:
        if not acquisitions or not _apart(acquisitions):
            chosen_frames("The series", 1, options.frame)
            return [("", [place[0] for place in places], notices)]
    elif len(repeats) == 1 and (len(places) == 1 or _in_time(places) or not _are_phases(acquisitions)):
        return [(part, slices, notices) for part, slices in _frames(places, options)]
    elif _is_broken_off(places, acquisitions):
        raise MedDLError(
            Code.NOT_3D,
            f"The series holds up to {max(repeats)} images at a place, but not at each of its {len(places)} places: a "
            "time series that was broken off.",
            "Export one complete moment as a series of its own.",
        )
    elif not acquisitions:
        raise MedDLError(
            Code.GEOM_DUP,
            f"Up to {max(repeats)} different images lie at the same place, and nothing tells them apart.",
        )
    parts = [(f"acq{number}", slices, notices) for number, slices in acquisitions.items()]
    return [parts[n] for n in chosen_frames("The series", len(parts), options.frame)]


def _places(group: list[Slice]) -> Places:
    depths = np.stack([item.position for item in group]) @ group[0].normal
    places: Places = []
    start = -np.inf
    for n in np.argsort(depths, kind="stable"):
        if depths[n] - start > SAME_DEPTH_MM:
            places.append([])
            start = depths[n]
        places[-1].append(group[n])
    return [sorted(place, key=lambda item: item.order) for place in places]


def _without_copies(places: Places) -> tuple[Places, list[Notice]]:
    """Drops identical slices of one place, but none of a time series, where two moments may look the same."""
    repeats = {len(place) for place in places}
    if repeats == {1} or (len(repeats) == 1 and any(len(_different(place)) > 1 for place in places)):
        return places, []
    kept = [_different(place) for place in places]
    dropped = sum(map(len, places)) - sum(map(len, kept))
    if not dropped:
        return places, []
    text = "slice is a copy of another" if dropped == 1 else "slices are copies of others"
    return kept, [Notice(Code.GEOM_DUP, f"{dropped} {text} at the same place; dropped.")]


def _different(place: list[Slice]) -> list[Slice]:
    found: dict[tuple[object, ...], Slice] = {}
    for item in place if len(place) > 1 else []:
        digest = hashlib.sha256(stored_frame(item.file, item.pixels, item.frame).tobytes()).digest()
        found.setdefault((digest, item.slope, item.intercept, *np.round(item.position, 2)), item)
    return list(found.values()) or place


def _in_time(places: Places) -> bool:
    """Every place tells its repeats apart by time, echo, diffusion or heart phase."""
    return all(len({item.moment for item in place}) > 1 for place in places)


def _acquisitions(places: Places) -> dict[int, list[Slice]]:
    """Slices by AcquisitionNumber; empty unless there are several, each with at most one slice at each place."""
    found: dict[int, list[Slice]] = {}
    for place in places:
        numbers = [item.acquisition for item in place]
        if None in numbers or len(set(numbers)) < len(numbers):
            return {}
        for item in place:
            found.setdefault(item.acquisition or 0, []).append(item)
    return dict(sorted(found.items())) if len(found) > 1 else {}


def _are_phases(acquisitions: dict[int, list[Slice]]) -> bool:
    """Acquisitions of the same places are few; more are a time series."""
    return 0 < len(acquisitions) <= ACQUISITIONS_AT_MOST


def _is_broken_off(places: Places, acquisitions: dict[int, list[Slice]]) -> bool:
    """Whether repeats of which some places have fewer are moments: more than acquisitions are, or told by time."""
    if acquisitions:
        return max(map(len, places)) > ACQUISITIONS_AT_MOST
    return _in_time([place for place in places if len(place) > 1])


def _apart(acquisitions: dict[int, list[Slice]]) -> bool:
    """Acquisitions without a common place are volumes of their own where they are even stacks that do not fit.

    Either they interleave unevenly, or each lies beyond a gap that no one would fill. Acquisitions that follow each
    other, as those of each table position in a sequential CT, are one volume.
    """
    if not all(len(slices) > 1 and is_even(depths_of(slices)) for slices in acquisitions.values()):
        return False
    together = sorted((item for slices in acquisitions.values() for item in slices), key=lambda item: _depth(item))
    depths = depths_of(together)
    numbers = [item.acquisition for item in together]
    changes = np.array([a != b for a, b in zip(numbers[1:], numbers[:-1], strict=True)])
    interleaved = int(changes.sum()) >= len(acquisitions)
    if interleaved:
        return not is_even(depths)
    return bool((uncovered(depths, thickness_of(together)) == changes).all())


def _depth(item: Slice) -> float:
    return float(item.position @ item.normal)


def _frames(places: Places, options: ReadOptions) -> list[tuple[str, list[Slice]]]:
    """The volumes of a 4-D series that were asked for, in the order of acquisition."""
    count = len(places[0])
    if options.frame is None:
        raise MedDLError(
            Code.NOT_3D,
            f"The series holds {count} images at each of its {len(places)} places: {count} volumes, not one.",
        )
    chosen = chosen_frames("The series", count, options.frame)
    return [(f"frame{n:03d}", [place[n] for place in places]) for n in chosen]
