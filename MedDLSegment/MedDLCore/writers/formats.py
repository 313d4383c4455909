"""The file formats of a segmentation, by the names that the command line knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from ..errors import Notice
from ..volume import LabelMap, Volume
from .algorithm import Algorithm
from .nifti import write_nifti
from .seg_nrrd import write_seg_nrrd

Write = Callable[[LabelMap, Volume, Path, Algorithm, datetime], tuple[Notice, ...]]
"""Writes (label map, what was segmented, file, what segmented it, date of the job); gives its warnings."""


@dataclass(frozen=True)
class Format:
    """A format: how its files' names end, and its writer."""

    suffix: str
    write: Write


def _seg_nrrd(label_map: LabelMap, _: Volume, path: Path, __: Algorithm, ___: datetime) -> tuple[Notice, ...]:
    write_seg_nrrd(label_map, path)
    return ()


def _nifti(label_map: LabelMap, _: Volume, path: Path, __: Algorithm, ___: datetime) -> tuple[Notice, ...]:
    write_nifti(label_map, path)
    return ()


def _dicom_seg(
    label_map: LabelMap, volume: Volume, path: Path, algorithm: Algorithm, job_date: datetime
) -> tuple[Notice, ...]:
    from .dicom_seg import write_dicom_seg

    return write_dicom_seg(label_map, volume, path, algorithm=algorithm, job_date=job_date)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "nrrd": Format(".seg.nrrd", _seg_nrrd),
        "nifti": Format(".nii.gz", _nifti),
        "dicomseg": Format(".seg.dcm", _dicom_seg),
    }
)
