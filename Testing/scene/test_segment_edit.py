"""What a click found goes into a segment by the rules of Slicer's Segment Editor: on the real logic, on real nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.balls import turned
from fixtures.placements import linear, thin_plate
from fixtures.slicer_core import slicer
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Label, LabelMap, Volume
from MedDLScene.segment_edit import Edited, editSegment
from MedDLScene.segment_editor import SINGLETON, SegmentEditor
from MedDLScene.segmentation_node import labelMapFromSegmentationNode, labelMapToSegmentationNode
from MedDLScene.volume_node import worldGeometry

STRAIGHT = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), origin=(-20, -10, 5))
OBLIQUE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), turned(25, 2) @ turned(-15, 0), origin=(-20, -10, 5))
ORGAN, OTHER = Label(1, "organ", (200, 100, 100)), Label(2, "other", (100, 100, 200))
BOX = ((4, 4, 6), (12, 12, 14))
"""From and to along K, J, I; the organ reaches into it from one side, the other from another."""


def drawn() -> NDArray[np.uint8]:
    labels = np.zeros(STRAIGHT.shape, np.uint8)
    labels[5:10, 5:10, 5:10], labels[5:10, 5:10, 10:18] = 1, 2
    return labels


def in_box(labels: NDArray[Any]) -> NDArray[Any]:
    (a, b, c), (d, e, f) = BOX
    return labels[a:d, b:e, c:f]


WANTED = np.zeros((8, 8, 8), bool)
WANTED[2:7, 2:7, 2:7] = True


class Case:
    """A segmentation of two neighbours, drawn on a scan, and an editor of it."""

    def __init__(self, scene: Any, volumeNode: Any, labels: NDArray[np.uint8] | None = None) -> None:
        grid = worldGeometry(volumeNode)
        given = LabelMap(drawn() if labels is None else labels, grid, (ORGAN, OTHER))
        self.scene, self.volume = scene, volumeNode
        self.node = labelMapToSegmentationNode(given, volumeNode, scene)
        self.organ, self.other = self.node.GetSegmentation().GetSegmentIDs()
        self.editor = SegmentEditor(self.node, volumeNode)
        self.place = grid.cropped(*BOX)

    def edit(self, wanted: NDArray[np.bool_] = WANTED, click: Any = None) -> Edited:
        return editSegment(self.editor, self.organ, wanted, self.place, click)

    @property
    def masks(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        found = labelMapFromSegmentationNode(self.node, self.volume)
        return found.mask(found.labels[0]), found.mask(found.labels[1])

    def at(self, k: int, j: int, i: int) -> tuple[float, float, float]:
        r, a, s = worldGeometry(self.volume).index_to_ras((i, j, k)).tolist()
        return r, a, s

    def set_status(self, segmentID: str, status: int) -> None:
        segment = self.node.GetSegmentation().GetSegment(segmentID)
        slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(segment, status)


@pytest.fixture
def case(scene: Any, a_volume_node: Callable[..., Any]) -> Case:
    return Case(scene, a_volume_node(Volume(np.zeros(STRAIGHT.shape, np.float32), STRAIGHT)))


def set_in(labels: NDArray[np.bool_], wanted: NDArray[np.bool_], but: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What a segment should be: in the box what was wanted, except for voxels that others keep."""
    expected = labels.copy()
    in_box(expected)[:] = wanted & ~in_box(but)
    return expected


def test_a_segment_becomes_what_is_wanted_in_the_box_and_its_neighbour_loses_nothing(case: Case) -> None:
    organ, other = case.masks
    edited = case.edit()
    found, neighbour = case.masks
    assert np.array_equal(found, set_in(organ, WANTED, other)) and np.array_equal(neighbour, other)
    assert (edited.added, edited.removed) == ((found & ~organ).sum(), (organ & ~found).sum())
    assert edited.kept == (in_box(other) & WANTED).sum() > 0 and edited.heldBy == ("other",)


def test_one_step_of_undo_restores_everything(case: Case) -> None:
    before = case.masks
    segment = case.node.GetSegmentation().GetSegment(case.organ)
    status = slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentStatus(segment)
    case.edit()
    assert slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentStatus(segment) != status, "somebody works on it"
    case.edit(~WANTED)
    middle = set_in(before[0], WANTED, before[1])
    case.editor.undo()
    assert np.array_equal(case.masks[0], middle)
    case.editor.undo()
    assert all(np.array_equal(a, b) for a, b in zip(case.masks, before, strict=True))
    assert slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentStatus(segment) == status
    assert not case.editor.canUndo


def test_what_changes_nothing_is_no_step(case: Case) -> None:
    organ, _ = case.masks
    assert case.edit(in_box(organ)) == Edited(0, 0)
    assert not case.editor.canUndo
    nowhere = STRAIGHT.cropped((100, 100, 100), (104, 104, 104))
    assert editSegment(case.editor, case.organ, np.zeros(nowhere.shape, bool), nowhere) == Edited(0, 0)


