"""DICOM series with DICOM SEG: what belongs together is what the headers refer to."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from core.writers.phantoms import IRREGULAR, LABELS, REGULAR, Series, three_structures, write_series
from core.writers.seg_readback import write as write_seg
from MedDLCore.errors import Code, MedDLError
from MedDLCore.metrics import dice
from MedDLCore.readers import read
from MedDLCore.resample import resample
from MedDLCore.volume import LabelMap
from MedDLCore.writers.planes import onto_planes
from MedDLTraining.check import Fault, check
from MedDLTraining.data import DataSet, open_folder
from MedDLTraining.data.dicom_seg import DicomSegFile

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"


def a_study(folder: Path, series: Series | None = None, overlap: bool = False) -> LabelMap:
    """A series in ``scan`` and its segmentation beside it."""
    volume = write_series(folder / "scan", series or Series())
    truth = three_structures(volume.geometry)
    if overlap:
        second = np.roll(truth.array, 4, axis=1)
        labels = (*LABELS[:2], type(LABELS[2])(300, "tumour", (1, 2, 3), LABELS[2].terminology, 1))
        truth = LabelMap(
            np.stack([np.where(truth.array == 300, 0, truth.array), np.where(second > 0, 300, 0)]).astype("u2"),
            truth.geometry,
            labels,
        )
    write_seg(truth, volume, folder / "drawn.dcm")
    return truth


def edit(path: Path, **tags: Any) -> None:
    image = dcmread(path)
    for keyword, value in tags.items():
        if value is None:
            del image[keyword]
        else:
            setattr(image, keyword, value)
    image.save_as(path)


def masks(data_set: DataSet) -> dict[str, np.ndarray]:
    (case,) = data_set.cases
    truth = data_set.load(case).truth
    return {label.name: truth.mask(label) for label in truth.labels}


@pytest.mark.parametrize("name", REGULAR)
def test_a_series_and_its_segmentation_are_a_case_with_every_voxel_in_its_place(name: str, tmp_path: Path) -> None:
    truth = a_study(tmp_path / "d", REGULAR[name])
    data_set = open_folder(tmp_path / "d")
    (case,) = data_set.cases
    loaded = data_set.load(case)
    assert np.array_equal(loaded.volumes[0].array, read(tmp_path / "d" / "scan")[0].array)
    there = resample(truth.array, truth.geometry, loaded.truth.geometry, "nearest")
    for label, mask in zip(LABELS, masks(data_set).values(), strict=True):
        assert np.array_equal(mask, there == label.value) and mask.any()
    assert [label.terminology for label in data_set.labels] == [label.terminology for label in LABELS]
    assert case.patient and "P-1" not in case.patient


def test_overlapping_segments_become_layers(tmp_path: Path) -> None:
    truth = a_study(tmp_path / "d", overlap=True)
    found = masks(open_folder(tmp_path / "d"))
    assert np.array_equal(found["tumour"], truth.layer(1) == 300)
    assert np.array_equal(found["liver"], truth.layer(0) == 1)


def test_a_segmentation_belongs_to_the_series_that_it_refers_to_among_others_of_the_study(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    first = dcmread(next((tmp_path / "d" / "scan").glob("*.dcm")))
    write_series(tmp_path / "d" / "other", Series(slices=4))
    for path in (tmp_path / "d" / "other").iterdir():
        edit(path, StudyInstanceUID=first.StudyInstanceUID, FrameOfReferenceUID=first.FrameOfReferenceUID)
    data_set = open_folder(tmp_path / "d")
    assert [case.name for case in data_set.cases] == ["scan"]
    assert data_set.unusable == ()


def test_a_segmentation_without_a_reference_belongs_to_the_series_of_its_frame_of_reference(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    edit(tmp_path / "d" / "drawn.dcm", ReferencedSeriesSequence=None)
    assert [case.name for case in open_folder(tmp_path / "d").cases] == ["scan"]


def test_a_segmentation_that_fits_two_series_is_not_guessed(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    first = dcmread(next((tmp_path / "d" / "scan").glob("*.dcm")))
    write_series(tmp_path / "d" / "other", Series())
    for path in (tmp_path / "d" / "other").iterdir():
        edit(path, StudyInstanceUID=first.StudyInstanceUID, FrameOfReferenceUID=first.FrameOfReferenceUID)
    edit(tmp_path / "d" / "drawn.dcm", ReferencedSeriesSequence=None)
    data_set = open_folder(tmp_path / "d")
    assert data_set.cases == ()
    ambiguous = next(item for item in data_set.unusable if item.error.code is Code.PAIR_AMBIGUOUS)
    assert "scan" in ambiguous.error.message and "other" in ambiguous.error.message


def test_a_segmentation_of_a_series_that_is_not_there_is_named(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    for path in (tmp_path / "d" / "scan").iterdir():
        path.unlink()
    (refused,) = open_folder(tmp_path / "d").unusable
    assert refused.error.code is Code.PAIR_MISSING and "drawn.dcm" in refused.error.message


def test_a_study_that_nobody_segmented_is_named_once(tmp_path: Path) -> None:
    a_study(tmp_path / "d" / "one")
    write_series(tmp_path / "d" / "two" / "scan", Series())
    data_set = open_folder(tmp_path / "d")
    assert [case.name for case in data_set.cases] == ["one/scan"]
    assert [(item.name, item.error.code) for item in data_set.unusable] == [("two/scan", Code.PAIR_MISSING)]


def test_series_of_a_study_are_the_channels_that_their_modality_or_description_says(tmp_path: Path) -> None:
    truth = a_study(tmp_path / "d")
    first = dcmread(next((tmp_path / "d" / "scan").glob("*.dcm")))
    write_series(tmp_path / "d" / "other", Series(modality="MR", slices=7, step=(0, 0, 3.3)))
    for path in (tmp_path / "d" / "other").iterdir():
        edit(
            path,
            StudyInstanceUID=first.StudyInstanceUID,
            FrameOfReferenceUID=first.FrameOfReferenceUID,
            SeriesDescription="ax T1",
        )
    data_set = open_folder(tmp_path / "d", channels=("CT", "T1"))
    (case,) = data_set.cases
    ct, mr = data_set.load(case).volumes
    assert (ct.modality, mr.modality, mr.array.shape[0]) == ("CT", "MR", 7)
    assert np.array_equal(masks(data_set)["liver"], truth.array == 1)
    swapped = open_folder(tmp_path / "d", channels=("MR", "CT"))
    grid = swapped.load(swapped.cases[0]).truth.geometry
    assert grid.same_as(mr.geometry) and masks(swapped)["liver"].any()
    assert [item.error.code for item in open_folder(tmp_path / "d", channels=("CT", "PT")).unusable] == [
        Code.CHANNELS_MISMATCH
    ]


def test_contours_are_refused_by_name_with_the_way_to_voxels(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    path = tmp_path / "d" / "drawn.dcm"
    image = dcmread(path)
    contours = Dataset()
    contours.file_meta = image.file_meta
    contours.file_meta.MediaStorageSOPClassUID = contours.SOPClassUID = RTSTRUCT
    contours.SOPInstanceUID, contours.Modality = image.SOPInstanceUID, "RTSTRUCT"
    contours.StudyInstanceUID, contours.SeriesInstanceUID = image.StudyInstanceUID, image.SeriesInstanceUID
    contours.save_as(path, enforce_file_format=True)
    data_set = open_folder(tmp_path / "d")
    (refused,) = data_set.unusable
    assert refused.error.code is Code.CONTOURS_ONLY and "Slicer" in refused.error.hint
    assert Fault.NO_PAIR in {finding.fault for finding in check(data_set).findings}


@pytest.mark.parametrize("name", IRREGULAR)
def test_what_was_drawn_on_tilted_or_missing_slices_lies_right_on_the_straight_grid(name: str, tmp_path: Path) -> None:
    write_series(tmp_path / "d" / "scan", IRREGULAR[name])
    (scan,) = read(tmp_path / "d" / "scan")
    truth = three_structures(scan.geometry)
    write_seg(truth, scan, tmp_path / "d" / "drawn.dcm")
    found = masks(open_folder(tmp_path / "d"))
    slices = [scan.acquired.geometry(n) for n in range(len(scan.acquired))]
    for label in LABELS:
        here, there = (onto_planes(mask, scan.geometry, slices) for mask in (found[label.name], truth.mask(label)))
        assert dice(here, there) > (0.999 if name == "gaps" else 0.95)
    filled = found["liver"].any(axis=(1, 2))
    assert filled[np.flatnonzero(filled)[0] : np.flatnonzero(filled)[-1]].all()  # a gap is no hole


def test_frames_of_another_grid_are_laid_out_where_they_are(tmp_path: Path) -> None:
    truth = a_study(tmp_path / "d")
    first = dcmread(next((tmp_path / "d" / "scan").glob("*.dcm")))
    for path in (tmp_path / "d" / "scan").iterdir():
        path.unlink()
    write_series(tmp_path / "d" / "scan2", Series(slices=13, pixel=(0.7, 0.8), rows=60, columns=60))
    for path in (tmp_path / "d" / "scan2").iterdir():
        edit(path, StudyInstanceUID=first.StudyInstanceUID, FrameOfReferenceUID=first.FrameOfReferenceUID)
    data_set = open_folder(tmp_path / "d")
    found = masks(data_set)
    grid = data_set.load(data_set.cases[0]).truth.geometry
    there = resample(truth.array, truth.geometry, grid, "nearest")
    for label in LABELS:
        assert dice(found[label.name], there == label.value) > 0.99


def test_frames_that_are_neither_the_scans_slices_nor_an_even_stack_are_refused(tmp_path: Path) -> None:
    a_study(tmp_path / "d", Series(slices=12))
    path = tmp_path / "d" / "drawn.dcm"
    image = dcmread(path)
    for n, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence[0].ImagePositionPatient[2] += 0.13 * n**2
    image.save_as(path)
    data_set = open_folder(tmp_path / "d")
    with pytest.raises(MedDLError, match=r"drawn\.dcm") as refusal:
        data_set.load(data_set.cases[0])
    assert refusal.value.code is Code.FILE_UNREADABLE


def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    whole = (tmp_path / "d" / "drawn.dcm").read_bytes()
    (tmp_path / "d" / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    data_set = open_folder(tmp_path / "d")
    assert len(data_set.cases) == 1
    assert [(item.name, item.error.code) for item in data_set.unusable] == [("cut.dcm", Code.FILE_TRUNCATED)]


def test_a_series_with_a_cut_slice_is_refused_and_never_read_shorter(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    last = min((tmp_path / "d" / "scan").iterdir())
    last.write_bytes(last.read_bytes()[:-200])
    data_set = open_folder(tmp_path / "d")
    with pytest.raises(MedDLError) as refusal:
        data_set.load(data_set.cases[0])
    assert refusal.value.code is Code.FILE_TRUNCATED


def test_an_empty_file_that_is_named_like_a_slice_raises_doubt(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    last = min((tmp_path / "d" / "scan").iterdir())
    last.write_bytes(b"")
    report = check(open_folder(tmp_path / "d"))
    doubtful = [finding.message for finding in report.findings if finding.fault is Fault.GEOMETRY_DOUBTFUL]
    assert doubtful == ["The reader warned: FILE_DAMAGED."]


@pytest.mark.shared
def test_real_segmentations_of_dcmqi_lie_on_their_series(shared_data: Path) -> None:
    data_set = open_folder(shared_data / "dicom" / "dcmqi")
    names = [case.name for case in data_set.cases]
    assert names == [f"segmentations/{name}" for name in ("23x38x3/image", "24x38x3/image", "ct-3slice")]
    for case in data_set.cases[:2]:
        folder = shared_data / "dicom" / "dcmqi" / Path(case.name).parent
        label = read(folder / "nrrd" / "label.nrrd")[0]
        scan = case.images[0].read()
        found = DicomSegFile(folder / "seg" / "label.seg").read(scan)
        points = found.geometry.index_to_ras(np.argwhere(found.array)[:, ::-1])
        index = np.round(label.geometry.ras_to_index(points)).astype(int)
        assert np.count_nonzero(found.array) == np.count_nonzero(label.array) > 100
        assert (label.array[tuple(index[:, ::-1].T)] > 0).all()


def a_database(folder: Path, files: dict[tuple[str, str], list[Path]]) -> Path:
    """A database of Slicer that links files, by study and modality."""
    folder.mkdir()
    with sqlite3.connect(folder / "ctkDICOM.sql") as connection:
        connection.executescript(
            """
            CREATE TABLE Images (Filename TEXT, SeriesInstanceUID TEXT);
            CREATE TABLE Patients (UID INTEGER PRIMARY KEY, PatientID TEXT);
            CREATE TABLE Studies (StudyInstanceUID TEXT, PatientsUID INT, StudyDate DATE, StudyDescription TEXT);
            CREATE TABLE Series (SeriesInstanceUID TEXT, StudyInstanceUID TEXT, SeriesNumber INT, Modality TEXT,
                                 BodyPartExamined TEXT, SeriesDescription TEXT);
            """
        )
        for n, ((study, modality), paths) in enumerate(files.items()):
            connection.execute("INSERT INTO Series VALUES (?, ?, ?, ?, '', '')", (f"1.{n}", study, n, modality))
            connection.executemany("INSERT INTO Images VALUES (?, ?)", [(str(path), f"1.{n}") for path in paths])
    return folder


def test_of_slicers_database_the_studies_are_taken_in_which_something_was_drawn(tmp_path: Path) -> None:
    a_study(tmp_path / "d")
    write_series(tmp_path / "d" / "nobody drew", Series(slices=4))
    scan, drawn = sorted((tmp_path / "d" / "scan").iterdir()), [tmp_path / "d" / "drawn.dcm"]
    others = sorted((tmp_path / "d" / "nobody drew").iterdir())
    files = {("1", "CT"): scan, ("1", "SEG"): drawn, ("2", "CT"): others}
    for path in (folder := a_database(tmp_path / "db", files)), folder / "ctkDICOM.sql":
        data_set = open_folder(path)
        assert [case.name for case in data_set.cases] == ["scan"] and data_set.unusable == ()
    empty = a_database(tmp_path / "empty", {("2", "CT"): others})
    with pytest.raises(MedDLError) as refused:
        open_folder(empty)
    assert refused.value.code is Code.NO_IMAGES and "DICOM SEG" in refused.value.hint
