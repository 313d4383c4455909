"""DICOM SEG before judges that are not ours: Debian's validators, dcmqi, and real series."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread

from core.writers.phantoms import (
    IRREGULAR,
    LABELS,
    LIVER,
    REGULAR,
    TUMOUR,
    Series,
    three_structures,
    write_enhanced,
    write_series,
)
from core.writers.seg_readback import (
    assert_same_points,
    frame_points,
    label_points,
    masks_on_slices,
    real_volume,
    slice_points,
    write,
)
from fixtures.system_tools import system_tool
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Label, LabelMap, Volume


@pytest.fixture
def dciodvfy() -> str:
    return system_tool("dciodvfy", "dicom3tools")


@pytest.fixture
def dcentvfy() -> str:
    return system_tool("dcentvfy", "dicom3tools")


@pytest.mark.parametrize("name", ["oblique CT", "MR", "enhanced", *IRREGULAR])
def test_the_validators_find_nothing_that_the_source_does_not_have(
    name: str, dciodvfy: str, dcentvfy: str, tmp_path: Path
) -> None:
    if name == "enhanced":
        volume = write_enhanced(tmp_path / "scan", Series(slices=4), (0, 1, 2, 3))
    else:
        volume = write_series(tmp_path / "scan", {**REGULAR, **IRREGULAR}[name])
    label_map = three_structures(volume.geometry)
    path = tmp_path / "result.seg.dcm"
    write(label_map, volume, path)
    assert_valid(path, volume, dciodvfy, dcentvfy)
    write(label_map, volume, path, keep_empty=True)
    assert_valid(path, volume, dciodvfy, dcentvfy)


def assert_valid(path: Path, volume: Volume, dciodvfy: str, dcentvfy: str) -> None:
    files = volume.source.files
    known = _complaints(dciodvfy, files[0])
    assert [line for line in _complaints(dciodvfy, path) if line not in known] == []
    header = dcmread(files[0], stop_before_pixels=True)
    known = _complaints(dcentvfy, *files)
    # DICOM demands these even where the source, against the standard, does not have them
    demanded = [f"<{keyword}>" for keyword in ("PatientBirthDate", "PatientSex", "StudyID") if keyword not in header]
    new = [line for line in _complaints(dcentvfy, *files, path) if line not in known]
    assert [line for line in new if not any(keyword in line for keyword in demanded)] == []


def _complaints(tool: str, *files: Path) -> list[str]:
    done = subprocess.run([tool, *map(str, files)], capture_output=True, text=True, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning"))]


@pytest.mark.parametrize("name", ["oblique CT", "MR", "CT from head to feet"])
def test_dcmqi_reads_the_same_voxels_at_the_same_place(name: str, tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", REGULAR[name])
    label_map = three_structures(volume.geometry)
    write(label_map, volume, tmp_path / "result.seg.dcm")
    assert_same_points(dcmqi_points(tmp_path / "result.seg.dcm", LABELS), label_points(label_map))


def dcmqi_points(path: Path, labels: tuple[Label, ...]) -> dict[str, NDArray[np.float64]]:
    tool = Path(sys.executable).parent / "segimage2itkimage"
    if not tool.exists():
        pytest.skip("dcmqi is not installed")
    folder = path.parent / "dcmqi"
    folder.mkdir()
    subprocess.run(
        [tool, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd", "-p", "segment"],
        check=True,
        capture_output=True,
    )
    points = {}
    for n, label in enumerate(labels, start=1):
        image = sitk.ReadImage(str(folder / f"segment-{n}.nrrd"))
        ijk = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
        matrix = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        points[label.name] = (ijk @ matrix.T + image.GetOrigin()) * [-1, -1, 1]
    return points


REAL = {
    "ct-3slice": "dicom/dcmqi/segmentations/ct-3slice",
    "ge_tilt_head_ct": "dicom/ge_tilt_head_ct/In/GE",
    "multiframe 24x38x3": "dicom/dcmqi/segmentations/24x38x3/multiframe",
}


@pytest.mark.shared
@pytest.mark.parametrize("folder", REAL.values(), ids=REAL)
def test_real_series_give_a_valid_seg_on_their_own_slices(
    folder: str, shared_data: Path, dciodvfy: str, dcentvfy: str, tmp_path: Path
) -> None:
    volume = real_volume(shared_data / folder)
    acquired = volume.acquired
    assert acquired is not None
    array = np.zeros(volume.geometry.shape, np.uint8)
    array[:, 8:20, 5:19] = LIVER.value
    label_map = LabelMap(array, volume.geometry, (LIVER,))
    path = tmp_path / "result.seg.dcm"
    write(label_map, volume, path)
    assert_valid(path, volume, dciodvfy, dcentvfy)
    found = masks_on_slices(path, volume)[0]
    assert found.shape == (len(acquired), *acquired.shape)
    if folder != REAL["ge_tilt_head_ct"]:
        assert np.array_equal(found, array > 0)
        assert_same_points(frame_points(path), label_points(label_map))
    else:  # the grid is an approximation of uneven, tilted slices: what is inside it must be found again
        indices = np.round(volume.geometry.ras_to_index(slice_points(acquired, found > 0))).astype(int)
        assert len(indices) > 0
        assert array[tuple(indices[:, ::-1].T)].all()


@pytest.mark.shared
def test_a_real_series_whose_identifiers_were_blanked_is_refused(shared_data: Path, tmp_path: Path) -> None:
    volume = real_volume(shared_data / "totalsegmentator/example_ct_dicom")
    array = np.ones(volume.geometry.shape, np.uint8)
    with pytest.raises(MedDLError, match="StudyInstanceUID") as refused:
        write(LabelMap(array, volume.geometry, (LIVER,)), volume, tmp_path / "a.seg.dcm")
    assert refused.value.code is Code.SEG_REFUSED


@pytest.mark.shared
def test_dcmqi_reads_a_seg_on_a_real_series_at_the_same_place(shared_data: Path, tmp_path: Path) -> None:
    """The 20-slice series, with the identifiers put back that its publishers blanked."""
    scan = tmp_path / "scan"
    scan.mkdir()
    for n, file in enumerate(sorted((shared_data / "totalsegmentator/example_ct_dicom").iterdir())):
        image = dcmread(file, stop_before_pixels=True)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
        image.save_as(scan / f"{n}.dcm")
    volume = real_volume(scan)
    array = np.zeros(volume.geometry.shape, np.uint16)
    array[3:17, 100:180, 120:300] = LIVER.value
    array[5:12, 200:260, 60:200] = TUMOUR.value
    label_map = LabelMap(array, volume.geometry, (LIVER, TUMOUR))
    write(label_map, volume, tmp_path / "result.seg.dcm")
    assert_same_points(dcmqi_points(tmp_path / "result.seg.dcm", (LIVER, TUMOUR)), label_points(label_map))
