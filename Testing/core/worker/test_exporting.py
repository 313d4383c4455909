"""The worker writes a segmentation of the program beside as DICOM SEG."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from fixtures.dicom_phantoms import planes, series, write
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.plain_data import to_plain
from MedDLCore.readers import read
from MedDLCore.volume import Label, LabelMap
from MedDLCore.worker.arrays import give_label_map
from MedDLCore.worker.exporting import export_dicom_seg
from MedDLCore.worker.messages import Export, read_export


def an_export(tmp_path: Path, value: int = 1) -> tuple[Export, LabelMap, list[Path]]:
    """What a program asks for, as it travels."""
    files = write(series(planes()), tmp_path / "files")
    scan = read(files)[0]
    found = LabelMap((scan.array > 0).astype(np.uint8) * value, scan.geometry, (Label(1, "ball", (200, 60, 60)),))
    asked = Export(tuple(map(str, files)), give_label_map(found, tmp_path), "threshold", "1", "ab" * 32)
    return read_export(json.loads(json.dumps(to_plain(asdict(asked))))), found, files


def test_the_file_lies_on_the_slices_of_the_series(tmp_path: Path) -> None:
    export, found, _ = an_export(tmp_path)
    told = export_dicom_seg(export, tmp_path, lambda _: None)
    written = hd.seg.segread(tmp_path / told["file"])
    assert written.SOPInstanceUID == told["instance"]
    pixels = written.pixel_array
    assert int(pixels.sum()) == int(found.array.sum()) > 0


def test_what_a_person_corrected_is_not_said_to_be_automatic(tmp_path: Path) -> None:
    """As DICOM has it, AUTOMATIC is what no person had a part in (PS3.3, C.8.20.2)."""
    export, _, _ = an_export(tmp_path)
    told = [export_dicom_seg(replace(export, assisted=given), tmp_path, lambda _: None) for given in (False, True)]
    assert told[0]["instance"] != told[1]["instance"]
    (structure,) = hd.seg.segread(tmp_path / told[1]["file"]).SegmentSequence
    assert structure.SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_an_empty_segmentation_is_refused(tmp_path: Path) -> None:
    export, _, _ = an_export(tmp_path, value=0)
    warned: list[Notice] = []
    with pytest.raises(MedDLError) as refused:
        export_dicom_seg(export, tmp_path, warned.append)
    assert refused.value.code is Code.SEG_REFUSED and warned[0].code is Code.EMPTY_RESULT


def test_files_that_are_gone_are_refused(tmp_path: Path) -> None:
    export, _, files = an_export(tmp_path)
    for file in files:
        file.unlink()
    with pytest.raises(MedDLError) as refused:
        export_dicom_seg(export, tmp_path, lambda _: None)
    assert refused.value.code is Code.FILE_NOT_FOUND
