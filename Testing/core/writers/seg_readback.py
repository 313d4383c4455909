"""What a DICOM SEG says, read back by ways that share nothing with the writer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from core.writers.phantoms import (
    TO_LPS,
)
from MedDLCore.volume import AcquiredSlices, Geometry, LabelMap, Source, Volume
from MedDLCore.writers import Algorithm
from MedDLCore.writers.dicom_seg import write_dicom_seg

ALGORITHM = Algorithm("phantom-net", "2.1", "5f" * 32)
JOB_DATE = datetime(2024, 5, 6, 7, 8, 9)


def write(label_map: LabelMap, volume: Volume, path: Path, **options: Any) -> Any:
    return write_dicom_seg(label_map, volume, path, algorithm=ALGORITHM, job_date=JOB_DATE, **options)


def masks_on_slices(path: Path, volume: Volume) -> NDArray[Any]:
    """(segments, N, rows, columns) as highdicom gives them back by source image, in the acquired slices' order."""
    seg = hd.seg.segread(path)
    acquired = volume.acquired
    assert acquired is not None
    options = {"ignore_spatial_locations": False, "assert_missing_frames_are_empty": True}
    if len(set(acquired.files)) < len(acquired):
        uid = dcmread(acquired.files[0], stop_before_pixels=True).SOPInstanceUID
        pixels = seg.get_pixels_by_source_frame(uid, [n + 1 for n in acquired.frames], **options)
    else:
        uids = [dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in acquired.files]
        pixels = seg.get_pixels_by_source_instance(uids, **options)
    return np.moveaxis(pixels, -1, 0)


def frame_points(path: Path) -> dict[str, NDArray[np.float64]]:
    """Segment label -> (n, 3) RAS mm of its pixels, from the frames' own positions and plain DICOM arithmetic."""
    seg = dcmread(path)
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    row_step, column_step = (float(mm) for mm in shared.PixelMeasuresSequence[0].PixelSpacing)
    points: dict[int, list[NDArray[np.float64]]] = {}
    for frame, group in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        where = group if "SegmentIdentificationSequence" in group else shared
        number = where.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        rows, columns = np.nonzero(frame)
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        lps = origin + columns[:, None] * column_step * axes[0] + rows[:, None] * row_step * axes[1]
        points.setdefault(number, []).append(lps * [-1, -1, 1])
    names = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    return {names[number]: np.concatenate(parts) for number, parts in points.items()}


def label_points(label_map: LabelMap) -> dict[str, NDArray[np.float64]]:
    """Label name -> (n, 3) RAS mm of its voxels."""
    found = {}
    for label in label_map.labels:
        kji = np.argwhere(label_map.mask(label))
        if len(kji):
            found[label.name] = label_map.geometry.index_to_ras(kji[:, ::-1])
    return found


def assert_same_points(
    found: dict[str, NDArray[np.float64]], expected: dict[str, NDArray[np.float64]], tolerance: float = 1e-3
) -> None:
    assert set(found) == set(expected)
    for name, points in found.items():
        assert len(points) == len(expected[name]), name
        order = [np.lexsort(np.round(p, 2).T) for p in (points, expected[name])]
        gap = np.abs(points[order[0]] - expected[name][order[1]]).max()
        assert gap <= tolerance, f"{name}: {gap} mm"


def slice_points(acquired: AcquiredSlices, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.concatenate(
        [acquired.geometry(n).index_to_ras(np.argwhere(mask[n : n + 1])[:, ::-1]) for n in range(len(acquired))]
    )


def real_volume(folder: Path) -> Volume:
    """The acquired slices of a single-frame series or of one multi-frame file, straight from its headers."""
    files = sorted(folder.iterdir())
    slices = []
    for file in files:
        header = dcmread(file, stop_before_pixels=True)
        shared = header.get("SharedFunctionalGroupsSequence")
        for n, group in enumerate(header.get("PerFrameFunctionalGroupsSequence", [header])):
            orientation = shared[0].PlaneOrientationSequence[0] if shared else header
            measures = shared[0].PixelMeasuresSequence[0] if shared else header
            position = group.PlanePositionSequence[0] if shared else header
            axes = np.array(orientation.ImageOrientationPatient, dtype=float).reshape(2, 3)
            plane = np.eye(4)
            plane[:3, 0] = axes[0] * float(measures.PixelSpacing[1])
            plane[:3, 1] = axes[1] * float(measures.PixelSpacing[0])
            plane[:3, 2] = np.cross(*axes)
            plane[:3, 3] = position.ImagePositionPatient
            slices.append((float(plane[:3, 2] @ plane[:3, 3]), file, n, TO_LPS @ plane))
    slices.sort(key=lambda each: each[0])
    planes = np.stack([each[3] for each in slices])
    acquired = AcquiredSlices(
        planes, (header.Rows, header.Columns), tuple(each[1] for each in slices), tuple(each[2] for each in slices)
    )
    matrix = planes[0].copy()
    matrix[:3, 2] = (planes[-1] - planes[0])[:3, 3] / (len(slices) - 1)
    geometry = Geometry((len(slices), *acquired.shape), matrix)
    source = Source("DICOM", tuple(files), str(header.SeriesInstanceUID))
    return Volume(np.zeros(geometry.shape, np.int16), geometry, "CT", source, acquired)
