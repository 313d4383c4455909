"""NIfTI: nibabel is the oracle of values and affines, SimpleITK that of the choice between two affines."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from fixtures.volume_phantoms import OBLIQUE, RAS_TO_LPS, numbered, write_nifti
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import read
from MedDLCore.volume import Geometry, Volume

SHAPE = OBLIQUE.shape
ATLAS = np.diag([-2.0, 3.0, 4.0, 1.0])


def refused(path: Path) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        read(path)
    return caught.value


def codes(volume: Volume) -> list[Code]:
    return [notice.code for notice in volume.notices]


def saved(
    path: Path,
    sform: NDArray[np.float64] | None = None,
    sform_code: int = 1,
    qform: NDArray[np.float64] | None = None,
    qform_code: int = 1,
    array: NDArray[Any] | None = None,
    kind: Any = nibabel.Nifti1Image,
    **fields: Any,
) -> Path:
    """A file with just these affines and header fields."""
    array = numbered(SHAPE) if array is None else array
    image = kind(array.T, None, dtype=array.dtype)
    image.header.set_xyzt_units("mm")
    if qform is not None:
        image.set_qform(qform, qform_code)
    if sform is not None:
        image.set_sform(sform, sform_code)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def patched(path: Path, offset: int, form: str, *values: float) -> Path:
    """Writes numbers into the header, past nibabel's own checks."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<" + form, content, offset, *values)
    path.write_bytes(content)
    return path


def itk_affine(path: Path) -> NDArray[np.float64]:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = RAS_TO_LPS @ (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())
    affine[:3, 3] = RAS_TO_LPS @ image.GetOrigin()
    return affine


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_versions_and_byte_orders_are_read(kind: Any, order: str, tmp_path: Path) -> None:
    image = kind(numbered(SHAPE).T, OBLIQUE.ijk_to_ras, header=kind.header_class(endianness=order))
    image.header.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii")
    (volume,) = read(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.array, numbered(SHAPE))
    assert volume.array.dtype == np.int16
    assert volume.geometry.corner_distance(Geometry(SHAPE, nibabel.load(tmp_path / "a.nii").affine)) < 1e-6
    assert codes(volume) == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_and_its_image_in_two_files_are_read(packed: bool, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(numbered(SHAPE).T, OBLIQUE.ijk_to_ras), tmp_path / "a.hdr")
    if packed:
        import gzip

        (tmp_path / "a.img.gz").write_bytes(gzip.compress((tmp_path / "a.img").read_bytes()))
        (tmp_path / "a.img").unlink()
    (volume,) = read(tmp_path / "a.hdr")
    np.testing.assert_array_equal(volume.array, numbered(SHAPE))
    assert volume.geometry.same_as(OBLIQUE)
    (tmp_path / ("a.img.gz" if packed else "a.img")).unlink()
    assert refused(tmp_path / "a.hdr").code is Code.FILE_NOT_FOUND


@pytest.mark.parametrize(("slope", "intercept", "dtype"), [
    (1.0, -1024.0, np.int16), (2.0, 5.0, np.int16), (1000.0, 0.0, np.int32), (0.5, 10.25, np.float32),
    (-1.0, 0.0, np.int16), (0.0, 99.0, np.int16), (np.nan, 3.0, np.int16), (1e-30, 0.0, np.float32),
])  # fmt: skip
def test_slope_and_intercept_are_applied(slope: float, intercept: float, dtype: Any, tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras), 112, "2f", slope, intercept)
    (volume,) = read(path)
    assert volume.array.dtype == dtype
    np.testing.assert_allclose(volume.array, np.asarray(nibabel.load(path).dataobj).T, rtol=1e-6, atol=0)


def test_an_intercept_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras), 112, "2f", 1.0, np.nan)
    assert refused(path).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64, np.float32, np.uint32])
def test_wide_types_are_read_as_nibabel_reads_them(dtype: Any, tmp_path: Path) -> None:
    array = numbered(SHAPE, np.int64).astype(dtype)
    path = saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras, array=array)
    np.testing.assert_array_equal(read(path)[0].array, np.asarray(nibabel.load(path).dataobj).T)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_voxels_are_refused(dtype: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras, array=numbered(SHAPE, np.float64).astype(dtype))
    assert refused(path).code is Code.NOT_SCALAR


