"""Canaries planted in a series must not sing in what is written (S12, S13)."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from core.writers.phantoms import Series, three_structures, write_series
from MedDLCore.errors import Code, Notice
from MedDLCore.volume import Volume
from MedDLCore.writers import (
    FORMATS,
    Algorithm,
    InputRecord,
    Manifest,
    OutputRecord,
    output_path,
    output_stem,
    segment_statistics,
    write_manifest,
    write_statistics,
)

IN_THE_STUDY = {
    "PatientName": "CANARYNAME^JOHN",
    "PatientID": "CANARYID",
    "PatientBirthDate": "19770707",
    "AccessionNumber": "CANARYACC",
    "ReferringPhysicianName": "CANARYREFERRER",
    "StudyDescription": "CANARYSTUDY",
}
"""Of the Patient and General Study modules: every file of the study has them, a SEG too."""
ELSEWHERE = {
    "InstitutionName": "CANARYINSTITUTION",
    "InstitutionAddress": "CANARYADDRESS",
    "OperatorsName": "CANARYOPERATOR",
    "PerformingPhysicianName": "CANARYPERFORMER",
    "StationName": "CANARYSTATION",
    "DeviceSerialNumber": "CANARYSERIAL",
    "SeriesDescription": "CANARYSERIES",
    "ProtocolName": "CANARYPROTOCOL",
    "PatientAddress": "CANARYHOME",
    "PatientTelephoneNumbers": "CANARYPHONE",
    "AdditionalPatientHistory": "CANARYHISTORY",
    "ImageComments": "CANARYCOMMENT",
}
PRIVATE = "CANARYPRIVATE"
PATH = "CANARYPATH"
ALL = (*IN_THE_STUDY.values(), *ELSEWHERE.values(), PRIVATE, PATH, "CANARY", "19770707")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A series with all canaries, in a folder that bears one as well."""
    folder = tmp_path / PATH / "scan"
    volume = write_series(folder, Series(header={**IN_THE_STUDY, **ELSEWHERE}))
    for file in folder.iterdir():
        image = dcmread(file)
        image.private_block(0x0011, PRIVATE, create=True).add_new(0x01, "LO", PRIVATE)
        nested = Dataset()
        nested.CodeValue, nested.CodingSchemeDesignator, nested.CodeMeaning = "CT", "99X", "Scan"
        nested.private_block(0x0011, PRIVATE, create=True).add_new(0x01, "LO", PRIVATE)
        image.ProcedureCodeSequence = [nested]
        image.save_as(file)
    return volume


@pytest.fixture
def outputs(volume: Volume, tmp_path: Path) -> dict[str, Path]:
    """Everything that one case writes."""
    folder = tmp_path / "out"
    folder.mkdir()
    stem = output_stem(volume.source)
    label_map = three_structures(volume.geometry)
    algorithm = Algorithm("phantom-net", "2.1", "5f" * 32)
    paths = {}
    for name, each in FORMATS.items():
        paths[name] = output_path(folder, stem, each.suffix)
        assert each.write(label_map, volume, paths[name], algorithm, datetime(2024, 5, 6)) == ()
    paths["csv"] = output_path(folder, stem, ".csv")
    write_statistics(segment_statistics(label_map, volume), paths["csv"])
    records = tuple(OutputRecord.of(name, path) for name, path in paths.items())
    skipped = Notice(Code.FILE_SKIPPED, f"{PATH}.txt is not an image.")
    paths["manifest"] = output_path(folder, stem, ".json")
    write_manifest(
        Manifest((InputRecord.of(volume),), "phantom-net", "2.1", "5f" * 32, "cpu", {}, (skipped,), records),
        paths["manifest"],
    )
    return paths


def test_no_canary_is_in_a_file_name_or_in_any_file_but_the_dicom_seg(outputs: dict[str, Path], volume: Volume) -> None:
    uids = {volume.source.series_uid}
    for path in next(iter(outputs.values())).parent.iterdir():
        assert not any(canary in path.name for canary in (*ALL, *uids))
        if path == outputs["dicomseg"]:
            continue
        content = path.read_bytes()
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        text = content.decode("latin-1")
        assert [canary for canary in (*ALL, *uids) if canary in text] == [], path.suffixes


def test_the_dicom_seg_holds_what_names_its_patient_and_study_and_nothing_else(outputs: dict[str, Path]) -> None:
    seg = dcmread(outputs["dicomseg"])
    assert {keyword: str(seg[keyword].value) for keyword in IN_THE_STUDY} == IN_THE_STUDY
    content = outputs["dicomseg"].read_bytes()
    assert [canary for canary in (*ELSEWHERE.values(), PRIVATE, PATH) if canary.encode() in content] == []
    assert content.count(b"CANARY") == len(IN_THE_STUDY) - 1  # all but the birth date say so
    assert not any(element.tag.is_private for element in seg.iterall())


def test_nothing_of_this_machine_is_in_any_file(outputs: dict[str, Path], tmp_path: Path) -> None:
    import getpass
    import socket

    for path in outputs.values():
        text = path.read_bytes().decode("latin-1")
        assert str(tmp_path) not in text
        assert str(Path.home()) not in text
        for element in dcmread(path).iterall() if path == outputs["dicomseg"] else ():
            assert str(element.value) not in (getpass.getuser(), socket.gethostname())


def test_the_manifest_is_still_of_use(outputs: dict[str, Path]) -> None:
    data = json.loads(outputs["manifest"].read_text(encoding="utf-8"))
    assert [record["kind"] for record in data["outputs"]] == ["nrrd", "nifti", "dicomseg", "csv"]
    assert data["notices"][0]["code"] == "FILE_SKIPPED"
