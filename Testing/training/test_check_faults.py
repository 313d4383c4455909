"""A fault is planted for each line of the check, and found; where nothing was planted, nothing is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fixtures.data_sets import (
    LIVER,
    NAMES,
    SPLEEN,
    Drawn,
    case_in_memory,
    clean_set,
    clean_slicer_set,
    drawn,
    id_of,
    labels_of,
    name_of,
    shifted,
    with_layers,
    write_case,
    write_description,
    write_slicer_case,
)
from fixtures.volume_phantoms import write_nifti
from MedDLCore.spec import Channel
from MedDLCore.volume import Geometry
from MedDLTraining.check import EFFECTS, Fault, Report, Severity, check
from MedDLTraining.data import DataSet, data_set_of, open_folder, read_splits

BAD = 3
"""The case in which a fault is planted."""

Plant = Callable[[Path], DataSet]
PLANTS: dict[Fault, tuple[Plant, set[Fault]]] = {}
"""For each fault how it is planted, and what else it brings with it."""


def plants(fault: Fault, *also: Fault) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        PLANTS[fault] = plant, set(also)
        return plant

    return register


def changed(folder: Path, change: Callable[[Drawn], None]) -> DataSet:
    """A clean set but for one case."""
    case = drawn(BAD)
    change(case)
    write_case(clean_set(folder), BAD, case)
    return open_folder(folder)


@plants(Fault.NO_PAIR)
def an_image_without_a_label_map(folder: Path) -> DataSet:
    (clean_set(folder) / "labelsTr" / f"{name_of(BAD)}.nii.gz").unlink()
    return open_folder(folder)


@plants(Fault.UNREADABLE)
def a_file_that_was_cut(folder: Path) -> DataSet:
    path = clean_set(folder) / "imagesTr" / f"{name_of(BAD)}_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    return open_folder(folder)


@plants(Fault.CHANNELS_MISSING)
def a_case_without_its_first_channel(folder: Path) -> DataSet:
    path = clean_set(folder) / "imagesTr" / f"{name_of(BAD)}_0000.nii.gz"
    path.rename(path.with_name(f"{name_of(BAD)}_0001.nii.gz"))
    return open_folder(folder)


@plants(Fault.COUNT_DIFFERS)
def fewer_cases_than_declared(folder: Path) -> DataSet:
    write_description(clean_set(folder), numTraining=99)
    return open_folder(folder)


@plants(Fault.FEW_CASES)
def three_cases(folder: Path) -> DataSet:
    return open_folder(clean_set(folder, 3))


@plants(Fault.GEOMETRY_MISMATCH)
def a_label_map_beside_its_scan(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.label_geometry = shifted(case.geometry, 0, 5, 0)

    return changed(folder, change)


@plants(Fault.GEOMETRY_DOUBTFUL)
def a_header_that_states_its_geometry_twice(folder: Path) -> DataSet:
    path = clean_set(folder) / "imagesTr" / f"{name_of(BAD)}_0000.nii.gz"
    image = nibabel.load(path)
    image = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    image.set_qform(image.affine, 2)
    image.set_sform(np.diag([-1, -1, 1, 1]) @ image.affine, 2)
    nibabel.save(image, path)
    return open_folder(folder)


@plants(Fault.CHANNELS_APART)
def a_second_channel_of_another_place(folder: Path) -> DataSet:
    write_description(clean_set(folder), numTraining=10, channel_names={"0": "CT", "1": "PET"})
    for n in range(10):
        case = drawn(n)
        where = shifted(case.geometry, 80, 0, 0) if n == BAD else case.geometry
        write_nifti(folder / "imagesTr" / f"{name_of(n)}_0001.nii.gz", case.image, where)
    return open_folder(folder)


@plants(Fault.FOREGROUND_OUTSIDE)
def a_segmentation_that_was_moved(folder: Path) -> DataSet:
    case = drawn(BAD)
    case.label_geometry = shifted(case.geometry, 35, 0, 0)
    write_slicer_case(clean_slicer_set(folder), BAD, case)
    return open_folder(folder)


@plants(Fault.SPACING_OUTLIER)
def a_coarse_scan(folder: Path) -> DataSet:
    for n in range(10):
        (folder / "imagesTr").mkdir(parents=True, exist_ok=True)
        (folder / "labelsTr").mkdir(exist_ok=True)
        write_case(folder, n, drawn(n, spacing=6.0 if n == BAD else 3.0))
    write_description(folder)
    return open_folder(folder)


@plants(Fault.FLAT_AND_DEEP, Fault.SEGMENT_EMPTY)
def a_single_slice(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        middle = int(np.argmax((case.labels == 1).sum(axis=(1, 2))))
        grid = case.geometry.cropped((middle, 0, 0), (middle + 1, *case.geometry.shape[1:]))
        case.image, case.labels = case.image[middle : middle + 1], case.labels[middle : middle + 1]
        case.geometry = case.label_geometry = grid

    return changed(folder, change)


@plants(Fault.SIDES_SWAPPED)
def left_that_is_called_right(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.labels = np.array([0, 1, 3, 2], np.uint8)[case.labels]

    return changed(folder, change)


@plants(Fault.MIRRORED)
def a_case_with_front_and_back_exchanged(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.image, case.labels = case.image[:, ::-1], case.labels[:, ::-1]

    return changed(folder, change)


@plants(Fault.LABEL_NEVER)
def a_structure_that_nobody_drew(folder: Path) -> DataSet:
    write_description(
        clean_set(folder), labels={"background": 0, "liver": 1, "left kidney": 2, "right kidney": 3, "x": 4}
    )
    return open_folder(folder)


@plants(Fault.NO_FOREGROUND)
def a_case_that_was_not_annotated(folder: Path) -> DataSet:
    return changed(folder, lambda case: case.labels.fill(0))


@plants(Fault.SEGMENT_MISSING)
def a_segment_that_is_not_there(folder: Path) -> DataSet:
    case = drawn(BAD)
    case.labels[case.labels == 3] = 0
    write_slicer_case(clean_slicer_set(folder), BAD, case, labels_of(*NAMES[:2]))
    return open_folder(folder)


@plants(Fault.SEGMENT_EMPTY)
def a_segment_without_voxels(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.labels[case.labels == 1] = 0

    return changed(folder, change)


@plants(Fault.SEGMENTS_OVERLAP)
def segments_that_overlap(folder: Path) -> DataSet:
    case = with_layers(drawn(BAD))
    case.labels[1][tuple(np.argwhere(case.labels[0])[:10].T)] = 2
    labels = [replace(label, layer=n) for n, label in enumerate(labels_of(*NAMES))]
    write_slicer_case(clean_slicer_set(folder), BAD, case, labels)
    return open_folder(folder)


@plants(Fault.VOLUME_OUTLIER)
def a_liver_of_one_stroke(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        k, j, i = np.argwhere(case.labels == 1).mean(axis=0).astype(int)
        case.labels[case.labels == 1] = 0
        case.labels[k, j, i : i + 3] = 1

    return changed(folder, change)


@plants(Fault.VALUES_UNKNOWN)
def a_value_without_a_name(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.labels[0, 0, :5] = 7

    return changed(folder, change)


@plants(Fault.LABEL_GAPS)
def values_with_a_gap(folder: Path) -> DataSet:
    clean_set(folder)
    for n in range(10):
        case = drawn(n)
        case.labels = np.array([0, 1, 2, 5], np.uint8)[case.labels]
        write_case(folder, n, case)
    write_description(folder, labels={"background": 0, "liver": 1, "left kidney": 2, "right kidney": 5})
    return open_folder(folder)


@plants(Fault.LABELS_UNNAMED)
def label_maps_without_a_table(folder: Path) -> DataSet:
    (clean_set(folder) / "dataset.json").unlink()
    return open_folder(folder)


@plants(Fault.CODES_CONTRADICT, Fault.SEGMENT_MISSING)
def a_liver_with_the_code_of_the_spleen(folder: Path) -> DataSet:
    write_slicer_case(clean_slicer_set(folder), BAD, drawn(BAD), labels_of(*NAMES, terms={"liver": SPLEEN}))
    return open_folder(folder)


@plants(Fault.NAMES_MERGED)
def a_liver_in_another_language(folder: Path) -> DataSet:
    labels = labels_of("Leber", *NAMES[1:], terms={"Leber": LIVER})
    write_slicer_case(clean_slicer_set(folder), BAD, drawn(BAD), labels)
    return open_folder(folder)


@plants(Fault.SEGMENTS_MERGED, Fault.NAMES_MERGED)
def two_segments_of_one_code(folder: Path) -> DataSet:
    case = drawn(BAD)
    lower = (case.labels == 1) & (np.arange(case.labels.shape[0])[:, None, None] < 14)
    case.labels[lower] = 4
    labels = labels_of(*NAMES, "Lappen", terms={"Lappen": LIVER})
    write_slicer_case(clean_slicer_set(folder), BAD, case, labels)
    return open_folder(folder)


@plants(Fault.UNITS_DUBIOUS)
def a_ct_without_its_intercept(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.image = case.image + 1024

    return changed(folder, change)


@plants(Fault.MODALITY_MIXED)
def an_mr_among_cts(folder: Path) -> DataSet:
    return data_set_of([case_in_memory(n, drawn(n), "MR" if n == BAD else "CT") for n in range(10)])


@plants(Fault.VALUES_REPAIRED)
def voxels_that_are_no_numbers(folder: Path) -> DataSet:
    def change(case: Drawn) -> None:
        case.image = case.image.astype(np.float32)
        case.image[0, 0, :5] = np.nan

    return changed(folder, change)


@plants(Fault.IMAGE_CONSTANT, Fault.UNITS_DUBIOUS)
def a_scan_of_nothing(folder: Path) -> DataSet:
    return changed(folder, lambda case: case.image.fill(7))


@plants(Fault.SCALES_DIFFER)
def mr_scans_of_different_brightness(folder: Path) -> DataSet:
    cases = []
    for n in range(10):
        case = drawn(n)
        case.image = (case.image.astype(np.float32) + 1024) * (100 if n == BAD else 1)
        cases.append(case_in_memory(n, case, "MR"))
    return data_set_of(cases, (Channel("T1", "MR"),))


@plants(Fault.DUPLICATE)
def a_scan_that_is_there_twice(folder: Path) -> DataSet:
    return changed(folder, as_another(5))


def as_another(n: int) -> Callable[[Drawn], None]:
    """The other's scan, stored in another order and type: still the same scan."""

    def change(case: Drawn) -> None:
        other = drawn(n)
        case.image, case.labels = other.image[::-1].astype(np.float32), other.labels[::-1]
        matrix = other.geometry.ijk_to_ras.copy()
        matrix[:3, 3] += matrix[:3, 2] * (other.geometry.shape[0] - 1)
        matrix[:3, 2] *= -1
        case.geometry = case.label_geometry = Geometry(other.geometry.shape, matrix)

    return change


