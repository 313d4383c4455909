"""The line of text in which Slicer keeps a segment's coded meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from MedDLCore.errors import Code
from MedDLCore.terminology import label_notices, parse_terminology, serialize_terminology, terminology_of
from MedDLCore.volume import GENERIC_TERMINOLOGY, Concept, Geometry, Label, LabelMap, Terminology

KIDNEY = Terminology(
    Concept("123037004", "SCT", "Anatomical Structure"),
    Concept("64033007", "SCT", "Kidney"),
    Concept("7771000", "SCT", "Left"),
)
MASS = Terminology(
    Concept("49755003", "SCT", "Morphologically Altered Structure"),
    Concept("4147007", "SCT", "Mass"),
    region=Concept("39607008", "SCT", "Lung"),
    region_modifier=Concept("24028007", "SCT", "Right"),
)


def test_the_line_is_the_one_that_slicer_writes() -> None:
    assert serialize_terminology(KIDNEY) == (
        "Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^7771000^Left"
        "~Anatomic codes - DICOM master list~^^~^^"
    )


@pytest.mark.parametrize("terminology", [KIDNEY, MASS, GENERIC_TERMINOLOGY])
def test_what_is_written_is_read_back(terminology: Terminology) -> None:
    assert parse_terminology(serialize_terminology(terminology)) == terminology


@pytest.mark.parametrize("terminology", [KIDNEY, MASS, GENERIC_TERMINOLOGY])
def test_slicers_own_parser_reads_the_line(terminology: Terminology) -> None:
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed (the extra 'scene')")
    logic, entry = slicer.vtkSlicerTerminologiesModuleLogic(), slicer.vtkSlicerTerminologyEntry()
    line = serialize_terminology(terminology)
    assert logic.DeserializeTerminologyEntry(line, entry)
    assert entry.GetTypeObject().GetCodeMeaning() == terminology.type.meaning
    assert logic.SerializeTerminologyEntry(entry) == line


@pytest.mark.shared
def test_lines_from_slicers_own_files_are_read(shared_data: Path) -> None:
    header = (shared_data / "slicerio" / "SegmentationOverlapping.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
    lines = [
        part.split("TerminologyEntry:")[1].rstrip("|") for part in header.splitlines() if "TerminologyEntry:" in part
    ]
    assert len(lines) == 8
    read = [parse_terminology(line) for line in lines]
    assert read[5] is not None
    assert (read[5].type.meaning, read[5].modifier) == ("Lung", Concept("7771000", "SCT", "Left"))
    ours = [serialize_terminology(terminology) for terminology in read[:7] if terminology is not None]
    assert ours == lines[:7]


@pytest.mark.parametrize("line", ["", "~~~~~~", "a~b", "x~SCT^1^A~^^~^^~y~^^~^^"])
def test_what_is_no_entry_is_none(line: str) -> None:
    assert parse_terminology(line) is None


def test_separators_inside_a_name_do_not_break_the_line() -> None:
    odd = Terminology(Concept("1", "99~X", "a^b|c\nd"), Concept("2", "SCT", "e~f"))
    read = parse_terminology(serialize_terminology(odd))
    assert read == Terminology(Concept("1", "99 X", "a b c d"), Concept("2", "SCT", "e f"))


def test_labels_without_a_code_get_the_generic_one_and_are_named() -> None:
    geometry = Geometry.from_parts((2, 2, 2), (1, 1, 1))
    array = np.zeros(geometry.shape, np.uint8)
    coded, bare = Label(1, "kidney", (1, 2, 3), KIDNEY), Label(2, "thing", (1, 2, 3))
    assert terminology_of(bare) == GENERIC_TERMINOLOGY
    (notice,) = label_notices(LabelMap(array, geometry, (coded, bare)))
    assert notice.code is Code.LABEL_UNCODED
    assert "thing" in notice.message
    assert "kidney" not in notice.message
    assert label_notices(LabelMap(array, geometry, (coded,))) == ()
