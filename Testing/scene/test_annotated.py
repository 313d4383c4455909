"""Scans of a scene and what was drawn on them become training data, from an open scene and from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.balls import ball, ball_mask
from fixtures.placements import linear
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, LabelMap
from MedDLScene.annotated import annotatedScans, annotatedScansOfFile
from MedDLScene.hierarchy import studyOf
from MedDLScene.libraries import slicer
from MedDLScene.scene_files import saveScene
from MedDLTraining.check import check
from MedDLTraining.data import DataSet, open_folder, open_nodes

GRID = Geometry.from_parts((20, 30, 34), (1.8, 2.0, 2.5), origin=(-30, -30, -25))
CENTRE = (5.0, 0.0, 0.0)


@pytest.fixture
def an_annotated_scan(scene, a_volume_node, a_segmentation_node):
    """A scan with a liver and a tumour that overlap, drawn in one segmentation that refers to the scan."""

    def make(refers: bool = True):
        node = a_volume_node(ball(GRID, CENTRE, 12, "CT"))
        drawn = a_segmentation_node(GRID, liver=ball_mask(GRID, CENTRE, 12), tumour=ball_mask(GRID, (8.0, 3.0, 0.0), 4))
        if refers:
            drawn.SetReferenceImageGeometryParameterFromVolumeNode(node)
        return node, drawn

    return make


def masks_of(data_set: DataSet, n: int = 0) -> dict[str, np.ndarray]:
    truth: LabelMap = data_set.load(data_set.cases[n]).truth
    return {label.name: truth.mask(label) for label in truth.labels}


def test_nodes_of_an_open_scene_are_a_case(an_annotated_scan, scene) -> None:
    an_annotated_scan()
    data_set = open_nodes(annotatedScans(scene))
    assert [case.name for case in data_set.cases] == ["scan"]
    masks = masks_of(data_set)
    assert np.array_equal(masks["liver"], ball_mask(GRID, CENTRE, 12))
    assert np.array_equal(masks["tumour"], ball_mask(GRID, (8.0, 3.0, 0.0), 4))
    assert data_set.load(data_set.cases[0]).truth.layers == 2


def test_a_scene_file_is_a_case_in_the_world(an_annotated_scan, a_transform_node, scene, tmp_path) -> None:
    node, drawn = an_annotated_scan()
    moved = a_transform_node(linear())
    for item in (node, drawn):
        item.SetAndObserveTransformNodeID(moved.GetID())
    saveScene(scene, tmp_path / "a.mrb")
    data_set = open_folder(tmp_path, open_scene=annotatedScansOfFile)
    assert [case.name for case in data_set.cases] == ["a.mrb"]
    loaded = data_set.load(data_set.cases[0])
    assert loaded.volumes[0].geometry.same_as(Geometry(GRID.shape, linear() @ GRID.ijk_to_ras))
    assert np.array_equal(masks_of(data_set)["liver"], ball_mask(GRID, CENTRE, 12))
    assert {finding.fault.value for finding in check(data_set).findings} == {"FEW_CASES", "SEGMENTS_OVERLAP"}


def test_two_scans_of_a_scene_keep_their_own_segmentations(an_annotated_scan, scene, tmp_path) -> None:
    an_annotated_scan()[0].SetName("first")
    node, drawn = an_annotated_scan()
    node.SetName("second")
    drawn.GetSegmentation().RemoveSegment(drawn.GetSegmentation().GetNthSegmentID(1))
    saveScene(scene, tmp_path / "a.mrb")
    data_set = open_folder(tmp_path / "a.mrb", open_scene=annotatedScansOfFile)
    assert [case.name for case in data_set.cases] == ["a.mrb/first", "a.mrb/second"]
    assert [[segment.name for segment in case.segments] for case in data_set.cases] == [["liver", "tumour"], ["liver"]]


def test_scans_of_a_scene_are_the_channels_that_their_names_say(
    an_annotated_scan, a_volume_node, scene, tmp_path
) -> None:
    an_annotated_scan()[0].SetName("patient T1")
    a_volume_node(ball(GRID, (0, 0, 0), 5, "MR")).SetName("patient T2")
    saveScene(scene, tmp_path / "a.mrb")
    data_set = open_folder(tmp_path, open_scene=annotatedScansOfFile, channels=("T2", "T1"))
    (case,) = data_set.cases
    first, second = data_set.load(case).volumes
    assert np.array_equal(first.array, ball(GRID, (0, 0, 0), 5).array)
    assert np.array_equal(second.array, ball(GRID, CENTRE, 12).array)
    assert np.array_equal(masks_of(data_set)["liver"], ball_mask(GRID, CENTRE, 12))
    lacking = open_folder(tmp_path, open_scene=annotatedScansOfFile, channels=("T2", "FLAIR"))
    assert [item.error.code for item in lacking.unusable] == [Code.CHANNELS_MISMATCH]


def test_a_scene_that_was_saved_again_is_read_again(an_annotated_scan, scene, tmp_path) -> None:
    _, drawn = an_annotated_scan()
    saveScene(scene, tmp_path / "a.mrb")
    assert len(open_folder(tmp_path, open_scene=annotatedScansOfFile).labels) == 2
    drawn.GetSegmentation().RemoveSegment(drawn.GetSegmentation().GetNthSegmentID(1))
    saveScene(scene, tmp_path / "a.mrb")
    assert len(open_folder(tmp_path, open_scene=annotatedScansOfFile).labels) == 1


def test_a_scene_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refusal:
        annotatedScansOfFile(tmp_path / "a.mrb")
    assert refusal.value.code is Code.FILE_NOT_FOUND


def test_a_segmentation_without_a_reference_belongs_to_the_only_scan(an_annotated_scan, scene) -> None:
    an_annotated_scan(refers=False)
    (scan,) = annotatedScans(scene)
    assert len(scan.segmentations) == 1


def test_what_was_drawn_beyond_the_scan_is_found_and_not_cut_off(an_annotated_scan, a_transform_node, scene) -> None:
    _, drawn = an_annotated_scan()
    drawn.SetAndObserveTransformNodeID(a_transform_node(moved_by(30.0, 0.0, 0.0)).GetID())
    data_set = open_nodes(annotatedScans(scene))
    with pytest.raises(MedDLError, match="outside its scan") as refusal:
        data_set.load(data_set.cases[0])
    assert refusal.value.code is Code.LABELS_APART
    assert "FOREGROUND_OUTSIDE" in {finding.fault.value for finding in check(data_set).findings}


def test_a_segmentation_far_away_takes_no_more_memory_than_the_scan(an_annotated_scan, a_transform_node, scene) -> None:
    _, drawn = an_annotated_scan()
    drawn.SetAndObserveTransformNodeID(a_transform_node(moved_by(1e5, 0.0, 0.0)).GetID())
    (scan,) = annotatedScans(scene)
    assert scan.labelMaps()[0].geometry.shape == GRID.shape


def moved_by(*mm: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


def test_a_segmentation_that_may_belong_to_two_scans_is_not_guessed(an_annotated_scan, scene, tmp_path) -> None:
    an_annotated_scan()
    an_annotated_scan(refers=False)
    with pytest.raises(MedDLError) as refusal:
        annotatedScans(scene)
    assert refusal.value.code is Code.PAIR_AMBIGUOUS
    saveScene(scene, tmp_path / "a.mrb")
    data_set = open_folder(tmp_path, open_scene=annotatedScansOfFile)
    assert [item.error.code for item in data_set.unusable] == [Code.PAIR_AMBIGUOUS]


def test_a_scan_on_which_nothing_was_drawn_is_named(a_volume_node, scene, tmp_path) -> None:
    a_volume_node(ball(GRID, CENTRE, 12, "CT"))
    saveScene(scene, tmp_path / "a.mrb")
    data_set = open_folder(tmp_path, open_scene=annotatedScansOfFile)
    assert [(item.name, item.error.code) for item in data_set.unusable] == [("a.mrb", Code.PAIR_MISSING)]


def test_the_study_of_a_scan_is_known_where_it_lies_in_one(an_annotated_scan, scene) -> None:
    node, _ = an_annotated_scan()
    assert studyOf(node, scene) == 0
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    folder = hierarchy.CreateFolderItem(study, "folder")
    hierarchy.CreateItem(folder, node)
    assert studyOf(node, scene) == study


def test_an_open_scene_without_scans_is_refused(scene) -> None:
    with pytest.raises(MedDLError) as refusal:
        open_nodes(annotatedScans(scene))
    assert refusal.value.code is Code.NO_IMAGES


def test_a_scene_without_slicers_libraries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mrml").write_text("<MRML/>")
    with pytest.raises(MedDLError) as refusal:
        open_folder(tmp_path)
    assert refusal.value.code is Code.EXTRA_MISSING
