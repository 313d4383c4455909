"""DICOM files in, DICOM SEG and .seg.nrrd out: the ball lies where the scanner saw it, for even and uneven series."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from fixtures import dicom_phantoms as phantoms
from fixtures.balls import turned
from fixtures.dicom_nasty import protocol_4_then_7, repeats
from fixtures.models import threshold_package
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit

LPS = np.array([-1.0, -1.0, 1.0])
VOLUME = 4 / 3 * np.pi * phantoms.RADIUS**3


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return threshold_package(tmp_path / "package", phantoms.middle())


def seg_points(path: Path) -> np.ndarray:
    """``(n, 3)`` RAS mm of the segment's pixels, from highdicom's own reading of the frames' positions."""
    seg = hd.seg.segread(path)
    points = []
    for n, frame in enumerate(seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)):
        groups = seg.PerFrameFunctionalGroupsSequence[n]
        shared = seg.SharedFunctionalGroupsSequence[0]
        transform = hd.spatial.PixelToReferenceTransformer(
            image_position=groups.PlanePositionSequence[0].ImagePositionPatient,
            image_orientation=shared.PlaneOrientationSequence[0].ImageOrientationPatient,
            pixel_spacing=shared.PixelMeasuresSequence[0].PixelSpacing,
        )
        points.append(transform(np.argwhere(frame)[:, ::-1]) * LPS)
    return np.concatenate(points)


def nrrd_points(path: Path) -> np.ndarray:
    """``(n, 3)`` RAS mm of the voxels, by ITK."""
    image = sitk.ReadImage(str(path))
    indices = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
    return np.array([image.TransformIndexToPhysicalPoint(index.tolist()) for index in indices]) * LPS


@pytest.mark.parametrize(
    ("images", "codes"),
    [
        (lambda: phantoms.series(phantoms.planes()), []),
        (lambda: phantoms.series(phantoms.planes(axes=turned(25, 0) @ turned(15, 2))), []),
        (lambda: [phantoms.multi_frame(phantoms.series(phantoms.planes()))], []),
        (lambda: phantoms.series(phantoms.planes(tilt=15)), ["GEOM_TILT"]),
        (protocol_4_then_7, ["GEOM_VARIABLE"]),
    ],
    ids=["even", "oblique", "enhanced", "tilted", "4 then 7 mm"],
)
def test_a_series_becomes_a_seg_on_its_own_slices(
    images: object, codes: list[str], package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = phantoms.write(images(), tmp_path / "series")  # type: ignore[operator]
    command = ["segment", str(tmp_path / "series"), "-m", str(package), "-o", str(tmp_path / "out"), "--no-picture"]
    assert run([*command, "--format", "dicomseg", "--format", "nrrd", "--json"]) == Exit.OK
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [
        event["code"] for event in told if event["event"] == "warning" and event["code"].startswith("GEOM")
    ] == codes
    written = {kind: Path(path) for kind, path in told[-1]["files"].items()}

    seg = dcmread(written["dicomseg"])
    sources = {dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files}
    referred = {item.ReferencedSOPInstanceUID for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert referred <= sources
    assert seg.StudyInstanceUID == dcmread(files[0], stop_before_pixels=True).StudyInstanceUID
    for points in (seg_points(written["dicomseg"]), nrrd_points(written["nrrd"])):
        if not codes:  # even slices weigh the same
            assert np.linalg.norm(points.mean(axis=0) - phantoms.CENTRE) < 0.1
        assert np.linalg.norm((points.max(axis=0) + points.min(axis=0)) / 2 - phantoms.CENTRE) < 4
        assert (np.linalg.norm(points - phantoms.CENTRE, axis=1) < phantoms.RADIUS + 2.5).all()
    assert told[-1]["structures"]["ball"] == pytest.approx(VOLUME / 1000, rel=0.03)


def test_two_volumes_of_one_series_become_two_results_with_stable_names(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = repeats(2, AcquisitionNumber=[1, 2])
    names = []
    for n, order in enumerate((images, images[::-1])):
        phantoms.write(order, tmp_path / f"series{n}")
        command = ["segment", str(tmp_path / f"series{n}"), "-m", str(package), "-o", str(tmp_path / f"out{n}")]
        assert run([*command, "--no-picture"]) == Exit.OK
        assert Code.SERIES_SPLIT.value in capsys.readouterr().err
        names.append(sorted(path.name for path in (tmp_path / f"out{n}").glob("*.seg.nrrd")))
    assert names[0] == names[1]
    assert len(names[0]) == 2
