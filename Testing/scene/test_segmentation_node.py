"""A label map becomes a segmentation node that lies right in the world, and comes back."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.balls import THRESHOLD, ball, ball_mask, centroid, turned
from fixtures.placements import linear, thin_plate, tilting_grid
from fixtures.slicer_core import slicer, vtk
from MedDLCore.errors import Code, MedDLError
from MedDLCore.terminology import TAG
from MedDLCore.volume import GENERIC_TERMINOLOGY, Concept, Geometry, Label, LabelMap, Terminology
from MedDLScene.placement import arrayOfImage, transformPoints
from MedDLScene.segmentation_node import labelMapFromSegmentationNode, labelMapToSegmentationNode
from MedDLScene.volume_node import volumeFromNode

CENTRE, RADIUS = (12.0, -8.0, 5.0), 14.0
GEOMETRIES = {
    "upright": Geometry.from_parts((30, 40, 44), (1.8, 2.0, 2.5), origin=(-40, -40, -35)),
    "left-handed": Geometry.from_parts((30, 40, 44), (1.8, 2.0, 2.5), np.diag([-1, 1, 1]), (40, -40, -35)),
    "oblique": Geometry.from_parts((30, 40, 44), (1.8, 2.0, 2.5), turned(30, 0) @ turned(20, 2), (-30, -50, -45)),
}
UPRIGHT = GEOMETRIES["upright"]
LIVER = Terminology(
    Concept("123037004", "SCT", "Anatomical Structure"),
    Concept("10200004", "SCT", "Liver"),
    Concept("24028007", "SCT", "Right"),
)
BALL = Label(1, "ball", (221, 130, 101), LIVER)


def parents(a_transform_node):
    """Every kind of parent transform: the way to the world as a function of points, and the node (or None)."""
    outer = a_transform_node(linear(-25, 1, (0, 70, 0)))
    grid, spline = tilting_grid(), thin_plate()
    return {
        "none": (None, lambda p: p),
        "linear": (a_transform_node(linear()), lambda p: _moved(linear(), p)),
        "nested": (
            a_transform_node(linear(), parent=outer),
            lambda p: _moved(linear(-25, 1, (0, 70, 0)), _moved(linear(), p)),
        ),
        "grid": (a_transform_node(grid), lambda p: transformPoints(p, grid)),
        "thin plate": (a_transform_node(spline), lambda p: transformPoints(p, spline)),
        "thin plate under linear": (
            a_transform_node(thin_plate(), parent=outer),
            lambda p: _moved(linear(-25, 1, (0, 70, 0)), transformPoints(p, spline)),
        ),
    }


def _moved(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def segment_in_world(node, name):
    """``(N, 3)`` world positions of a segment's voxels, by VTK's own arithmetic."""
    segmentation = node.GetSegmentation()
    segment = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(name))
    image = segment.GetRepresentation("Binary labelmap")
    k, j, i = np.nonzero(arrayOfImage(image) == segment.GetLabelValue())
    matrix = vtk.vtkTransform()
    to_ras = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(to_ras)
    matrix.SetMatrix(to_ras)
    own = transformPoints(np.stack([i, j, k], axis=1) + np.array(image.GetExtent()[::2]), matrix)
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, to_world)
    return transformPoints(own, to_world)


def labels_of(node):
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]


def thresholded(volume, label=BALL):
    return LabelMap((volume.array > THRESHOLD).astype(np.uint8) * label.value, volume.geometry, (label,))


@pytest.mark.parametrize("shape", GEOMETRIES)
@pytest.mark.parametrize("kind", ["none", "linear", "nested", "grid", "thin plate", "thin plate under linear"])
def test_a_segment_lies_on_the_ball_in_the_world(kind, shape, scene, a_volume_node, a_transform_node) -> None:
    parent, to_world = parents(a_transform_node)[kind]
    volume_node = a_volume_node(ball(GEOMETRIES[shape], CENTRE, RADIUS))
    volume_node.SetAndObserveTransformNodeID(parent and parent.GetID())
    volume = volumeFromNode(volume_node)
    node = labelMapToSegmentationNode(thresholded(volume), volume_node, scene)
    assert node.GetTransformNodeID() == volume_node.GetTransformNodeID()

    inside = ball_mask(GEOMETRIES[shape], CENTRE, RADIUS)
    k, j, i = np.nonzero(inside)
    expected = to_world(GEOMETRIES[shape].index_to_ras(np.stack([i, j, k], axis=1)))
    found = segment_in_world(node, "ball")
    exact = parent is None or parent.IsTransformToWorldLinear()
    assert np.linalg.norm(found.mean(axis=0) - expected.mean(axis=0)) < (1e-3 if exact else 0.5)
    if exact:
        assert np.allclose(found, expected, atol=1e-3)
    else:
        assert abs(len(found) / len(expected) - 1) < 0.05
        array = arrayOfImage(labels_of(node)[0].GetRepresentation("Binary labelmap"))
        assert array.shape == GEOMETRIES[shape].shape
        overlap = 2 * (array.astype(bool) & inside).sum() / (array.sum() + inside.sum())
        assert overlap >= 0.95


@pytest.mark.parametrize("kind", ["none", "linear", "nested", "grid", "thin plate", "thin plate under linear"])
def test_slicer_finds_the_segment_where_the_ball_is(kind, scene, a_volume_node, a_transform_node) -> None:
    parent, to_world = parents(a_transform_node)[kind]
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    volume_node.SetAndObserveTransformNodeID(parent and parent.GetID())
    node = labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, scene)
    identifier = node.GetSegmentation().GetSegmentIdBySegmentName("ball")
    centre = np.array(node.GetSegmentCenterRAS(identifier))
    assert np.linalg.norm(centre - to_world(np.array([CENTRE]))[0]) < 2.5  # Slicer gives the middle of a voxel box


@pytest.mark.parametrize("kind", ["linear", "nested"])
def test_slicer_exports_the_very_voxels_under_a_linear_transform(kind, host, a_volume_node, a_transform_node) -> None:
    """Imported under no transform and then moved, the segment would lie twice as far away."""
    parent, _ = parents(a_transform_node)[kind]
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    volume_node.SetAndObserveTransformNodeID(parent.GetID())
    node = labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, host.scene)
    exported = host.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    identifiers = vtk.vtkStringArray()
    identifiers.InsertNextValue(node.GetSegmentation().GetNthSegmentID(0))
    logic = host.logics["Segmentations"]
    assert logic.ExportSegmentsToLabelmapNode(node, identifiers, exported, volume_node)
    assert np.array_equal(arrayOfImage(exported.GetImageData()) > 0, ball_mask(UPRIGHT, CENTRE, RADIUS))


def test_names_colours_codes_and_values_arrive(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    array = np.zeros(UPRIGHT.shape, np.uint16)
    array[3], array[5], array[7] = 1, 5, 300
    uncoded = Label(300, "Ünnamed ~ thing", (1, 2, 3))
    labels = (BALL, Label(5, "five", (0, 128, 255), LIVER), uncoded)
    node = labelMapToSegmentationNode(LabelMap(array, UPRIGHT, labels), volume_node, scene, name="result")
    segments = labels_of(node)
    assert node.GetName() == "result"
    assert [s.GetName() for s in segments] == ["ball", "five", "Ünnamed ~ thing"]
    assert [s.GetLabelValue() for s in segments] == [1, 5, 300]
    assert [tuple(round(c * 255) for c in s.GetColor()) for s in segments] == [x.color for x in labels]
    assert "SCT^10200004^Liver~SCT^24028007^Right" in segments[0].GetTerminology()
    assert "SCT^85756007^Tissue" in segments[2].GetTerminology()
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    back = labelMapFromSegmentationNode(node, volume_node)
    assert np.array_equal(back.array, array)
    assert back.array.dtype == np.uint16
    assert back.labels == (*labels[:2], Label(300, uncoded.name, uncoded.color, GENERIC_TERMINOLOGY))


def test_the_node_is_ready_to_be_edited_and_shown(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node = labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, scene)
    role = node.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is volume_node
    assert node.GetDisplayNode().IsA("vtkMRMLSegmentationDisplayNode")
    assert node.GetName() == "scan segmentation"
    assert labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, scene).GetName() != (
        node.GetName()
    )


def test_the_result_joins_the_volumes_study(scene, a_volume_node) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    hierarchy.CreateItem(study, volume_node)
    node = labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, scene)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_empty_segments_are_kept_and_named(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    labels = (BALL, Label(4, "nowhere", (9, 9, 9), LIVER))
    node = labelMapToSegmentationNode(LabelMap(np.zeros(UPRIGHT.shape, np.uint8), UPRIGHT, labels), volume_node, scene)
    assert [s.GetName() for s in labels_of(node)] == ["ball", "nowhere"]
    back = labelMapFromSegmentationNode(node)
    assert back.labels == labels
    assert not back.array.any()
    assert back.geometry.same_as(UPRIGHT)


def test_overlapping_segments_stay_in_their_layers(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    layers = np.zeros((2, *UPRIGHT.shape), np.uint8)
    layers[0, 5:15], layers[1, 10:20] = 1, 2
    labels = (Label(1, "a", (1, 1, 1), LIVER, 0), Label(2, "b", (2, 2, 2), LIVER, 1))
    node = labelMapToSegmentationNode(LabelMap(layers, UPRIGHT, labels), volume_node, scene)
    assert node.GetSegmentation().GetNumberOfLayers() == 2
    back = labelMapFromSegmentationNode(node, volume_node)
    assert np.array_equal(back.array, layers)
    assert back.labels == labels


def test_two_structures_of_one_name_stay_two_segments(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    layers = np.ones((2, *UPRIGHT.shape), np.uint8)
    labels = (Label(1, "rib", (1, 1, 1), LIVER, 0), Label(1, "rib", (2, 2, 2), LIVER, 1))
    node = labelMapToSegmentationNode(LabelMap(layers, UPRIGHT, labels), volume_node, scene)
    assert len(labels_of(node)) == 2


def test_a_hundred_segments_share_one_image(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    array = (np.arange(np.prod(UPRIGHT.shape)) % 101).astype(np.uint8).reshape(UPRIGHT.shape)
    labels = tuple(Label(n, f"{n}", (n, n, n), LIVER) for n in range(1, 101))
    node = labelMapToSegmentationNode(LabelMap(array, UPRIGHT, labels), volume_node, scene)
    assert len({s.GetRepresentation("Binary labelmap") for s in labels_of(node)}) == 1
    assert np.array_equal(labelMapFromSegmentationNode(node, volume_node).array, array)


def test_a_second_run_replaces_its_own_segments_and_no_others(scene, a_volume_node, a_segmentation_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    drawn = np.zeros(UPRIGHT.shape, bool)
    drawn[1:4] = True
    node = a_segmentation_node(UPRIGHT, ball=drawn)
    first = thresholded(volumeFromNode(volume_node))
    other = Label(2, "other", (1, 1, 1), LIVER)
    both = LabelMap(np.where(first.array, 1, 2).astype(np.uint8), UPRIGHT, (BALL, other))
    labelMapToSegmentationNode(both, volume_node, scene, node)
    identifiers = [node.GetSegmentation().GetNthSegmentID(n) for n in range(3)]
    smaller = LabelMap(first.array * (np.indices(UPRIGHT.shape)[0] < 15), UPRIGHT, (BALL,))
    assert labelMapToSegmentationNode(smaller, volume_node, scene, node) is node
    assert [node.GetSegmentation().GetNthSegmentID(n) for n in range(3)] == identifiers
    back = labelMapFromSegmentationNode(node, volume_node)
    masks = [back.mask(label) for label in back.labels]
    assert np.array_equal(masks[0], drawn)
    assert np.array_equal(masks[1], smaller.array == 1)
    assert np.array_equal(masks[2], both.array == 2)


def test_a_result_that_a_person_corrected_is_not_replaced(scene, a_volume_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    result = thresholded(volumeFromNode(volume_node))
    node = labelMapToSegmentationNode(result, volume_node, scene)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(labels_of(node)[0], logic.InProgress)
    labelMapToSegmentationNode(result, volume_node, scene, node)
    assert [s.GetName() for s in labels_of(node)] == ["ball", "ball"]


@pytest.mark.parametrize("theirs", ["none", "linear", "grid"])
@pytest.mark.parametrize("ours", ["none", "nested", "thin plate"])
def test_an_existing_segmentation_keeps_its_transform(
    ours, theirs, scene, a_volume_node, a_segmentation_node, a_transform_node
) -> None:
    placed = parents(a_transform_node)
    parent, to_world = placed[ours]
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    volume_node.SetAndObserveTransformNodeID(parent and parent.GetID())
    node = a_segmentation_node(UPRIGHT, drawn=ball_mask(UPRIGHT, (0, 0, 0), 5))
    their_parent = placed[theirs][0]
    node.SetAndObserveTransformNodeID(their_parent and their_parent.GetID())
    labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, scene, node)
    assert node.GetTransformNodeID() == (their_parent and their_parent.GetID())
    assert np.linalg.norm(segment_in_world(node, "ball").mean(axis=0) - to_world(np.array([CENTRE]))[0]) < 0.5
    expected = placed[theirs][1](np.zeros((1, 3)))[0]
    assert np.linalg.norm(segment_in_world(node, "drawn").mean(axis=0) - expected) < 0.5


def test_a_segmentation_of_surfaces_is_refused(scene, a_volume_node, a_segmentation_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node = a_segmentation_node(UPRIGHT, drawn=ball_mask(UPRIGHT, CENTRE, 5))
    node.CreateClosedSurfaceRepresentation()
    node.SetSourceRepresentationToClosedSurface()
    with pytest.raises(MedDLError) as refused:
        labelMapToSegmentationNode(thresholded(volumeFromNode(volume_node)), volume_node, scene, node)
    assert refused.value.code is Code.OUTPUT_UNWRITABLE


def test_a_refused_transform_leaves_no_half_made_node(scene, a_volume_node, a_transform_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    result = thresholded(volumeFromNode(volume_node))
    volume_node.SetAndObserveTransformNodeID(a_transform_node(np.diag([1.0, 1.0, 0.0, 1.0])).GetID())
    with pytest.raises(MedDLError) as refused:
        labelMapToSegmentationNode(result, volume_node, scene)
    assert refused.value.code is Code.TRANSFORM_REFUSED
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_label_map_of_a_part_of_the_volume_keeps_its_own_grid(scene, a_volume_node, a_transform_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    volume_node.SetAndObserveTransformNodeID(a_transform_node(linear()).GetID())
    volume = volumeFromNode(volume_node)
    part = volume.geometry.cropped((5, 6, 7), (25, 30, 40))
    array = (volume.array > THRESHOLD)[5:25, 6:30, 7:40].astype(np.uint8)
    node = labelMapToSegmentationNode(LabelMap(array, part, (BALL,)), volume_node, scene)
    back = labelMapFromSegmentationNode(node, volume_node)
    assert np.array_equal(back.array[5:25, 6:30, 7:40], array)
    assert back.array.sum() == array.sum()


@pytest.mark.parametrize("kind", ["none", "linear", "nested", "grid", "thin plate", "thin plate under linear"])
def test_what_was_put_into_the_scene_comes_back(kind, scene, a_volume_node, a_transform_node) -> None:
    parent, _ = parents(a_transform_node)[kind]
    volume_node = a_volume_node(ball(GEOMETRIES["oblique"], CENTRE, RADIUS))
    volume_node.SetAndObserveTransformNodeID(parent and parent.GetID())
    volume = volumeFromNode(volume_node)
    put = thresholded(volume)
    back = labelMapFromSegmentationNode(labelMapToSegmentationNode(put, volume_node, scene), volume_node)
    assert back.geometry.same_as(volume.geometry)
    overlap = 2 * (back.array & put.array).sum() / (back.array.sum() + put.array.sum())
    assert overlap == 1 if parent is None or parent.IsTransformToWorldLinear() else overlap >= 0.95


def test_hand_drawn_segments_are_numbered_and_take_a_layer_only_where_they_overlap(a_segmentation_node) -> None:
    one, two, three = (ball_mask(UPRIGHT, centre, 8) for centre in ((-20, 0, 0), (10, 0, 0), (15, 0, 0)))
    back = labelMapFromSegmentationNode(a_segmentation_node(UPRIGHT, one=one, two=two, three=three))
    assert back.layers == 2
    assert [(label.value, label.layer) for label in back.labels] == [(1, 0), (2, 0), (3, 1)]
    cropped = [resampled.any() for resampled in map(back.mask, back.labels)]
    assert cropped == [True, True, True]


def test_a_segment_outside_the_volume_is_cut_at_its_edge(a_volume_node, a_segmentation_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    k, j, i = UPRIGHT.shape
    wide = UPRIGHT.cropped((-10, -10, -10), (k + 10, j + 10, i + 10))
    node = a_segmentation_node(wide, all=np.ones(wide.shape, bool))
    back = labelMapFromSegmentationNode(node, volume_node)
    assert back.array.shape == UPRIGHT.shape
    assert (back.array == 1).all()


def test_surfaces_come_back_as_voxels_and_the_node_stays_as_it_was(a_volume_node, a_segmentation_node) -> None:
    volume_node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    mask = ball_mask(UPRIGHT, CENTRE, RADIUS)
    node = a_segmentation_node(UPRIGHT, ball=mask)
    node.CreateClosedSurfaceRepresentation()
    node.SetSourceRepresentationToClosedSurface()
    node.RemoveBinaryLabelmapRepresentation()
    back = labelMapFromSegmentationNode(node, volume_node)
    assert np.linalg.norm(centroid(back.array > 0, back.geometry) - CENTRE) < 0.5
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_a_segmentation_that_knows_no_grid_is_refused(scene) -> None:
    with pytest.raises(MedDLError) as refused:
        labelMapFromSegmentationNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
    assert refused.value.code is Code.FILE_UNREADABLE


def test_an_illegible_code_is_no_code(a_segmentation_node) -> None:
    node = a_segmentation_node(UPRIGHT, ball=ball_mask(UPRIGHT, CENTRE, RADIUS))
    labels_of(node)[0].SetTag(TAG, "not a code")
    assert labelMapFromSegmentationNode(node).labels[0].terminology is None