def split_of(folder: Path, train: range, test: range) -> Path:
    path = folder / "split.json"
    path.write_text(json.dumps({"train": [name_of(n) for n in train], "test": [name_of(n) for n in test]}))
    return path


@plants(Fault.DUPLICATE_IN_SPLIT, Fault.DUPLICATE)
def a_scan_on_both_sides_of_the_split(folder: Path) -> DataSet:
    found = changed(folder, as_another(5))
    return replace(found, splits=read_splits([split_of(folder, range(5), range(5, 10))]))


@plants(Fault.PATIENT_IN_SPLIT)
def a_patient_on_both_sides_of_the_split(folder: Path) -> DataSet:
    folder.mkdir()
    cases = [case_in_memory(n, drawn(n), "CT", "same" if n in (BAD, 5) else str(n)) for n in range(10)]
    return replace(data_set_of(cases), splits=read_splits([split_of(folder, range(5), range(5, 10))]))


@plants(Fault.PATIENT_REPEATS)
def a_patient_with_two_cases(folder: Path) -> DataSet:
    return data_set_of([case_in_memory(n, drawn(n), "CT", "same" if n in (BAD, 5) else str(n)) for n in range(10)])


@plants(Fault.PATIENT_UNKNOWN)
def folders_that_may_be_patients(folder: Path) -> DataSet:
    found = open_folder(clean_set(folder))
    names = [f"P{n // 2}/{'CT' if n % 2 else 'MR'}" for n in range(10)]
    return replace(found, cases=tuple(replace(case, name=name) for case, name in zip(found.cases, names, strict=True)))


