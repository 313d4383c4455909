"""What a header says about a volume file, and the way from there to volumes: one for NIfTI, NRRD and MetaImage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from ..machine_memory import total_memory
from ..volume import Geometry, Source, Volume
from .choices import check_without_series, chosen_frames
from .options import ReadOptions
from .payload import Payload, decode
from .values import check_values, narrowed, rescaled

FARTHEST_MM = 1e6
"""No voxel of a scan lies farther than this from the origin, and no spacing is larger."""


@dataclass(frozen=True, eq=False)
class StoredImage:
    """A volume file whose header has been understood; no voxel has been read.

    Attributes:
        format: ``NIfTI``, ``NRRD`` or ``MetaImage``.
        header: the file that was named.
        payload: where its voxels are. Without ``frame_axis``, its axes are K, J, I.
        ijk_to_ras: ``(4, 4)`` mm.
        frame_axis: which axis of the payload counts volumes; None: the file holds one.
        slope: a value is the stored number times this,
        intercept: plus this.
        modality: DICOM's name of it, where the header says.
        notices: what the header's reader warns of.
        found: what it is, where the header says that it is no scan: labels, a map.
    """

    format: Literal["NIfTI", "NRRD", "MetaImage"]
    header: Path
    payload: Payload
    ijk_to_ras: NDArray[np.float64]
    frame_axis: int | None = None
    slope: float = 1.0
    intercept: float = 0.0
    modality: str | None = None
    notices: tuple[Notice, ...] = ()
    found: str = ""

    @property
    def frames(self) -> int:
        """How many volumes the file holds."""
        return 1 if self.frame_axis is None else self.payload.shape[self.frame_axis]

    @property
    def geometry(self) -> Geometry:
        """Where each of its volumes lies.

        Raises:
            MedDLError: GEOM_SINGULAR.
        """
        shape = tuple(n for axis, n in enumerate(self.payload.shape) if axis != self.frame_axis)
        return plausible(self.header.name, shape, self.ijk_to_ras)


def load(image: StoredImage, options: ReadOptions) -> list[Volume]:
    """Reads the voxels of one volume, or of the frames that were asked for.

    Raises:
        MedDLError: SERIES_UNKNOWN where a series was chosen; NOT_3D where there are several frames and none was
            chosen, or one that is not there; GEOM_SINGULAR, TOO_LARGE, FILE_TRUNCATED, FILE_UNREADABLE, NONFINITE.
    """
    check_without_series(image.header.name, options)
    geometry = image.geometry
    frames = _chosen(image, options)
    _check_memory(image, len(frames))
    try:
        return [_volume(image, frame, stored, geometry, options) for frame, stored in _arrays(image, frames)]
    except MemoryError as error:
        name, size = image.header.name, image.payload.nbytes / 2**30
        raise MedDLError(Code.TOO_LARGE, f"There is no memory for {name}, {size:.1f} GiB of voxels.") from error


def _volume(image: StoredImage, frame: int, stored: NDArray[Any], geometry: Geometry, options: ReadOptions) -> Volume:
    modality = options.modality or image.modality
    values = rescaled(narrowed(stored), image.slope, image.intercept)
    values, notices = check_values(values, modality, options.allow)
    files = tuple(dict.fromkeys((image.header, image.payload.file)))
    source = Source(image.format, files, part="" if image.frames == 1 else f"frame{frame:03d}")
    return Volume(values, geometry, modality, source, notices=image.notices + notices)


def _chosen(image: StoredImage, options: ReadOptions) -> list[int]:
    count = image.frames
    if options.frame is None and count > 1:
        raise MedDLError(Code.NOT_3D, f"{image.header.name} holds {count} volumes, not one.")
    return list(chosen_frames(image.header.name, count, options.frame))


def _check_memory(image: StoredImage, frames: int) -> None:
    """Refuses, before anything is allocated, what the memory could never hold."""
    held = frames if image.frame_axis == 0 else image.frames
    size = image.payload.nbytes * held // image.frames
    memory = total_memory()
    if size > memory:
        shape = " x ".join(str(n) for n in reversed(image.payload.shape))
        raise MedDLError(
            Code.TOO_LARGE,
            f"{image.header.name} declares {shape} voxels: {size / 2**30:.0f} GiB, "
            f"and this machine, or its container, has {memory / 2**30:.0f} GiB of memory.",
        )


def _arrays(image: StoredImage, frames: list[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """The number and the ``(K, J, I)`` of each frame, as stored."""
    if image.frame_axis is None:
        yield 0, decode(image.payload)
    elif image.frame_axis == 0 and len(frames) == 1:
        yield frames[0], decode(image.payload, frames[0])
    else:
        stack = np.moveaxis(decode(image.payload), image.frame_axis, 0)
        for frame in frames:
            yield frame, np.ascontiguousarray(stack[frame])


def checked_shape(name: str, sizes: Iterable[int]) -> tuple[int, ...]:
    """Sizes of axes as a header gives them.

    Raises:
        MedDLError: FILE_UNREADABLE where one is below 1 or beyond any memory's address.
    """
    shape = tuple(sizes)
    if not shape or min(shape) < 1 or max(shape) >= 2**62:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the header declares axes of impossible sizes.")
    return shape


def plausible(name: str, shape: tuple[int, ...], ijk_to_ras: NDArray[np.float64]) -> Geometry:
    """A geometry whose numbers can be those of a scan.

    Raises:
        MedDLError: GEOM_SINGULAR where the axes do not span space or a voxel lies beyond ``FARTHEST_MM``.
    """
    k, j, i = shape
    size = np.array([i, j, k, 1], dtype=np.float64)
    if not (np.abs(ijk_to_ras[:3]) <= FARTHEST_MM).all() or not (np.abs(ijk_to_ras[:3]) @ size <= FARTHEST_MM).all():
        raise MedDLError(Code.GEOM_SINGULAR, f"{name}: the header places voxels farther than any scanner could.")
    return Geometry((k, j, i), ijk_to_ras)