def test_a_neighbour_gives_way_where_the_click_lies_in_it(case: Case) -> None:
    organ, other = case.masks
    edited = case.edit(click=case.at(7, 7, 11))
    found, neighbour = case.masks
    nobody = np.zeros_like(other)
    assert np.array_equal(found, set_in(organ, WANTED, nobody)) and edited.kept == 0
    assert np.array_equal(neighbour, other & ~found) and neighbour.sum() < other.sum()


def test_a_neighbour_that_is_completed_gives_nothing(case: Case) -> None:
    _, other = case.masks
    case.set_status(case.other, slicer.vtkSlicerSegmentationsModuleLogic.Completed)
    edited = case.edit(click=case.at(7, 7, 11))
    assert edited.lockedBy == ("other",) and edited.heldBy == ()
    assert np.array_equal(case.masks[1], other)


def test_segments_may_overlap_where_segment_editor_lets_them(case: Case) -> None:
    organ, other = case.masks
    case.editor.node.SetOverwriteMode(case.editor.node.OverwriteNone)
    assert case.edit().kept == 0
    found, neighbour = case.masks
    assert np.array_equal(found, set_in(organ, WANTED, np.zeros_like(other))) and np.array_equal(neighbour, other)


def test_hidden_segments_are_overlapped_where_only_visible_ones_are_overwritten(case: Case) -> None:
    organ, other = case.masks
    case.editor.node.SetOverwriteMode(case.editor.node.OverwriteVisibleSegments)
    case.node.GetDisplayNode().SetSegmentVisibility(case.other, False)
    assert case.edit().kept == 0
    assert np.array_equal(case.masks[0], set_in(organ, WANTED, np.zeros_like(other)))
    assert np.array_equal(case.masks[1], other)


def test_the_editable_area_is_kept_to(case: Case) -> None:
    organ, other = case.masks
    case.editor.node.SetMaskMode(case.node.EditAllowedOutsideAllSegments)
    case.editor.node.SetOverwriteMode(case.editor.node.OverwriteNone)
    edited = case.edit()
    assert np.array_equal(case.masks[0], set_in(organ, WANTED, other)) and edited.kept == (in_box(other) & WANTED).sum()
    case.editor.undo()
    case.editor.node.SetMaskMode(case.node.EditAllowedInsideSingleSegment)
    case.editor.node.SetMaskSegmentID(case.organ)
    case.edit()
    assert np.array_equal(case.masks[0], set_in(organ, WANTED & in_box(organ), np.zeros_like(other)))


def test_intensities_that_are_not_editable_stay(scene: Any, a_volume_node: Callable[..., Any]) -> None:
    bright = np.zeros(STRAIGHT.shape, np.float32)
    bright[:8] = 100
    case = Case(scene, a_volume_node(Volume(bright, STRAIGHT)))
    organ, other = case.masks
    case.editor.node.SetSourceVolumeIntensityMask(True)
    case.editor.node.SetSourceVolumeIntensityMaskRange(50, 200)
    edited = case.edit()
    expected = np.where(bright > 0, set_in(organ, WANTED, other), organ)
    assert np.array_equal(case.masks[0], expected) and edited.kept > (in_box(other) & WANTED).sum()


def test_the_rules_are_those_of_the_module_segment_editor(case: Case) -> None:
    theirs = slicer.vtkMRMLSegmentEditorNode()
    theirs.SetSingletonTag(SINGLETON)
    theirs = case.scene.AddNode(theirs)
    theirs.SetAndObserveSegmentationNode(case.node)
    theirs.SetMaskMode(case.node.EditAllowedInsideSingleSegment)
    theirs.SetMaskSegmentID(case.other)
    theirs.SetOverwriteMode(theirs.OverwriteNone)
    theirs.SetSourceVolumeIntensityMask(True)
    theirs.SetSourceVolumeIntensityMaskRange(1, 2)
    case.editor.takeRules()
    ours = case.editor.node
    assert ours.GetMaskMode() == theirs.GetMaskMode() and ours.GetMaskSegmentID() == case.other
    assert ours.GetOverwriteMode() == theirs.OverwriteNone
    assert ours.GetSourceVolumeIntensityMask() and tuple(ours.GetSourceVolumeIntensityMaskRange()) == (1, 2)
    assert ours.GetSourceVolumeNode() is case.volume
    another = case.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "FLAIR")
    theirs.SetAndObserveSourceVolumeNode(another)
    case.editor.takeRules()
    assert ours.GetSourceVolumeNode() is another, "it is that one's intensities"
    theirs.SetAndObserveSegmentationNode(None)
    theirs.SetOverwriteMode(theirs.OverwriteAllSegments)
    case.editor.takeRules()
    assert ours.GetOverwriteMode() == theirs.OverwriteNone, "of another segmentation"
    case.scene.RemoveNode(theirs)


