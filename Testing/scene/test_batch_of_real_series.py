"""Every real DICOM series at hand as one batch: how each ends, and what others make of the results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from core.writers.seg_readback import assert_same_points, label_points, masks_on_slices, slice_points
from core.writers.test_dicom_seg_validity import assert_valid, dcmqi_points
from fixtures.packages import threshold_spec, threshold_weights
from fixtures.slicer_core import slicer, vtk
from fixtures.system_tools import system_tool
from MedDLCore.batch import Scan, open_source
from MedDLCore.cli.main import run
from MedDLCore.errors import Exit
from MedDLCore.models import write_package
from MedDLCore.readers import read
from MedDLCore.spec import Channel
from MedDLCore.volume import LabelMap
from MedDLScene.segmentation_node import labelMapFromSegmentationNode
from MedDLScene.volume_node import volumeFromNode

pytestmark = pytest.mark.shared

ABOVE = 0.5
"""What the network finds: soft tissue and bone of a CT, what is not background elsewhere."""

SEG, NIFTI = "dicom/dcmqi/segmentations", "dicom/dicom2nifti"
NO_FRAME = ("warned", "SEG_REFUSED")
"""Their publishers blanked identifiers that a DICOM SEG needs; the ``.seg.nrrd`` is there."""

ENDINGS = {
    f"{SEG}/23x38x3/image": ("warned", "UNITS_DUBIOUS"),
    f"{SEG}/23x38x3/multiframe": ("warned", "UNITS_DUBIOUS"),
    f"{SEG}/24x38x3/image": ("warned", "UNITS_DUBIOUS"),
    f"{SEG}/24x38x3/multiframe": ("warned", "UNITS_DUBIOUS"),
    f"{SEG}/ct-3slice": ("warned", "FILE_SKIPPED"),
    "dicom/dcm_qa_nih": ("refused", "NOT_3D"),
    "dicom/ge_tilt_head_ct": ("warned", "GEOM_TILT GEOM_VARIABLE"),
    f"{NIFTI}/failing/gantrytilting": ("warned", "GEOM_TILT UNITS_DUBIOUS SEG_REFUSED EMPTY_RESULT"),
    f"{NIFTI}/failing/notavolume": ("refused", "NOT_3D"),
    f"{NIFTI}/failing/sliceincrement/001": ("warned", "GEOM_GAP UNITS_DUBIOUS SEG_REFUSED EMPTY_RESULT"),
    f"{NIFTI}/failing/sliceincrement/002": ("warned", "GEOM_TILT GEOM_GAP UNITS_DUBIOUS SEG_REFUSED EMPTY_RESULT"),
    f"{NIFTI}/failing/sliceorientation": ("skipped", "LOCALIZER"),
    f"{NIFTI}/generic/anatomical/001": ("warned", "FILE_SKIPPED SEG_REFUSED"),
    f"{NIFTI}/generic/anatomical/001_implicit": NO_FRAME,
    f"{NIFTI}/generic/anatomical/002_non_isotropic": NO_FRAME,
    f"{NIFTI}/generic/compressed_rle": ("refused", "SERIES_INCONSISTENT"),  # five encodings under the same UIDs
    "totalsegmentator/example_ct_dicom": NO_FRAME,
}
"""By the folder of a series: its state, and its code or its warnings. A series that lies there twice is one."""


class Finished(NamedTuple):
    scans: Mapping[str, Scan]
    cases: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, Mapping[str, Path]]


@pytest.fixture(scope="module")
def finished(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The batch, by the keys of the scans; what was written, by format."""
    folder = tmp_path_factory.mktemp("batch")
    spec = threshold_spec(channels=(Channel("image", None),))
    model = write_package(spec, threshold_weights(ABOVE), folder / "model").folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDDL_INDEX", str(folder / "index"))
        formats = ("--format", "dicomseg", "--format", "nrrd")
        options = (*formats, "--threads", "1", "--device", "cpu", "--backend", "torch")
        status = run(["batch", str(shared_data), "-m", str(model), "-o", str(folder / "out"), *options])
        assert status == Exit.SOME_FAILED
        scans = {scan.key: scan for scan in open_source(shared_data, folder / "out").scans()}
    cases = {case["scan"]: case for case in json.loads((folder / "out" / "report.json").read_text())["cases"]}
    files = {
        key: {item["kind"]: folder / "out" / item["path"] for item in case["outputs"]} for key, case in cases.items()
    }
    yield Finished(scans, cases, files)


