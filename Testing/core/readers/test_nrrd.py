"""NRRD: written by pynrrd or by hand; SimpleITK is the oracle of geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from fixtures.volume_phantoms import OBLIQUE, RAS_TO_LPS, edited, numbered, write_nrrd
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.volume import Geometry, Volume

SHAPE = OBLIQUE.shape


def refused(path: Path) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        read(path)
    return caught.value


def codes(volume: Volume) -> list[Code]:
    return [notice.code for notice in volume.notices]


def itk_geometry(path: Path) -> Geometry:
    image = sitk.ReadImage(str(path))
    direction = RAS_TO_LPS @ np.reshape(image.GetDirection(), (3, 3))
    return Geometry.from_parts(image.GetSize()[::-1], image.GetSpacing(), direction, RAS_TO_LPS @ image.GetOrigin())


def by_hand(path: Path, *lines: str, voxels: bytes = b"") -> Path:
    path.write_bytes("\n".join(["NRRD0005", *lines, "", ""]).encode() + voxels)
    return path


@pytest.mark.parametrize("space", [
    "right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "RAS", "LAS", "LPS",
])  # fmt: skip
def test_every_space_of_a_patient_lands_where_itk_puts_it(space: str, tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, space=space)
    (volume,) = read(path)
    assert volume.geometry.corner_distance(itk_geometry(path)) < 1e-4
    assert codes(volume) == []


@pytest.mark.parametrize("fields", [
    {"space": "scanner-xyz"}, {"space": "3D-right-handed"}, {"space": None, "space dimension": 3},
    {"space": None, "space directions": None, "space origin": None, "spacings": [1.0, 2.0, 3.0]},
    {"space origin": None},
])  # fmt: skip
def test_an_unstated_orientation_or_position_is_taken_as_itk_takes_it_with_a_warning(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, **fields)
    (volume,) = read(path)
    assert volume.geometry.corner_distance(itk_geometry(path)) < 1e-4
    assert codes(volume) == [Code.GEOM_AMBIGUOUS]
    stated = fields == {"space origin": None}
    assert ("left and right may be exchanged" in volume.notices[0].message) is not stated


def test_spacings_in_a_known_space_run_along_its_axes_with_a_warning(tmp_path: Path) -> None:
    fields = {"space": "RAS", "space directions": None, "space origin": None, "spacings": [1.0, 2.0, 3.0]}
    (volume,) = read(write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, **fields))
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, np.diag([1, 2, 3, 1]))
    assert codes(volume) == [Code.GEOM_AMBIGUOUS]
    assert "left and right may be exchanged" in volume.notices[0].message


def test_without_spacing_there_is_no_geometry(tmp_path: Path) -> None:
    fields = {"space": None, "space directions": None, "space origin": None}
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, **fields)
    assert refused(path).code is Code.GEOM_MISSING


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1), ("cm", 10), ("m", 1000), ("um", 0.001), ("???", 1)])
def test_units_of_space_become_mm(unit: str, scale: float, tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, **{"space units": [unit] * 3})
    (volume,) = read(path)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras[:3], OBLIQUE.ijk_to_ras[:3] * scale, rtol=1e-6)


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, **{"space units": ["ell"] * 3})
    assert refused(path).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("suffix", ["nrrd", "nhdr"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_every_encoding_comes_back(encoding: str, suffix: str, dtype: Any, tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / f"a.{suffix}", numbered(SHAPE, dtype), OBLIQUE, encoding=encoding)
    (volume,) = read(path)
    np.testing.assert_array_equal(volume.array, numbered(SHAPE))
    assert volume.array.dtype == dtype
    assert len(volume.source.files) == (2 if suffix == "nhdr" else 1)
    voxels = volume.source.files[-1]
    voxels.write_bytes(voxels.read_bytes()[:-9])
    assert refused(path).code is Code.FILE_TRUNCATED


@pytest.mark.parametrize("text", ["1.5", "70000", "many"])
def test_text_that_is_not_of_the_declared_type_is_refused(text: str, tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, encoding="ascii")
    path.write_bytes(path.read_bytes().replace(b"-100", text.encode(), 1))
    assert refused(path).code is Code.FILE_UNREADABLE


def test_big_endian_voxels_come_back(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE).astype(">i2"), OBLIQUE, endian="big")
    np.testing.assert_array_equal(read(path)[0].array, numbered(SHAPE))


HEADER = (
    "type: short", "dimension: 3", "space: LPS", "sizes: 4 3 2", "space directions: (1,0,0) (0,2,0) (0,0,3)",
    "space origin: (0,0,0)", "endian: little",
)  # fmt: skip
VOXELS = numbered((2, 3, 4)).tobytes()


@pytest.mark.parametrize(("skip", "before"), [
    (("byte skip: 11",), b"x" * 11), (("line skip: 2",), b"one\ntwo\n"), (("byteskip: -1",), b"of any length\n\0\1"),
    (("line skip: 1", "byte skip: 3"), b"one\nabc"),
])  # fmt: skip
def test_what_lies_before_the_voxels_is_skipped(skip: tuple[str, ...], before: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(before + VOXELS)
    beside = by_hand(tmp_path / "a.nhdr", *HEADER, "encoding: raw", *skip, "data file: a.raw")
    within = by_hand(tmp_path / "a.nrrd", *HEADER, "encoding: raw", *skip, voxels=before + VOXELS)
    for path in (beside, within):
        np.testing.assert_array_equal(read(path)[0].array, numbered((2, 3, 4)))


def test_several_headers_may_share_a_file_of_voxels(tmp_path: Path) -> None:
    (tmp_path / "all.raw").write_bytes(VOXELS + VOXELS[::-1])
    path = by_hand(tmp_path / "a.nhdr", *HEADER, "encoding: raw", "data file: all.raw")
    np.testing.assert_array_equal(read(path)[0].array, numbered((2, 3, 4)))


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.raw", "sub/../../a.raw", "C:\\..\\a.raw"])
def test_voxels_outside_the_folder_of_the_header_are_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(VOXELS)
    (tmp_path / "below").mkdir()
    path = by_hand(tmp_path / "below" / "a.nhdr", *HEADER, "encoding: raw", f"data file: {name}")
    assert refused(path).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize(("name", "code"), [
    ("absent.raw", Code.FILE_NOT_FOUND), ("n" * 4000, Code.FILE_NOT_FOUND), ("LIST", Code.FILE_UNREADABLE),
    ("slice%03d.raw 1 2 1", Code.FILE_UNREADABLE),
])  # fmt: skip
def test_voxels_that_are_not_in_one_file_beside_the_header_are_refused(name: str, code: Code, tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.nhdr", *HEADER, "encoding: raw", f"data file: {name}")
    assert refused(path).code is code


@pytest.mark.parametrize(("old", "new"), [
    ("type: short", "type: block"), ("type: short", "typo: short"), ("dimension: 3", "dimension: 4"),
    ("dimension: 3", "dimension: x"), ("sizes: 4 3 2", "sizes: 4 3 0"), ("sizes: 4 3 2", "sizes: 4 3 -2"),
    ("sizes: 4 3 2", "sizes: 4 3 " + "9" * 30), ("sizes: 4 3 2", "sizes: 4 3 " + "9" * 9000),
    ("(0,0,3)", "(0,0)"), ("(0,0,3)", "(0,0,x)"), ("(0,0,3)", "(0,0,inf)"),
    (" (0,0,3)", ""), ("origin: (0,0,0)", "origin: 0 0 0"),
    ("endian: little", "endian: middle"), ("endian: little", "end: little"), ("encoding: raw", "encoding: hex"),
    ("encoding: raw", "encoding: raw\nbyte skip: -2"), ("encoding: raw", "encoding: raw\nline skip: -1"),
    ("encoding: raw", "encoding: raw\nkinds: domain domain"),
])  # fmt: skip
def test_a_malformed_header_is_refused(old: str, new: str, tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.nrrd", *HEADER, "encoding: raw", voxels=VOXELS)
    assert read(path)
    assert refused(edited(path, (old, new))).code is Code.FILE_UNREADABLE


@pytest.mark.parametrize(
    "directions", ["(1,0,0) (0,2,0) (0,0,0)", "(1,0,0) (1,0,0) (0,0,3)", "(1,0,0) (0,2,0) (0,0,1e9)"]
)
def test_axes_that_span_no_space_are_refused(directions: str, tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.nrrd", *HEADER, "encoding: raw", voxels=VOXELS)
    assert refused(edited(path, ("(1,0,0) (0,2,0) (0,0,3)", directions))).code is Code.GEOM_SINGULAR


def four_axes(path: Path, sizes: str, directions: str, kinds: str, count: int = 48) -> Path:
    voxels = numbered((count,)).tobytes()
    return by_hand(
        path, "type: short", "dimension: 4", "space: LPS", f"sizes: {sizes}", f"space directions: {directions}",
        "space origin: (0,0,0)", "endian: little", "encoding: raw", f"kinds: {kinds}", voxels=voxels,
    )  # fmt: skip


def test_frames_may_be_the_fastest_axis_as_in_slicers_sequences(tmp_path: Path) -> None:
    path = four_axes(tmp_path / "a.nrrd", "2 4 3 2", "none (1,0,0) (0,2,0) (0,0,3)", "list domain domain domain")
    assert refused(path).code is Code.NOT_3D
    stack = numbered((2, 3, 4, 2))
    for frame in (0, 1):
        (volume,) = read(path, ReadOptions(frame=frame))
        np.testing.assert_array_equal(volume.array, stack[..., frame])
        assert volume.array.flags.c_contiguous
    assert len(read(path, ReadOptions(frame="all"))) == 2


@pytest.mark.parametrize("kind", ["vector", "3-vector", "RGB-color", "complex", "RGBA-color", "covariant-vector"])
def test_several_numbers_per_voxel_are_refused(kind: str, tmp_path: Path) -> None:
    path = four_axes(tmp_path / "a.nrrd", "2 4 3 2", "none (1,0,0) (0,2,0) (0,0,3)", f"{kind} domain domain domain")
    assert refused(path).code is Code.NOT_SCALAR


def test_an_axis_of_one_element_outside_space_is_left_out(tmp_path: Path) -> None:
    path = four_axes(tmp_path / "a.nrrd", "4 1 3 2", "(1,0,0) none (0,2,0) (0,0,3)", "domain list domain domain", 24)
    (volume,) = read(path)
    np.testing.assert_array_equal(volume.array, numbered((2, 3, 4)))


def test_a_space_with_time_has_frames(tmp_path: Path) -> None:
    directions = "(1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,2.5)"
    path = four_axes(tmp_path / "a.nrrd", "4 3 2 2", directions, "domain domain domain time")
    edited(path, ("space: LPS", "space: RAST"), ("origin: (0,0,0)", "origin: (1,2,3,0)"))
    (volume,) = read(path, ReadOptions(frame=1))
    np.testing.assert_array_equal(volume.array, numbered((2, 2, 3, 4))[1])
    np.testing.assert_allclose(volume.geometry.origin, (1, 2, 3))


def test_spacings_tell_which_axis_counts_frames(tmp_path: Path) -> None:
    path = four_axes(tmp_path / "a.nrrd", "2 4 3 2", "none (1,0,0) (0,2,0) (0,0,3)", "??? domain domain domain")
    edited(path, ("space: LPS\n", ""), ("space directions: none (1,0,0) (0,2,0) (0,0,3)", "spacings: nan 1 2 3"),
           ("space origin: (0,0,0)\n", ""))  # fmt: skip
    (volume,) = read(path, ReadOptions(frame=1))
    np.testing.assert_array_equal(volume.array, numbered((2, 3, 4, 2))[..., 1])
    np.testing.assert_allclose(volume.geometry.spacing, (1, 2, 3))


def test_a_flat_image_and_a_fifth_axis_are_no_volume(tmp_path: Path) -> None:
    flat = by_hand(tmp_path / "a.nrrd", "type: uchar", "dimension: 2", "sizes: 4 3", "spacings: 1 1", "encoding: raw",
                   voxels=bytes(12))  # fmt: skip
    assert refused(flat).code is Code.NOT_3D
    five = four_axes(tmp_path / "b.nrrd", "2 2 4 3 2", "none none (1,0,0) (0,2,0) (0,0,3)",
                     "list list domain domain domain", 96)  # fmt: skip
    assert refused(edited(five, ("dimension: 4", "dimension: 5"))).code is Code.NOT_3D


@pytest.mark.parametrize(("pair", "modality"), [
    ("DICOM.Modality:=CT", "CT"), ("DICOM_0008_0060_Modality:=MR", "MR"), ("0008|0060:=PT ", "PT"),
    ("modality:=DWMRI", "MR"), ("sizes:=1 1 1", None), ("Modality:=unheard of", None), ("remark:=CT", None),
])  # fmt: skip
def test_a_modality_is_taken_from_the_keys_that_dicom_converters_write(
    pair: str, modality: str | None, tmp_path: Path
) -> None:
    path = by_hand(tmp_path / "a.nrrd", *HEADER, "encoding: raw", pair, voxels=VOXELS)
    assert read(path)[0].modality == modality
    assert read(path, ReadOptions(modality="MR"))[0].modality == "MR"


def test_a_segmentation_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write_nrrd(path, numbered(SHAPE, np.uint8), OBLIQUE, Segment0_ID="liver", Segment0_Name="liver")
    error = refused(path)
    assert error.code is Code.NOT_CT_MR
    assert "drawn on" in error.hint


def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0005\n" + b"# \n" * 2_000_000)
    assert refused(tmp_path / "a.nrrd").code is Code.FILE_UNREADABLE


def test_pynrrd_reads_the_same(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", numbered(SHAPE), OBLIQUE, encoding="gzip")
    np.testing.assert_array_equal(nrrd.read(str(path))[0].T, read(path)[0].array)