@plants(Fault.SPLIT_TWICE)
def a_case_in_both_parts(folder: Path) -> DataSet:
    return open_folder(clean_set(folder), splits=read_splits([split_of(folder, range(4), range(3, 10))]))


@plants(Fault.SPLIT_UNKNOWN)
def a_split_of_other_cases(folder: Path) -> DataSet:
    return open_folder(clean_set(folder), splits=read_splits([split_of(folder, range(5), range(5, 11))]))


WHOLE_SET = {
    *(Fault.COUNT_DIFFERS, Fault.FEW_CASES, Fault.LABEL_NEVER, Fault.LABEL_GAPS, Fault.LABELS_UNNAMED),
    *(Fault.CODES_CONTRADICT, Fault.NAMES_MERGED, Fault.SCALES_DIFFER, Fault.SPLIT_UNKNOWN, Fault.PATIENT_UNKNOWN),
}
"""Faults of no single case."""

OF_TWO = {Fault.DUPLICATE, Fault.DUPLICATE_IN_SPLIT, Fault.PATIENT_IN_SPLIT, Fault.PATIENT_REPEATS}


def faults_of(report: Report) -> set[Fault]:
    return {finding.fault for finding in report.findings}


def test_every_fault_of_the_closed_list_is_planted_and_explained() -> None:
    assert set(PLANTS) == set(Fault) == set(EFFECTS)