def test_every_series_ends_with_its_reason_and_none_fails(finished: Finished, shared_data: Path) -> None:
    assert finished.cases.keys() == finished.scans.keys()
    left_out = {key: case for key, case in finished.cases.items() if case["state"] == "left out"}
    ended = {}
    for key in finished.cases.keys() - left_out.keys():
        case = finished.cases[key]
        where = max(path.relative_to(shared_data).as_posix() for path in finished.scans[key].files)
        [place] = [folder for folder in ENDINGS if where.startswith(f"{folder}/")]
        assert place not in ended
        notices = " ".join(code for code in case["notices"].split() if code != "LABEL_UNCODED")
        ended[place] = (case["state"], case["code"] or notices)
    assert ended == ENDINGS
    assert all(case["why"] for case in left_out.values())
    others = {finished.scans[key].modality for key in left_out if finished.scans[key].is_dicom}
    assert others <= {"SEG", "MR", "OT", ""}, "what is no scan, and told by its header"


@pytest.fixture
def results(finished: Finished) -> list[tuple[Any, Path | None, LabelMap]]:
    """Of every series with a result: the volume, its SEG, and the label map of its ``.seg.nrrd``, read by Slicer."""
    found = []
    for key, files in finished.files.items():
        if files:
            [volume] = read(finished.scans[key].files)
            found.append((volume, files.get("dicomseg"), read_by_slicer(files["nrrd"])))
    assert len([seg for _, seg, _ in found if seg is not None]) == 6
    assert len(found) == 13
    return found


def read_by_slicer(path: Path) -> LabelMap:
    node, storage = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationStorageNode()
    scene = slicer.vtkMRMLScene()
    scene.AddNode(node)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return labelMapFromSegmentationNode(node)


def test_every_seg_satisfies_the_validators_and_gives_its_voxels_back(
    results: list[tuple[Any, Path | None, LabelMap]], tmp_path: Path
) -> None:
    dciodvfy, dcentvfy = (system_tool(name, "dicom3tools") for name in ("dciodvfy", "dcentvfy"))
    for volume, seg, label_map in results:
        if seg is None:
            continue
        assert_valid(seg, volume, dciodvfy, dcentvfy)
        [found] = masks_on_slices(seg, volume)
        if any(notice.code.value.startswith("GEOM") for notice in volume.notices):
            points = slice_points(volume.acquired, found > 0)
            indices = np.round(volume.geometry.ras_to_index(points)).astype(int)
            assert label_map.array[tuple(indices[:, ::-1].T)].mean() > 0.99  # half a slice at its rim
        else:
            assert np.array_equal(found, label_map.array > 0)
            alone = tmp_path / seg.stem / seg.name
            alone.parent.mkdir()
            shutil.copyfile(seg, alone)
            assert_same_points(dcmqi_points(alone, label_map.labels), label_points(label_map))


def test_every_result_lies_on_its_series_in_slicer(results: list[tuple[Any, Path | None, LabelMap]], host: Any) -> None:
    """The series as Slicer's own reader places it. It takes no tilted one; that is judged above, slice by slice."""
    for volume, _, label_map in results:
        if any(notice.code.value.startswith("GEOM") for notice in volume.notices):
            continue
        names = vtk.vtkStringArray()
        for path in volume.source.files:
            names.InsertNextValue(str(path))
        node = host.logics["Volumes"].AddArchetypeVolume(str(volume.source.files[0]), "scan", 0, names)
        loaded = volumeFromNode(node)
        there = label_map.geometry.ras_to_index(
            loaded.geometry.index_to_ras(np.argwhere(loaded.array > ABOVE)[:, ::-1])
        )
        indices = np.round(there).astype(int)
        assert label_map.array[tuple(indices[:, ::-1].T)].all()
        assert np.count_nonzero(label_map.array) == len(indices)
        host.scene.Clear()