def test_only_the_box_that_changes_is_handed_over(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    extents: list[tuple[int, ...]] = []
    modify = case.editor.modify

    def watched(node: Any, segmentID: str, image: Any, add: bool) -> None:
        extents.append(image.GetExtent())
        modify(node, segmentID, image, add)

    monkeypatch.setattr(case.editor, "modify", watched)
    organ, other = case.masks
    everywhere = organ.copy()
    everywhere[20, 20, 30] = True
    edited = editSegment(case.editor, case.organ, everywhere, STRAIGHT)
    assert edited == Edited(1, 0, hasStep=True) and extents == [(30, 30, 20, 20, 20, 20)]
    assert np.array_equal(case.masks[0], everywhere) and np.array_equal(case.masks[1], other)


@pytest.mark.parametrize("geometry", [STRAIGHT, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("moved", ["not", "together", "apart"])
def test_places_are_right_whatever_lies_above_the_nodes(
    geometry: Geometry, moved: str, scene: Any, a_volume_node: Any, a_transform_node: Any
) -> None:
    volume = a_volume_node(Volume(np.zeros(geometry.shape, np.float32), geometry))
    if moved != "not":
        volume.SetAndObserveTransformNodeID(a_transform_node(linear()).GetID())
    case = Case(scene, volume)
    if moved == "apart":
        volume.HardenTransform()
    organ, other = case.masks
    assert case.edit().added > 0
    assert np.array_equal(case.masks[0], set_in(organ, WANTED, other))
    case.editor.undo()
    assert np.array_equal(case.masks[0], organ)


def test_under_a_bent_transform_a_block_comes_where_it_was_found(
    scene: Any, a_volume_node: Any, a_transform_node: Any
) -> None:
    volume = a_volume_node(Volume(np.zeros(STRAIGHT.shape, np.float32), STRAIGHT))
    volume.SetAndObserveTransformNodeID(a_transform_node(thin_plate()).GetID())
    case = Case(scene, volume, np.zeros(worldGeometry(volume).shape, np.uint8))
    case.edit()
    found, _ = case.masks
    expected = set_in(np.zeros_like(found), WANTED, np.zeros_like(found))
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.93, "nearest neighbours, there and back"


def test_a_segmentation_on_a_finer_grid_is_edited_there(case: Case) -> None:
    fine = Geometry.from_parts((48, 60, 80), (0.5, 0.75, 1.0), origin=(-20.25, -10.375, 4.5))
    node = labelMapToSegmentationNode(LabelMap(np.zeros(fine.shape, np.uint8), fine, (ORGAN,)), case.volume, case.scene)
    image = node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    text = slicer.vtkSegmentationConverter.SerializeImageGeometry(image)
    node.GetSegmentation().SetConversionParameter(name, text)
    (segment,) = node.GetSegmentation().GetSegmentIDs()
    edited = editSegment(SegmentEditor(node, case.volume), segment, WANTED, case.place)
    assert edited == Edited(8 * int(WANTED.sum()), 0, hasStep=True)
    found = labelMapFromSegmentationNode(node, case.volume).array > 0
    assert np.array_equal(in_box(found), WANTED) and found.sum() == WANTED.sum()


def test_beyond_the_segmentations_own_grid_masks_are_kept_to_as_well(case: Case) -> None:
    """Slicer's masks end where the segmentation's grid does: what lay beyond was edited against them."""
    small = STRAIGHT.cropped((0, 0, 0), (6, 30, 40))
    node = labelMapToSegmentationNode(LabelMap(drawn()[:6], small, (ORGAN, OTHER)), case.volume, case.scene)
    image = node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    text = slicer.vtkSegmentationConverter.SerializeImageGeometry(image)
    node.GetSegmentation().SetConversionParameter(name, text)
    editor, (organ, _) = SegmentEditor(node, case.volume), node.GetSegmentation().GetSegmentIDs()
    before = labelMapFromSegmentationNode(node, case.volume).array
    editor.node.SetSourceVolumeIntensityMask(True)
    editor.node.SetSourceVolumeIntensityMaskRange(1, 2)  # no voxel has these
    edited = editSegment(editor, organ, WANTED, case.place)
    assert (edited.added, edited.removed) == (0, 0) and edited.kept > 0
    assert np.array_equal(labelMapFromSegmentationNode(node, case.volume).array, before)
    editor.node.SetSourceVolumeIntensityMask(False)
    assert editSegment(editor, organ, WANTED, case.place).added > 0
    assert (labelMapFromSegmentationNode(node, case.volume).array[6:] == 1).any()


def test_segments_that_are_locked_gone_or_no_voxels_are_refused(case: Case) -> None:
    before = case.masks
    case.set_status(case.organ, slicer.vtkSlicerSegmentationsModuleLogic.Completed)
    with pytest.raises(MedDLError, match="completed") as caught:
        case.edit()
    assert caught.value.code is Code.OUTPUT_UNWRITABLE
    assert all(np.array_equal(a, b) for a, b in zip(case.masks, before, strict=True)) and not case.editor.canUndo
    with pytest.raises(MedDLError, match="gone"):
        editSegment(case.editor, "stranger", WANTED, case.place)
    case.node.GetSegmentation().CreateRepresentation("Closed surface")
    case.node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    with pytest.raises(MedDLError, match="voxels"):
        case.edit()


def test_the_editor_leaves_nothing_in_the_scene(case: Case) -> None:
    assert case.editor.node.GetScene() is case.scene
    case.editor.close()
    assert case.scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 0
    case.editor.close()
