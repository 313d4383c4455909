"""MetaImage: written by SimpleITK or by hand; SimpleITK is the oracle of geometry."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fixtures.volume_phantoms import OBLIQUE, edited, numbered, write_metaimage
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import read

VOXELS = numbered((2, 3, 4)).tobytes()
HEADER = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False", "TransformMatrix": "0 1 0 -1 0 0 0 0 1", "Offset": "1 2 3",
    "ElementSpacing": "1 2 3", "DimSize": "4 3 2", "ElementType": "MET_SHORT",
}  # fmt: skip


def by_hand(path: Path, voxels: bytes = VOXELS, file: str = "LOCAL", **fields: str | None) -> Path:
    lines = [f"{key} = {value}\n" for key, value in {**HEADER, **fields}.items() if value is not None]
    path.write_bytes(("".join(lines) + f"ElementDataFile = {file}\n").encode() + voxels)
    return path


def refused(path: Path) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        read(path)
    return caught.value


def test_the_rows_of_the_matrix_are_the_axes_in_lps(tmp_path: Path) -> None:
    (volume,) = read(by_hand(tmp_path / "a.mha"))
    expected = [[0, 2, 0, -1], [-1, 0, 0, -2], [0, 0, 3, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, expected)
    assert volume.notices == ()
    image = sitk.ReadImage(str(tmp_path / "a.mha"))
    np.testing.assert_allclose(
        volume.geometry.index_to_ras([3, 2, 1]) * (-1, -1, 1), image.TransformIndexToPhysicalPoint([3, 2, 1])
    )


@pytest.mark.parametrize(("changes", "voxels"), [
    ({"TransformMatrix": None, "Rotation": "0 1 0 -1 0 0 0 0 1"}, VOXELS),
    ({"Offset": None, "Position": "1 2 3"}, VOXELS),
    ({"ElementSpacing": None, "ElementSize": "1 2 3"}, VOXELS),
    ({"BinaryDataByteOrderMSB": "True"}, numbered((2, 3, 4)).astype(">i2").tobytes()),
    ({"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "True"}, numbered((2, 3, 4)).astype(">i2").tobytes()),
    ({"HeaderSize": "-1"}, b"anything" + VOXELS),
    ({"CompressedData": "True"}, zlib.compress(VOXELS)),
    ({"BinaryData": "False"}, b" ".join(str(n).encode() for n in numbered((24,)))),
    ({"NDims": "4", "DimSize": "4 3 2 1", "ElementSpacing": "1 2 3 1", "Offset": "1 2 3 0",
      "TransformMatrix": "0 1 0 0 -1 0 0 0 0 0 1 0 0 0 0 1"}, VOXELS),
])  # fmt: skip
def test_other_ways_to_say_the_same(changes: dict[str, str | None], voxels: bytes, tmp_path: Path) -> None:
    (volume,) = read(by_hand(tmp_path / "a.mha", voxels, **changes))
    (plain,) = read(by_hand(tmp_path / "b.mha"))
    np.testing.assert_array_equal(volume.array, numbered((2, 3, 4)))
    assert volume.geometry.same_as(plain.geometry)
    assert volume.notices == ()


def test_a_header_beside_its_voxels_may_skip_the_start_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a b.raw").write_bytes(b"12345" + VOXELS)
    path = by_hand(tmp_path / "a.mhd", b"", "a b.raw", HeaderSize="5")
    np.testing.assert_array_equal(read(path)[0].array, numbered((2, 3, 4)))


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.raw"])
def test_voxels_outside_the_folder_of_the_header_are_not_read(name: str, tmp_path: Path) -> None:
    assert refused(by_hand(tmp_path / "a.mhd", b"", name)).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize(("name", "code"), [
    ("absent.raw", Code.FILE_NOT_FOUND), ("LIST", Code.FILE_UNREADABLE), ("s%03d.raw 1 2 1", Code.FILE_UNREADABLE),
])  # fmt: skip
def test_voxels_that_are_not_in_one_file_are_refused(name: str, code: Code, tmp_path: Path) -> None:
    assert refused(by_hand(tmp_path / "a.mhd", b"", name)).code is code


@pytest.mark.parametrize("absent", ["TransformMatrix", "Offset"])
def test_an_unstated_orientation_or_position_is_taken_as_itk_takes_it_with_a_warning(
    absent: str, tmp_path: Path
) -> None:
    path = by_hand(tmp_path / "a.mha", **{absent: None})
    (volume,) = read(path)
    image = sitk.ReadImage(str(path))
    np.testing.assert_allclose(
        volume.geometry.index_to_ras([3, 2, 1]) * (-1, -1, 1), image.TransformIndexToPhysicalPoint([3, 2, 1])
    )
    assert [notice.code for notice in volume.notices] == [Code.GEOM_AMBIGUOUS]
    assert ("left and right may be exchanged" in volume.notices[0].message) is (absent == "TransformMatrix")


def test_without_spacing_there_is_no_geometry(tmp_path: Path) -> None:
    assert refused(by_hand(tmp_path / "a.mha", ElementSpacing=None)).code is Code.GEOM_MISSING


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1), ("um", 0.001), ("cm", 10), ("?", 1)])
def test_units_of_length_become_mm(unit: str, scale: float, tmp_path: Path) -> None:
    (volume,) = read(by_hand(tmp_path / "a.mha", DistanceUnits=unit))
    np.testing.assert_allclose(volume.geometry.spacing, np.array([1, 2, 3]) * scale)
    np.testing.assert_allclose(volume.geometry.origin, np.array([-1, -2, 3]) * scale)


def test_stored_numbers_become_values(tmp_path: Path) -> None:
    fields = {"ElementToIntensityFunctionSlope": "2", "ElementToIntensityFunctionOffset": "-1000"}
    (volume,) = read(by_hand(tmp_path / "a.mha", **fields))
    np.testing.assert_array_equal(volume.array, numbered((2, 3, 4)) * 2 - 1000)


@pytest.mark.parametrize(("stated", "modality"), [("MET_MOD_CT", "CT"), ("MET_MOD_MR", "MR"), ("MET_MOD_US", None)])
def test_the_modality_is_taken_from_the_header(stated: str, modality: str | None, tmp_path: Path) -> None:
    assert read(by_hand(tmp_path / "a.mha", Modality=stated))[0].modality == modality


def test_colour_and_vectors_are_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True), str(tmp_path / "a.mha"))
    assert refused(tmp_path / "a.mha").code is Code.NOT_SCALAR


def test_a_flat_image_and_a_fifth_axis_are_no_volume(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5), np.uint8)), str(tmp_path / "a.mha"))
    assert refused(tmp_path / "a.mha").code is Code.NOT_3D
    assert refused(by_hand(tmp_path / "b.mha", NDims="5", DimSize="4 3 2 2 2")).code is Code.NOT_3D


@pytest.mark.parametrize("changes", [
    {"NDims": "4"}, {"NDims": "x"}, {"DimSize": "4 3 0"}, {"DimSize": None}, {"ElementType": "MET_NONE"},
    {"ElementType": None}, {"ElementSpacing": "1 2"}, {"Offset": "a b c"}, {"TransformMatrix": "1 0 0"},
    {"DistanceUnits": "ell"}, {"HeaderSize": "-2"}, {"ElementToIntensityFunctionSlope": "nan"},
    {"ElementNumberOfChannels": "x"}, {"ElementSpacing": "1 nan 3"}, {"Offset": "1e30 0 0"}, {"Offset": "inf 0 0"},
])  # fmt: skip
def test_a_malformed_header_is_refused(changes: dict[str, str | None], tmp_path: Path) -> None:
    assert refused(by_hand(tmp_path / "a.mha", **changes)).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize("changes", [
    {"ElementSpacing": "1 0 3"}, {"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, {"Offset": "1e9 0 0"},
])  # fmt: skip
def test_axes_that_span_no_space_are_refused(changes: dict[str, str], tmp_path: Path) -> None:
    assert refused(by_hand(tmp_path / "a.mha", **changes)).code is Code.GEOM_SINGULAR


def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(b"ObjectType = Image\n" + b"Comment = long\n" * 400_000)
    assert refused(tmp_path / "a.mha").code is Code.FILE_UNREADABLE


def test_an_anatomical_orientation_does_not_move_anything(tmp_path: Path) -> None:
    path = write_metaimage(tmp_path / "a.mha", numbered(OBLIQUE.shape), OBLIQUE)
    before = read(path)[0].geometry
    name = path.read_bytes().split(b"AnatomicalOrientation = ")[1][:3].decode()
    after = read(edited(path, (f"AnatomicalOrientation = {name}", "AnatomicalOrientation = RAI")))[0].geometry
    assert before.same_as(after, tolerance=0)