def test_colour_and_vectors_are_refused(tmp_path: Path) -> None:
    colour = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert refused(saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras, array=colour)).code is Code.NOT_SCALAR
    vectors = numbered((3, 1, *SHAPE))
    assert refused(saved(tmp_path / "b.nii", OBLIQUE.ijk_to_ras, array=vectors)).code is Code.NOT_SCALAR


def test_a_type_without_a_meaning_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras)
    assert refused(patched(path, 70, "h", 3)).code is Code.FILE_UNREADABLE
    assert refused(patched(path, 70, "h", 8)).code is Code.FILE_UNREADABLE  # 16 bits, it goes on to say


def test_a_two_dimensional_image_is_one_slice(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", np.diag([1.0, 2.0, 3.0, 1.0]), array=numbered((6, 7)))
    (volume,) = read(path)
    assert volume.array.shape == (1, 6, 7)
    np.testing.assert_allclose(volume.geometry.spacing, (1, 2, 3))


def test_equal_sform_and_qform_raise_no_doubt(tmp_path: Path) -> None:
    (volume,) = read(saved(tmp_path / "a.nii", OBLIQUE.ijk_to_ras, 1, OBLIQUE.ijk_to_ras, 1))
    assert volume.geometry.same_as(OBLIQUE)
    assert codes(volume) == []


@pytest.mark.parametrize(("sform_code", "used"), [(1, "sform"), (2, "qform"), (3, "qform"), (4, "qform")])
def test_of_two_affines_the_one_that_itk_takes_is_used_and_named(sform_code: int, used: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", ATLAS, sform_code, np.diag([2.0, 3.0, 4.0, 1.0]) @ _shift(10, 20, 30), 1)
    (volume,) = read(path)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, itk_affine(path), atol=1e-4)
    assert codes(volume) == [Code.GEOM_AMBIGUOUS]
    assert f"The {used} was used" in volume.notices[0].message


def test_a_sheared_sform_gives_way_to_a_qform_as_in_itk(tmp_path: Path) -> None:
    sheared = ATLAS + np.array([[0, 0.5, 0, 0], *[[0] * 4] * 3])
    path = saved(tmp_path / "a.nii", sheared, 1, ATLAS, 1)
    (volume,) = read(path)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, itk_affine(path), atol=1e-4)
    assert codes(volume) == [Code.GEOM_AMBIGUOUS]


def test_a_lone_sheared_sform_is_taken_exactly(tmp_path: Path) -> None:
    sheared = ATLAS + np.array([[0, 0.5, 0, 0], *[[0] * 4] * 3])
    (volume,) = read(saved(tmp_path / "a.nii", sheared, 2, pixdim=[1, 2, np.hypot(3, 0.5), 4, 1, 1, 1, 1]))
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, sheared)
    assert codes(volume) == []


@pytest.mark.parametrize("degrees", [0, 30, 90, 179.9, 180])
@pytest.mark.parametrize("flip", [1, -1])
def test_a_lone_qform_is_the_rotation_that_nibabel_reads(degrees: float, flip: int, tmp_path: Path) -> None:
    a, b = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    affine = np.array([[a, 0, b, 5], [0, 1, 0, 6], [-b, 0, a, 7], [0, 0, 0, 1]]) @ np.diag([1, 2, 3 * flip, 1])
    path = saved(tmp_path / "a.nii", qform=affine)
    (volume,) = read(path)
    assert volume.geometry.corner_distance(Geometry(SHAPE, nibabel.load(path).affine)) < 1e-4
    assert codes(volume) == []


