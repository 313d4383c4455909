"""Real DICOM series against known truth, and against a second reader where one is trustworthy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import ReadOptions, read
from MedDLCore.resample import resample
from MedDLCore.volume import Geometry, Volume

pytestmark = pytest.mark.shared

SERIES = [
    *("anatomical/001", "anatomical/001_implicit", "anatomical/002_non_isotropic", "compressed/001"),
    *("compressed_j2k/001", "compressed_jpeg/001", "compressed_jpegls/001", "compressed_rle/001"),
]


def by_simpleitk(folder: Path) -> Volume:
    """The series as SimpleITK's reader gives it: right for even, straight ones."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)) or sorted(map(str, folder.iterdir()))
    image = sitk.ReadImage(names)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    return Volume(array, Geometry(array.shape, np.diag([-1, -1, 1, 1]) @ matrix), "CT")


def same_in_the_world(volume: Volume, other: Volume) -> None:
    moved = resample(volume.array.astype(float), volume.geometry, other.geometry, "nearest", fill=-9999)
    assert np.allclose(moved, other.array, rtol=1e-6)
    corners, others = volume.geometry.corners(), other.geometry.corners()
    away = np.linalg.norm(corners[:, np.newaxis] - others, axis=2).min(axis=1)
    assert away.max() <= 0.01  # the truth's affines are stored as float32


