"""What is given away says nothing of the patient, and is the same data."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import nibabel
import numpy as np
import pytest

from core.writers.phantoms import Series, three_structures, write_series
from core.writers.seg_readback import write as write_seg
from fixtures.data_sets import (
    NAMES,
    case_in_memory,
    clean_set,
    drawn,
    labels_of,
    name_of,
    shifted,
    with_layers,
    write_description,
    write_slicer_case,
)
from fixtures.volume_phantoms import write_nifti
from MedDLCore.errors import Code, MedDLError
from MedDLTraining.check import as_json, check
from MedDLTraining.data import data_set_of, export_data_set, open_folder, write_table

CANARIES = ("Canary", "CANARY", "canary", "P-1", "Phantom")


def test_an_exported_set_is_the_same_data_under_pseudonyms(tmp_path: Path) -> None:
    data_set = open_folder(clean_set(tmp_path / "d", 3))
    export_data_set(data_set, tmp_path / "out")
    again = open_folder(tmp_path / "out")
    assert [case.name for case in again.cases] == ["case_0001", "case_0002", "case_0003"]
    for before, after in zip(data_set.cases, again.cases, strict=True):
        one, other = data_set.load(before), again.load(after)
        assert np.array_equal(one.volumes[0].array, other.volumes[0].array)
        assert one.volumes[0].geometry.same_as(other.volumes[0].geometry, 1e-3)
        assert np.array_equal(one.truth.array, other.truth.array)
    assert [label.name for label in again.labels] == list(NAMES)
    assert not {finding.fault.value for finding in check(again).findings} - {"FEW_CASES"}


def test_a_second_reader_sees_the_exported_scan_where_it_was(tmp_path: Path) -> None:
    export_data_set(data_set_of([case_in_memory(0, drawn(0))]), tmp_path / "out")
    image = nibabel.load(tmp_path / "out" / "imagesTr" / "case_0001_0000.nii.gz")
    assert np.allclose(image.affine, drawn(0).geometry.ijk_to_ras, atol=1e-4)
    assert np.array_equal(np.asarray(image.dataobj).T, drawn(0).image)
    assert image.get_data_dtype() == np.int16


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "i8"])
def test_every_kind_of_number_is_exported_as_it_is(dtype: str, tmp_path: Path) -> None:
    case = drawn(0)
    case.image = np.abs(case.image % 100).astype(dtype)
    export_data_set(data_set_of([case_in_memory(0, case)]), tmp_path / "out")
    image = nibabel.load(tmp_path / "out" / "imagesTr" / "case_0001_0000.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj).T, case.image)


def test_channels_are_brought_onto_the_first_ones_grid(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 1)
    case = drawn(0)
    write_nifti(folder / "imagesTr" / f"{name_of(0)}_0001.nii.gz", case.image, shifted(case.geometry, -5, 0, 0))
    write_description(folder, channel_names={"0": "CT", "1": "PET"})
    export_data_set(open_folder(folder), tmp_path / "out")
    first, second = (nibabel.load(tmp_path / "out" / "imagesTr" / f"case_0001_000{n}.nii.gz") for n in (0, 1))
    assert first.shape == second.shape and np.allclose(first.affine, second.affine)
    moved = np.asarray(second.dataobj).T
    assert np.array_equal(moved[:, :, 1:], case.image[:, :, :-1]) and (moved[:, :, 0] == case.image.min()).all()


def test_structures_that_overlap_are_refused_as_label_maps_and_written_as_segmentations(tmp_path: Path) -> None:
    case = with_layers(drawn(0))
    case.labels[1][case.labels[0] > 0] = 2
    labels = [type(label)(label.value, label.name, label.color, None, n) for n, label in enumerate(labels_of(*NAMES))]
    (tmp_path / "d").mkdir()
    write_slicer_case(tmp_path / "d", 0, case, labels)
    data_set = open_folder(tmp_path / "d")
    with pytest.raises(MedDLError) as refusal:
        export_data_set(data_set, tmp_path / "out")
    assert refusal.value.code is Code.LABELS_OVERLAP
    export_data_set(data_set, tmp_path / "other", form="seg.nrrd")
    again = open_folder(tmp_path / "other")
    one, other = data_set.load(data_set.cases[0]).truth, again.load(again.cases[0]).truth
    assert all(np.array_equal(one.mask(a), other.mask(b)) for a, b in zip(one.labels, other.labels, strict=True))


def contents(folder: Path) -> str:
    """Names and bytes of all files, unpacked."""
    texts = []
    for path in sorted(folder.rglob("*")):
        texts.append(path.relative_to(folder).as_posix())
        if path.is_file():
            data = path.read_bytes()
            texts.append((gzip.decompress(data) if path.suffix == ".gz" else data).decode("latin-1"))
    return "\n".join(texts)


def test_nothing_of_the_patient_is_in_what_is_exported_reported_or_written(tmp_path: Path) -> None:
    folder = tmp_path / "Canary^John" / "canary"
    volume = write_series(
        folder / "scan", Series(header={"SeriesDescription": "CANARYSERIES", "StationName": "CANARY"})
    )
    write_seg(three_structures(volume.geometry), volume, folder / "drawn.dcm")
    (folder / "CANARY_alone").mkdir()
    write_nifti(folder / "CANARY_alone" / "canary.nii.gz", drawn(0).image, drawn(0).geometry)
    data_set = open_folder(tmp_path / "Canary^John")
    assert any("canary" in case.name for case in data_set.cases)
    out = tmp_path / "out"
    export_data_set(data_set.without([item.name for item in data_set.unusable]), out)
    (out / "report.json").write_text(json.dumps(as_json(check(data_set))))
    write_table(data_set.table, out / "labels.csv", each_of=data_set.cases)
    said = contents(out)
    assert "case_0001" in said
    assert not [canary for canary in CANARIES if canary in said]


def test_the_key_is_written_only_where_it_is_asked_for_and_not_beside_the_data(tmp_path: Path) -> None:
    data_set = open_folder(clean_set(tmp_path / "d", 2))
    with pytest.raises(MedDLError) as refusal:
        export_data_set(data_set, tmp_path / "out", key_file=tmp_path / "out" / "key.csv")
    assert refusal.value.code is Code.OUTPUT_UNWRITABLE
    export_data_set(data_set, tmp_path / "out", key_file=tmp_path / "key.csv")
    assert (tmp_path / "key.csv").read_text() == "case,name\ncase_0001,patient_000\ncase_0002,patient_001\n"
    assert stat.S_IMODE((tmp_path / "key.csv").stat().st_mode) == 0o600
    assert "patient_" not in contents(tmp_path / "out")


def test_nothing_is_left_out_silently_and_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = clean_set(tmp_path / "d", 2)
    (folder / "labelsTr" / f"{name_of(1)}.nii.gz").unlink()
    data_set = open_folder(folder)
    with pytest.raises(MedDLError, match="patient_001") as refusal:
        export_data_set(data_set, tmp_path / "out")
    assert refusal.value.code is Code.DATA_INVALID
    with pytest.raises(MedDLError) as refusal:
        export_data_set(data_set.without([name_of(1)]), folder)
    assert refusal.value.code is Code.OUTPUT_EXISTS