def test_a_spacing_without_orientation_is_taken_as_itk_takes_it_with_a_warning(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", pixdim=[1, 2, 3, 4, 1, 1, 1, 1])
    (volume,) = read(path)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, itk_affine(path))
    assert codes(volume) == [Code.GEOM_AMBIGUOUS]
    assert "left and right may be exchanged" in volume.notices[0].message


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan])
def test_no_orientation_and_no_spacing_is_refused(spacing: float, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii")
    assert refused(patched(path, 80, "f", spacing)).code is Code.GEOM_MISSING


def test_an_sform_that_contradicts_the_spacing_is_named(tmp_path: Path) -> None:
    (volume,) = read(saved(tmp_path / "a.nii", np.diag([5.0, 5, 5, 1]), pixdim=[1, 2, 3, 4, 1, 1, 1, 1]))
    np.testing.assert_allclose(volume.geometry.spacing, 5)
    assert codes(volume) == [Code.GEOM_AMBIGUOUS]
    assert "2 x 3 x 4" in volume.notices[0].message


@pytest.mark.parametrize(("unit", "scale"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)])
@pytest.mark.parametrize("which", ["sform", "qform", "spacing"])
def test_other_units_of_length_become_mm(unit: str, scale: float, which: str, tmp_path: Path) -> None:
    code = {"unknown": 0, "meter": 1, "mm": 2, "micron": 3}[unit]
    affine = {"sform": {"sform": ATLAS}, "qform": {"qform": ATLAS}, "spacing": {}}[which]
    path = saved(tmp_path / "a.nii", **affine, xyzt_units=code, pixdim=[-1, 2, 3, 4, 1, 1, 1, 1])
    (volume,) = read(path)
    np.testing.assert_allclose(volume.geometry.spacing, np.array([2, 3, 4]) * scale)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, itk_affine(path), rtol=1e-5)


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    assert refused(saved(tmp_path / "a.nii", ATLAS, xyzt_units=5)).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize("broken", [
    np.zeros((4, 4)), np.diag([1.0, 0, 1, 1]), np.diag([1e30, 1, 1, 1]), np.diag([np.nan, 1, 1, 1]),
    np.diag([np.inf, 1, 1, 1]),
    np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), np.diag([1e-7, 1, 1, 1]) @ np.ones((4, 4)),
])  # fmt: skip
def test_axes_that_span_no_space_are_refused(broken: NDArray[np.float64], tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "a.nii", ATLAS), 280, "12f", *broken[:3].ravel())
    assert refused(path).code is Code.GEOM_SINGULAR


def test_a_quaternion_that_is_no_rotation_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", qform=ATLAS)
    assert refused(patched(path, 256, "3f", 1.0, 1.0, 0.0)).code is Code.GEOM_SINGULAR
    assert refused(patched(path, 256, "3f", np.nan, 1.0, 0.0)).code is Code.GEOM_SINGULAR


@pytest.mark.parametrize("offset", [0.0, 100.0, -352.0, np.nan, np.inf, 352.5])
def test_voxels_cannot_start_inside_the_header(offset: float, tmp_path: Path) -> None:
    path = patched(write_nifti(tmp_path / "a.nii", numbered(SHAPE), OBLIQUE), 108, "f", offset)
    assert refused(path).code is Code.FILE_UNREADABLE


def test_voxels_may_start_after_an_extension(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbered(SHAPE).T, OBLIQUE.ijk_to_ras)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a remark" * 50))
    nibabel.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz")[0].array, numbered(SHAPE))


@pytest.mark.parametrize("dim", [(0, 7, 6, 5), (1, 7, 6, 5), (8, 7, 6, 5), (3, 7, 0, 5), (3, 7, -6, 5)])
def test_impossible_axes_are_refused(dim: tuple[int, ...], tmp_path: Path) -> None:
    path = patched(write_nifti(tmp_path / "a.nii", numbered(SHAPE), OBLIQUE), 40, "4h", *dim)
    assert refused(path).code is Code.FILE_UNREADABLE


def test_analyze_without_orientation_is_not_read(tmp_path: Path) -> None:
    nibabel.save(nibabel.AnalyzeImage(numbered(SHAPE).T, np.eye(4)), tmp_path / "a.img")
    assert refused(tmp_path / "a.hdr").code is Code.FILE_UNREADABLE


def _shift(*mm: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix
