"""Scans and segmentations in files of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.digests import known_sha256
from MedDLCore.readers import ReadOptions, metaimage, nrrd, read
from MedDLCore.readers.label_values import label_values, values_present
from MedDLCore.readers.seg_nrrd import read_seg_nrrd, segments_of_seg_nrrd
from MedDLCore.volume import Concept, LabelMap, Terminology, Volume
from MedDLCore.writers import sidecar_path

from .case import Segment

SEG_NRRD = ".seg.nrrd"
SUFFIXES = (SEG_NRRD, ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Ends of names of volume files; the longer ones first."""

HEADERS = {
    ".nhdr": nrrd.read_header,
    ".nrrd": nrrd.read_header,
    ".mhd": metaimage.read_header,
    ".mha": metaimage.read_header,
}
"""What understands files whose voxels may lie in another one, by the ends of their names."""


FRAMES = "Save its volumes as files of their own, or name them as the channels of a case in a dataset.json."
"""What to do about a scan of several volumes: which of them is meant stands nowhere."""


@dataclass(frozen=True)
class VolumeFile:
    """A scan in a file, or the files of a DICOM series.

    Attributes:
        paths: one file, or those of a series.
        frame: which volume of a 4-D file, from 0.
        modality: DICOM's name of it, where the data set says it and the file may not.
    """

    paths: tuple[Path, ...]
    frame: int | None = None
    modality: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """That it reads."""
        return self.paths

    def read(self) -> Volume:
        """Reads it."""
        try:
            volumes = read(list(self.paths), ReadOptions(frame=self.frame, modality=self.modality))
        except MedDLError as error:
            if error.code is Code.NOT_3D:
                raise MedDLError(error.code, error.message, FRAMES) from error
            raise
        if len(volumes) != 1:
            raise MedDLError(
                Code.CHANNELS_MISMATCH,
                f"{self.paths[0].name} belongs to {len(volumes)} volumes; a channel is one.",
                "Keep the acquisition that was segmented, and leave the others out of the folder.",
            )
        return volumes[0]


@dataclass(frozen=True)
class LabelFile:
    """A label map in a plain volume file: on its scan's grid, its values named elsewhere."""

    path: Path
    own_grid: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """That it reads."""
        return (self.path,)

    def read(self, scan: Volume | None = None) -> LabelMap:  # noqa: ARG002
        """Reads it."""
        (volume,) = read(self.path)
        return LabelMap(label_values(volume.array, self.path.name), volume.geometry, ())


@dataclass(frozen=True)
class SegNrrdFile:
    """A segmentation of Slicer, which names its segments."""

    path: Path
    own_grid: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """That it reads."""
        return (self.path,)

    def read(self, scan: Volume | None = None) -> LabelMap:  # noqa: ARG002
        """Reads it."""
        return read_seg_nrrd(self.path)


def suffix_of(path: Path) -> str | None:
    """The end of a volume file's name; None for other files, and for what systems put beside them (``._image.nii``)."""
    name = path.name.lower()
    return None if name.startswith(".") else next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def content_of(path: Path) -> str:
    """Its digest; of a header, with that of the file that holds its voxels, which may change alone.

    Raises:
        MedDLError: as the reader of such a header.
    """
    read_header = HEADERS.get(suffix_of(path) or "")
    voxels = path if read_header is None else read_header(path).payload.file
    return known_sha256(path) + ("" if voxels == path else known_sha256(voxels))


def stem_of(path: Path) -> str:
    """The name without the end that says the format."""
    return path.name[: -len(suffix_of(path) or path.suffix)] or path.name


def segments_of_seg_file(path: Path) -> tuple[Segment, ...]:
    """What the header of a ``.seg.nrrd`` names."""
    return segments_of_labels(segments_of_seg_nrrd(path))


def segments_of_labels(labels: Iterable[Any], source: int = 0) -> tuple[Segment, ...]:
    """Segments of the labels (``MedDLCore.volume.Label``) of one segmentation."""
    return tuple(
        Segment(label.name, (label.value,), label.terminology, label.color, label.layer, source) for label in labels
    )


def segments_beside(path: Path) -> tuple[Segment, ...] | None:
    """What ``.labels.json``, which MedDL writes beside a NIfTI label map, says of its values; None without such a file.

    Raises:
        MedDLError: DATA_INVALID.
    """
    beside = sidecar_path(path)
    if not beside.is_file() or beside == path:
        return None
    try:
        rows = json.loads(beside.read_text(encoding="utf-8"))["labels"]
        return tuple(_segment(row) for row in rows)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MedDLError(Code.DATA_INVALID, f"{beside.name} is not a table of labels as MedDL writes it.") from error


def values_in(path: Path) -> tuple[int, ...]:
    """The values of a label map that nothing names. Its voxels are read."""
    return values_present(LabelFile(path).read().array)


def segments_numbered(values: Iterable[int]) -> tuple[Segment, ...]:
    """Segments that are called by their number, where nothing names them."""
    return tuple(Segment(f"label {value}", (value,)) for value in sorted(values))


def _segment(row: dict[str, Any]) -> Segment:
    red, green, blue = (int(part) for part in row["color"])
    meaning = row.get("terminology")
    parts = ("category", "type", "modifier", "region", "region_modifier")
    terminology = None if meaning is None else Terminology(*(_concept(meaning.get(part)) for part in parts))  # type: ignore[arg-type]
    return Segment(str(row["name"]), (int(row["value"]),), terminology, (red, green, blue))


def _concept(code: dict[str, str] | None) -> Concept | None:
    return None if code is None else Concept(str(code["value"]), str(code["scheme"]), str(code["meaning"]))
