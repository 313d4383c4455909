"""NIfTI label maps against nibabel and SimpleITK."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from core.writers.phantoms import LABELS, LIVER, TO_LPS, three_structures, turned
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, LabelMap
from MedDLCore.writers import write_nifti
from MedDLCore.writers.nifti import check_nifti

FLOAT32 = 1e-4
"""NIfTI-1 stores the affine as float32: some 1e-7 of coordinates of a few hundred mm."""


def grid(direction: np.ndarray, origin: tuple[float, float, float] = (-131.5, 12.25, -400.125)) -> Geometry:
    return Geometry.from_parts((7, 20, 26), (0.7, 0.8, 2.5), direction, origin)


STRAIGHT = {
    "RAS": grid(np.eye(3)),
    "LPS": grid(np.diag([-1.0, -1.0, 1.0])),
    "left-handed": grid(np.diag([1.0, -1.0, 1.0])),
    "oblique": grid(turned(25, 15)),
    "oblique, left-handed": grid(turned(-70, 40) @ np.diag([1.0, 1.0, -1.0])),
    "half turn about x": grid(np.diag([1.0, -1.0, -1.0])),
    "half turn about an oblique axis": grid(2 * np.outer(*[np.array([1, 2, 3]) / np.sqrt(14)] * 2) - np.eye(3)),
    **{f"permuted {n}": grid(np.eye(3)[list(order)]) for n, order in enumerate([(2, 0, 1), (1, 0, 2), (2, 1, 0)])},
}


@pytest.mark.parametrize("geometry", STRAIGHT.values(), ids=STRAIGHT)
def test_both_forms_place_the_voxels_where_the_geometry_says(geometry: Geometry, tmp_path: Path) -> None:
    label_map = three_structures(geometry)
    path = tmp_path / "result.nii.gz"
    write_nifti(label_map, path)

    image = nibabel.load(path)
    assert image.get_data_dtype() == np.uint16
    assert np.array_equal(np.asarray(image.dataobj).T, label_map.array)
    sform, qform = image.get_sform(coded=True), image.get_qform(coded=True)
    assert int(sform[1]) == int(qform[1]) == 1
    assert np.abs(sform[0] - geometry.ijk_to_ras).max() <= FLOAT32
    assert np.abs(qform[0] - geometry.ijk_to_ras).max() <= FLOAT32
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header.get_intent()[0] == "label"

    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    assert np.array_equal(sitk.GetArrayFromImage(image), label_map.array)
    assert np.abs(TO_LPS @ matrix - geometry.ijk_to_ras).max() <= FLOAT32


def test_a_sheared_grid_is_kept_in_the_sform_and_the_qform_says_that_it_does_not_know(tmp_path: Path) -> None:
    matrix = grid(turned(25, 15)).ijk_to_ras.copy()
    matrix[:3, 2] += 0.4 * matrix[:3, 1]
    label_map = three_structures(Geometry((7, 20, 26), matrix))
    write_nifti(label_map, tmp_path / "result.nii.gz")
    image = nibabel.load(tmp_path / "result.nii.gz")
    assert int(image.header["qform_code"]) == 0
    assert np.abs(image.affine - matrix).max() <= FLOAT32


def test_small_labels_are_eight_bit(tmp_path: Path) -> None:
    geometry = STRAIGHT["RAS"]
    label_map = LabelMap((three_structures(geometry).array == 1).astype(np.uint8), geometry, (LIVER,))
    write_nifti(label_map, tmp_path / "result.nii.gz")
    image = nibabel.load(tmp_path / "result.nii.gz")
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(image.dataobj).T, label_map.array)


def test_the_sidecar_names_every_value_with_its_colour_and_code(tmp_path: Path) -> None:
    labels = (*LABELS[:2], replace(LABELS[2], terminology=None, name="肝臓"))
    write_nifti(three_structures(STRAIGHT["RAS"], labels), tmp_path / "result.nii.gz")
    rows = json.loads((tmp_path / "result.labels.json").read_text(encoding="utf-8"))["labels"]
    assert [(row["value"], row["name"], tuple(row["color"])) for row in rows] == [
        (label.value, label.name, label.color) for label in labels
    ]
    assert rows[1]["terminology"]["type"] == {"value": "64033007", "scheme": "SCT", "meaning": "Kidney"}
    assert rows[1]["terminology"]["modifier"]["meaning"] == "Left"
    assert rows[2]["terminology"] is None


def test_overlapping_structures_are_refused(tmp_path: Path) -> None:
    geometry = STRAIGHT["RAS"]
    label_map = LabelMap(np.ones((2, *geometry.shape), np.uint8), geometry, (LIVER, replace(LIVER, layer=1)))
    with pytest.raises(MedDLError) as refused:
        write_nifti(label_map, tmp_path / "result.nii.gz")
    assert refused.value.code is Code.LABELS_OVERLAP
    assert not list(tmp_path.iterdir())


def test_an_axis_that_the_format_cannot_count_is_refused_before_the_run_too(tmp_path: Path) -> None:
    geometry = Geometry.from_parts((1, 1, 40_000), (1, 1, 1))
    check_nifti(Geometry.from_parts((1, 1, 32_767), (1, 1, 1)))
    with pytest.raises(MedDLError) as before:
        check_nifti(geometry)
    assert before.value.code is Code.OUTPUT_UNWRITABLE
    with pytest.raises(MedDLError) as refused:
        write_nifti(LabelMap(np.ones(geometry.shape, np.uint8), geometry, (LIVER,)), tmp_path / "result.nii.gz")
    assert refused.value.code is Code.OUTPUT_UNWRITABLE
    assert not list(tmp_path.iterdir())


def test_the_same_label_map_gives_the_same_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, now in (("a", 1e9), ("b", 2e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        write_nifti(three_structures(STRAIGHT["oblique"]), tmp_path / f"{name}.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