@pytest.mark.parametrize("fault", list(Fault))
def test_a_planted_fault_is_found_in_its_case_and_no_other_is(fault: Fault, tmp_path: Path) -> None:
    plant, also = PLANTS[fault]
    data_set = plant(tmp_path / "data")
    report = check(data_set)
    assert faults_of(report) == {fault, *also}
    finding = next(finding for finding in report.findings if finding.fault is fault)
    if fault in WHOLE_SET:
        assert finding.cases == ()
    elif fault in OF_TWO:
        assert finding.cases == (id_of(BAD), id_of(5))
    elif data_set.unusable:
        assert finding.cases == ("unused_0001",)
        assert name_of(BAD) in data_set.unusable[0].name
    else:
        assert finding.cases == (id_of(BAD),)


@pytest.mark.parametrize("make", [clean_set, clean_slicer_set])
def test_a_clean_set_raises_no_finding(make: Callable[[Path], Path], tmp_path: Path) -> None:
    report = check(open_folder(make(tmp_path / "data")))
    assert report.findings == ()
    assert [label.name for label in report.data_set.labels] == list(NAMES)
    assert len(report.facts) == 10


def test_a_clean_split_of_clean_cases_raises_no_finding(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "data")
    assert check(open_folder(folder, splits=read_splits([split_of(folder, range(7), range(7, 10))]))).findings == ()


def test_label_maps_in_which_nobody_drew_anything_are_an_error_whether_values_have_names_or_not(tmp_path: Path) -> None:
    for name in ("named", "unnamed"):
        folder = clean_set(tmp_path / name, 4)
        for n in range(4):
            case = drawn(n)
            case.labels[:] = 0
            write_case(folder, n, case)
        if name == "unnamed":
            (folder / "dataset.json").unlink()
        report = check(open_folder(folder))
        assert Fault.LABEL_NEVER in {finding.fault for finding in report.ruinous}


def test_label_maps_with_another_number_of_voxels_are_a_mismatch(tmp_path: Path) -> None:
    def change(case: Drawn) -> None:
        case.labels = case.labels[1:]
        case.label_geometry = case.geometry.cropped((1, 0, 0), case.geometry.shape)

    report = check(changed(tmp_path / "data", change))
    assert faults_of(report) == {Fault.GEOMETRY_MISMATCH}
    assert "24 x 24 x 23 voxels, the scan 24 x 24 x 24" in report.findings[0].message


def test_a_cropped_segmentation_of_slicer_is_no_fault(tmp_path: Path) -> None:
    case = drawn(BAD)
    inside = np.argwhere(case.labels)
    start, stop = inside.min(axis=0).tolist(), (inside.max(axis=0) + 1).tolist()
    case.label_geometry = case.geometry.cropped(start, stop)
    case.labels = case.labels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    folder = clean_slicer_set(tmp_path / "data")
    write_slicer_case(folder, BAD, case)
    data_set = open_folder(folder)
    assert check(data_set).findings == ()
    assert np.array_equal(data_set.load(data_set.cases[BAD]).truth.array, drawn(BAD).labels)


def test_what_ruins_the_dice_is_the_answer_to_why_it_would_be_0(tmp_path: Path) -> None:
    report = check(a_label_map_beside_its_scan(tmp_path / "a"))
    assert [finding.fault for finding in report.ruinous] == [Fault.GEOMETRY_MISMATCH]
    assert check(a_liver_of_one_stroke(tmp_path / "b")).ruinous == ()


def test_a_copy_of_a_case_says_whether_its_label_map_is_another(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "data")
    for part, end in (("imagesTr", "_0000.nii.gz"), ("labelsTr", ".nii.gz")):
        shutil.copy(folder / part / f"{name_of(5)}{end}", folder / part / f"{name_of(BAD)}{end}")
    assert "with the same label map" in check(open_folder(folder)).findings[0].message
    write_nifti(
        folder / "labelsTr" / f"{name_of(BAD)}.nii.gz", drawn(5).labels * (drawn(5).labels < 3), drawn(5).geometry
    )
    messages = [finding.message for finding in check(open_folder(folder)).findings]
    assert any("with different label maps" in message for message in messages)


def test_errors_come_first(tmp_path: Path) -> None:
    report = check(a_coarse_scan(tmp_path / "data"))
    order = [list(Severity).index(finding.severity) for finding in report.findings]
    assert order == sorted(order)


@pytest.mark.shared
def test_the_real_hippocampus_set_has_its_three_orphans_and_no_other_error(shared_data: Path) -> None:
    folder = shared_data / "hippocampus"
    data_set = open_folder(folder, splits=read_splits([folder / "train.txt", folder / "test.txt"]))
    report = check(data_set)
    assert faults_of(report) == {Fault.NO_PAIR, Fault.LABELS_UNNAMED, Fault.SCALES_DIFFER}
    assert len(data_set.cases) == 221
    assert {Path(item.name).name for item in data_set.unusable} == {
        f"hippocampus_{n}.nii.gz" for n in ("010", "118", "281")
    }
