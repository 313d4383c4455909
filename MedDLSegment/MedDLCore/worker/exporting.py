"""A segmentation of the program beside, written as DICOM SEG."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import Code, MedDLError, Notice
from ..readers import read
from .arrays import take_label_map
from .messages import Export

OnWarning = Callable[[Notice], None]


def export_dicom_seg(export: Export, folder: Path, warn: OnWarning) -> dict[str, Any]:
    """Writes the file into the private folder. The result: ``file``, its name; ``instance``, its SOPInstanceUID.

    Raises:
        MedDLError: as ``read``; as ``write_dicom_seg``; SEG_REFUSED where every structure is empty.
    """
    from pydicom import dcmread

    from ..writers.algorithm import Algorithm
    from ..writers.dicom_seg import write_dicom_seg

    label_map = take_label_map(export.label_map, folder)
    volumes = read([Path(file) for file in export.files])
    if len(volumes) != 1:
        raise MedDLError(Code.SEG_REFUSED, f"The files of the scan hold {len(volumes)} volumes, not one.")
    path = folder / f"{Path(export.label_map['array']).stem}.seg.dcm"
    algorithm = Algorithm(export.name, export.version, export.sha256, export.assisted)
    for notice in write_dicom_seg(label_map, volumes[0], path, algorithm=algorithm, job_date=datetime.now()):
        warn(notice)
    if not path.exists():
        raise MedDLError(Code.SEG_REFUSED, "All segments are empty.", "There is nothing to write.")
    return {"file": path.name, "instance": str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)}
