"""The ground floor: a scan and a label map, on the grid of a ``Geometry``.

Axis order everywhere is ``(K, J, I)``: slices first, as numpy and SimpleITK arrays are; ``(C, K, J, I)`` with
channels. World coordinates are RAS millimetres (right, anterior, superior are positive), as in Slicer. LPS, which
DICOM and ITK use, exists only inside readers and writers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import Notice
from .geometry import SAME_SPACING_MM, SINGULAR_DETERMINANT, Geometry, parse_orientation

__all__ = [
    "GENERIC_TERMINOLOGY",
    "SAME_SPACING_MM",
    "SINGULAR_DETERMINANT",
    "AcquiredSlices",
    "Concept",
    "Geometry",
    "Label",
    "LabelMap",
    "Source",
    "Terminology",
    "Volume",
    "parse_orientation",
]


@dataclass(frozen=True, eq=False)
class AcquiredSlices:
    """The slices of a DICOM series as the scanner made them, which DICOM SEG must refer to.

    For a regular series they are the planes of the volume; for an irregular one (tilt, gaps, varying spacing) the
    volume is a resampled grid and these are not its planes.

    Attributes:
        ijk_to_ras: ``(N, 4, 4)`` mm; slice n maps ``(i, j, 0, 1)`` to RAS; the third column is its unit normal.
        shape: rows, columns.
        files: the file of each slice; all the same for a multi-frame file.
        frames: 0-based frame number of each slice within its file.
    """

    ijk_to_ras: NDArray[np.float64]
    shape: tuple[int, int]
    files: tuple[Path, ...]
    frames: tuple[int, ...]

    def geometry(self, n: int) -> Geometry:
        """Slice ``n`` as a volume of shape ``(1, J, I)``."""
        return Geometry((1, *self.shape), self.ijk_to_ras[n])

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class Source:
    """Where a volume came from. Never written to a log, a manifest or a file name as it is: it can name a patient.

    Attributes:
        format: ``DICOM``, ``NIfTI``, ``NRRD``, ``MetaImage`` or ``scene``.
        files: the files that were read.
        series_uid: SeriesInstanceUID, for DICOM.
        part: stable suffix of a volume that shares its series or file with others (``"acq2"``, ``"frame003"``).
    """

    format: str = ""
    files: tuple[Path, ...] = ()
    series_uid: str = ""
    part: str = ""


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan in memory.

    Attributes:
        array: ``(K, J, I)``, or ``(C, K, J, I)`` with channels; a real dtype. CT in HU.
        geometry: where its voxels lie.
        modality: DICOM's term (``CT``, ``MR``, ``PT``), or None where the file does not say.
        source: where it came from.
        acquired: the original slices, for DICOM.
        notices: what its reader warns of.
    """

    array: NDArray[Any]
    geometry: Geometry
    modality: str | None = None
    source: Source = field(default_factory=Source)
    acquired: AcquiredSlices | None = None
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        if self.array.ndim not in (3, 4) or self.array.shape[-3:] != self.geometry.shape:
            raise ValueError(f"array {self.array.shape} does not fit geometry {self.geometry.shape}")

    @property
    def channels(self) -> int:
        """Number of channels; 1 for a plain ``(K, J, I)`` array."""
        return 1 if self.array.ndim == 3 else int(self.array.shape[0])

    def with_notices(self, *notices: Notice) -> Volume:
        """The same volume with more warnings."""
        return replace(self, notices=self.notices + notices)


@dataclass(frozen=True)
class Concept:
    """A coded concept, e.g. ``Concept("10200004", "SCT", "Liver")`` (DICOM PS3.16: value, scheme, meaning)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Terminology:
    """What a segment is, in DICOM's terms (PS3.3 C.8.20.2, as Slicer's terminologies).

    Attributes:
        category: property category, e.g. Anatomical Structure.
        type: property type, e.g. Kidney.
        modifier: type modifier, e.g. Left.
        region: anatomic region, where the type is not anatomical itself (a tumour in the liver).
        region_modifier: its modifier.
    """

    category: Concept
    type: Concept
    modifier: Concept | None = None
    region: Concept | None = None
    region_modifier: Concept | None = None


GENERIC_TERMINOLOGY = Terminology(
    Concept("85756007", "SCT", "Tissue"),
    Concept("85756007", "SCT", "Tissue"),
)
"""What is written for a structure without a code, with the warning LABEL_UNCODED."""


@dataclass(frozen=True)
class Label:
    """One structure of a label map.

    Attributes:
        value: voxel value, 1 to 65535.
        name: what a person reads.
        color: red, green, blue, 0 to 255.
        terminology: its coded meaning, or None where the model has none.
        layer: which layer of an overlapping label map holds it.
    """

    value: int
    name: str
    color: tuple[int, int, int]
    terminology: Terminology | None = None
    layer: int = 0


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A segmentation on a grid.

    Attributes:
        array: ``(K, J, I)``, or ``(L, K, J, I)`` where segments overlap and need L layers; uint8 or uint16; 0 is
            background in each layer.
        geometry: where its voxels lie.
        labels: its structures. A value may be absent from the array: an empty segment.
    """

    array: NDArray[Any]
    geometry: Geometry
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        if self.array.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"a label map is uint8 or uint16, not {self.array.dtype}")
        if self.array.ndim not in (3, 4) or self.array.shape[-3:] != self.geometry.shape:
            raise ValueError(f"array {self.array.shape} does not fit geometry {self.geometry.shape}")
        keys = [(label.layer, label.value) for label in self.labels]
        if len(set(keys)) != len(keys) or any(not 0 < value < 65536 for _, value in keys):
            raise ValueError("labels of one layer need different values from 1 to 65535")
        if any(not 0 <= layer < self.layers for layer, _ in keys):
            raise ValueError("a label names a layer that the array does not have")

    @property
    def layers(self) -> int:
        """Number of layers; 1 for a plain ``(K, J, I)`` array."""
        return 1 if self.array.ndim == 3 else int(self.array.shape[0])

    def layer(self, n: int) -> NDArray[Any]:
        """``(K, J, I)``: layer ``n``."""
        return self.array if self.array.ndim == 3 else self.array[n]

    def mask(self, label: Label) -> NDArray[np.bool_]:
        """``(K, J, I)`` bool: where ``label`` is."""
        inside: NDArray[np.bool_] = self.layer(label.layer) == label.value
        return inside
