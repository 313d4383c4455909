"""What a batch will need, from headers alone: no voxel is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..admission import Options
from ..errors import MedDLError
from ..pipeline import Model, plan
from ..volume import Geometry, Volume
from .job import Job
from .scan import Scan

BITS_PER_BYTE = 8
SHARE_OF_SLICES = 0.25
"""On how much of the scan a structure lies, where there are several: DICOM SEG stores whole slices, a bit a voxel."""

COMPRESSED = 0.02
"""Bytes of a compressed label map for each voxel."""


@dataclass(frozen=True)
class Foresight:
    """What the scans of a batch will need together.

    Attributes:
        scans: how many were looked at.
        unknown: how many of them do not say how large they are, or cannot be foreseen.
        seconds: of the network for all of them, or None where that is not known.
        memory: bytes at the peak of the largest.
        disk: bytes of all results, about.
        on_device: the network runs on a graphics card or the like.
    """

    scans: int
    unknown: int
    seconds: float | None
    memory: int
    disk: int
    on_device: bool


def foresee(scans: Sequence[Scan], model: Model, job: Job) -> Foresight:
    """Plans every scan by its size; scans of one size are planned once.

    Args:
        scans: that are to run.
        model: loaded.
        job: what is done to each.
    """
    known: dict[tuple[object, ...], tuple[float | None, int] | None] = {}
    unknown, seconds, memory, disk = 0, 0.0, 0, 0.0
    timed = True
    for scan in scans:
        volume = _empty(scan)
        if volume is None:
            unknown += 1
            continue
        size = (volume.geometry.shape, tuple(np.round(volume.geometry.spacing, 2)))
        if size not in known:
            known[size] = _needs(volume, model, job.options)
        needs = known[size]
        if needs is None:
            unknown += 1
            continue
        timed = timed and needs[0] is not None
        seconds += needs[0] or 0.0
        memory = max(memory, needs[1])
        disk += sum(_disk(volume, name, len(model.spec.labels)) for name in job.formats_for(scan.is_dicom))
    return Foresight(len(scans), unknown, seconds if timed else None, memory, round(disk), model.device.name != "cpu")


def _empty(scan: Scan) -> Volume | None:
    """A volume of the scan's size which takes no memory."""
    header, slices = scan.header, scan.slices
    if header.size is None or header.spacing is None or not slices:
        return None
    shape = (slices, header.size[1], header.size[0])
    spacing = (*header.spacing, header.thickness or header.spacing[0])
    array = np.broadcast_to(np.int16(0), shape)
    return Volume(array, Geometry.from_parts(shape, spacing), scan.modality or None)


def _needs(volume: Volume, model: Model, options: Options) -> tuple[float | None, int] | None:
    try:
        foreseen = plan([volume], model, options)
    except MedDLError:  # it is said where the scan runs
        return None
    return foreseen.seconds, foreseen.memory


def _disk(volume: Volume, name: str, labels: int) -> float:
    voxels = volume.array.size
    if name != "dicomseg":
        return voxels * COMPRESSED
    return voxels / BITS_PER_BYTE * max(1.0, labels * SHARE_OF_SLICES)