@pytest.mark.parametrize("name", [*(f"generic/{name}" for name in SERIES), "failing/slicecount/001"])
def test_a_series_is_its_ground_truth_in_the_world(name: str, shared_data: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    folder = shared_data / "dicom" / "dicom2nifti" / name
    truth = nibabel.load(f"{folder}_ground_truth.nii.gz")
    array = np.asarray(truth.dataobj).transpose(2, 1, 0)
    [volume] = read(folder)
    same_in_the_world(volume, Volume(array, Geometry(array.shape, truth.affine), "MR"))
    assert volume.notices == ()


def test_a_tilted_series_with_a_missing_slice_lies_where_its_ground_truth_lies(shared_data: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    folder = shared_data / "dicom" / "dicom2nifti" / "failing" / "sliceincrement" / "002"
    truth = nibabel.load(f"{folder}_ground_truth.nii.gz")
    [volume] = read(folder)
    assert [notice.code for notice in volume.notices][:2] == [Code.GEOM_TILT, Code.GEOM_GAP]
    assert volume.geometry.shape == truth.shape[::-1]
    corners = volume.geometry.corners()
    others = Geometry(truth.shape[::-1], truth.affine).corners()
    assert np.linalg.norm(corners[:, np.newaxis] - others, axis=2).min(axis=1).max() <= 0.75  # their in-plane rounding


def test_a_ct_in_jpeg_2000_is_what_simpleitk_reads(shared_data: Path) -> None:
    folder = shared_data / "totalsegmentator" / "example_ct_dicom"
    [volume] = read(folder)
    same_in_the_world(volume, by_simpleitk(folder))
    assert volume.array.dtype == np.int16
    assert volume.notices == ()


def test_a_ct_with_padding_is_what_simpleitk_reads_but_for_the_padding(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dcmqi" / "segmentations" / "ct-3slice"
    [volume] = read(folder)
    other = by_simpleitk(folder)
    assert other.array.min() == -3024
    same_in_the_world(volume, Volume(np.maximum(other.array, -1024), other.geometry))


@pytest.mark.parametrize("name", ["23x38x3", "24x38x3"])
def test_a_multi_frame_ct_is_its_single_frame_twin(name: str, shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dcmqi" / "segmentations" / name
    [one], [many] = read(folder / "multiframe"), read(folder / "image")
    assert np.array_equal(one.array, many.array)
    assert np.abs(one.geometry.ijk_to_ras - many.geometry.ijk_to_ras).max() <= 1e-6
    [drawn] = read(folder / "nrrd" / "label.nrrd")
    assert one.geometry.same_as(drawn.geometry)


def test_a_tilted_head_ct_with_three_spacings_is_straightened_with_warnings(shared_data: Path) -> None:
    [volume] = read(shared_data / "dicom" / "ge_tilt_head_ct" / "In")
    tilt, variable = volume.notices
    assert tilt.code is Code.GEOM_TILT
    assert "18.5 degrees" in tilt.message
    assert variable.code is Code.GEOM_VARIABLE
    assert "4 and 7 mm" in variable.message
    assert volume.geometry.is_orthogonal
    assert volume.geometry.spacing == pytest.approx((0.4883, 0.4883, 4.0025), abs=1e-3)
    assert len(volume.acquired) == 28
    assert volume.array.min() == -1024


def test_a_straightened_head_agrees_with_every_slice_as_scanned(shared_data: Path) -> None:
    """Each acquired slice, cut out of the straight volume, looks like itself."""
    from pydicom import dcmread

    [volume] = read(shared_data / "dicom" / "ge_tilt_head_ct" / "In")
    for n in (3, 10, 20, 26):
        image = dcmread(volume.acquired.files[n])
        own = np.clip(image.pixel_array[np.newaxis].astype(float), -1024, 2000)
        cut = resample(volume.array, volume.geometry, volume.acquired.geometry(n), "linear", fill=-1024)
        assert np.corrcoef(own.ravel(), np.clip(cut, -1024, 2000).ravel())[0, 1] > 0.97


def test_an_fmri_series_is_refused_or_read_volume_by_volume(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dcm_qa_nih" / "In" / "20180918GE" / "mr_0004"
    with pytest.raises(MedDLError) as refusal:
        read(folder)
    assert refusal.value.code is Code.NOT_3D
    volumes = read(folder, ReadOptions(frame="all"))
    assert [volume.array.shape for volume in volumes] == [(15, 64, 64)] * 10
    [fourth] = read(folder, ReadOptions(frame=3))
    names = sorted(folder.glob("*.dcm"))[45:60]
    assert sorted(fourth.acquired.files) == names
    assert np.array_equal(fourth.array, sitk.GetArrayFromImage(sitk.ReadImage([str(name) for name in names])))
    assert np.array_equal(fourth.array, volumes[3].array)


@pytest.mark.parametrize(
    "name, code",
    [
        ("failing/notavolume/001", Code.NOT_3D),
        ("failing/sliceorientation/001", Code.LOCALIZER),
        ("generic/rgb/001", Code.NOT_SCALAR),
        ("generic/anatomical", Code.MANY_SERIES),
    ],
)
def test_what_is_no_volume_is_refused(name: str, code: Code, shared_data: Path) -> None:
    with pytest.raises(MedDLError) as refusal:
        read(shared_data / "dicom" / "dicom2nifti" / name)
    assert refusal.value.code is code


@pytest.mark.parametrize("name, code", [("gantrytilting/001", Code.GEOM_TILT), ("sliceincrement/001", Code.GEOM_GAP)])
def test_what_other_converters_refuse_is_resampled_with_a_warning(name: str, code: Code, shared_data: Path) -> None:
    [volume] = read(shared_data / "dicom" / "dicom2nifti" / "failing" / name)
    assert volume.notices[0].code is code


def test_the_files_of_a_slicer_database_are_read(shared_data: Path) -> None:
    folder = shared_data / "ctk_database"
    with pytest.raises(MedDLError) as refusal:
        read(folder)
    assert refusal.value.code is Code.MANY_SERIES
    [volume] = read(folder, ReadOptions(series="2"))
    assert volume.array.shape == (3, 512, 512)
    assert volume.modality == "CT"


def test_a_slice_taken_out_of_a_real_series_is_interpolated_and_twice_one_is_dropped(
    shared_data: Path, tmp_path: Path
) -> None:
    files = sorted((shared_data / "totalsegmentator" / "example_ct_dicom").iterdir())
    [whole] = read(files)
    missing = whole.acquired.files[9]
    [gap] = read([file for file in files if file != missing])
    assert [notice.code for notice in gap.notices] == [Code.GEOM_GAP]
    assert gap.geometry.same_as(whole.geometry)
    others = [n for n in range(20) if n != 9]
    assert np.array_equal(gap.array[others], whole.array[others])
    between = (whole.array[8].astype(float) + whole.array[10]) / 2
    assert np.abs(gap.array[9] - between).max() <= 0.51
    for file in files:
        shutil.copyfile(file, tmp_path / file.name)
    shutil.copyfile(missing, tmp_path / "again.dcm")
    [twice] = read(tmp_path)
    assert np.array_equal(twice.array, whole.array)
    assert len(twice.notices) == 1
