"""A volume node becomes a volume that lies right in the world."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.balls import INSIDE, OUTSIDE, ball, positions, turned
from fixtures.placements import linear, thin_plate, tilted, tilting_grid
from fixtures.slicer_core import slicer, vtk
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Volume
from MedDLScene.placement import transformPoints
from MedDLScene.volume_node import volumeFromNode

CENTRE, RADIUS = (12.0, -8.0, 5.0), 14.0
UPRIGHT = Geometry.from_parts((30, 40, 44), (1.8, 2.0, 2.5), origin=(-40, -40, -35))
GEOMETRIES = {
    "upright": UPRIGHT,
    "left-handed": Geometry.from_parts((30, 40, 44), (1.8, 2.0, 2.5), np.diag([-1, 1, 1]), (40, -40, -35)),
    "oblique": Geometry.from_parts((30, 40, 44), (1.8, 2.0, 2.5), turned(30, 0) @ turned(20, 2), (-30, -50, -45)),
}


def centre_of_mass(volume: Volume) -> np.ndarray:
    """Of the ball, weighted by how much of it is in each voxel; RAS mm."""
    weight = (volume.array.astype(float) - OUTSIDE) / (INSIDE - OUTSIDE)
    return np.tensordot(weight, positions(volume.geometry), 3) / weight.sum()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_volume_keeps_its_voxels_and_its_place(name, a_volume_node) -> None:
    volume = ball(GEOMETRIES[name], CENTRE, RADIUS)
    taken = volumeFromNode(a_volume_node(volume))
    assert np.array_equal(taken.array, volume.array)
    assert taken.array.dtype == volume.array.dtype
    assert taken.geometry.same_as(volume.geometry, 1e-9)
    assert taken.source.format == "scene"
    assert taken.notices == ()


def test_the_volume_outlives_its_node(scene, a_volume_node) -> None:
    volume = ball(UPRIGHT, CENTRE, RADIUS)
    node = a_volume_node(volume)
    taken = volumeFromNode(node)
    node.GetImageData().GetPointData().GetScalars().Fill(0)
    scene.Clear()
    assert np.array_equal(taken.array, volume.array)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_linear_transform_moves_the_grid_and_leaves_the_voxels(name, a_volume_node, a_transform_node) -> None:
    volume = ball(GEOMETRIES[name], CENTRE, RADIUS)
    node = a_volume_node(volume)
    node.SetAndObserveTransformNodeID(a_transform_node(linear()).GetID())
    taken = volumeFromNode(node)
    assert np.array_equal(taken.array, volume.array)
    expected = linear() @ [*CENTRE, 1]
    assert np.allclose(centre_of_mass(taken), expected[:3], atol=0.02)
    assert taken.geometry.same_as(Geometry(volume.geometry.shape, linear() @ volume.geometry.ijk_to_ras), 1e-6)


def test_nested_linear_transforms_are_multiplied_in_their_order(a_volume_node, a_transform_node) -> None:
    inner, outer = linear(40, 2, (5, 0, 0)), linear(-25, 1, (0, 70, 0))
    node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node.SetAndObserveTransformNodeID(a_transform_node(inner, parent=a_transform_node(outer)).GetID())
    assert np.allclose(volumeFromNode(node).geometry.ijk_to_ras, outer @ inner @ UPRIGHT.ijk_to_ras, atol=1e-9)


def test_a_displacement_grid_is_hardened_into_a_copy_with_a_notice(a_volume_node, a_transform_node) -> None:
    volume = ball(UPRIGHT, CENTRE, RADIUS)
    node = a_volume_node(volume)
    parent = a_transform_node(tilting_grid())
    node.SetAndObserveTransformNodeID(parent.GetID())
    taken = volumeFromNode(node)
    assert [notice.code for notice in taken.notices] == [Code.TRANSFORM_NONLINEAR]
    assert np.allclose(centre_of_mass(taken), tilted(np.array(CENTRE)), atol=0.02)
    assert taken.geometry.is_orthogonal
    assert node.GetTransformNodeID() == parent.GetID()
    node.SetAndObserveTransformNodeID(None)
    assert np.array_equal(volumeFromNode(node).array, volume.array)


def test_the_hardened_copy_covers_the_whole_bent_volume(a_volume_node, a_transform_node) -> None:
    node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node.SetAndObserveTransformNodeID(a_transform_node(tilting_grid()).GetID())
    taken = volumeFromNode(node).geometry
    index = taken.ras_to_index(tilted(UPRIGHT.corners()))
    assert (index >= -0.5 - 1e-3).all()
    assert (index <= np.array(taken.shape[::-1]) - 0.5 + 1e-3).all()
    assert np.prod(taken.shape) < 2 * np.prod(UPRIGHT.shape)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_thin_plate_spline_under_a_linear_transform_lands_right(name, a_volume_node, a_transform_node) -> None:
    node = a_volume_node(ball(GEOMETRIES[name], CENTRE, RADIUS))
    spline = thin_plate()
    node.SetAndObserveTransformNodeID(a_transform_node(spline, parent=a_transform_node(linear())).GetID())
    taken = volumeFromNode(node)
    bent = transformPoints(np.array([CENTRE]), spline)[0]
    expected = (linear() @ [*bent, 1])[:3]
    assert np.linalg.norm(centre_of_mass(taken) - expected) < 0.5
    assert np.linalg.norm(expected - (linear() @ [*CENTRE, 1])[:3]) > 3


def test_the_hardened_copy_agrees_with_slicers_own_hardening(a_volume_node, a_transform_node) -> None:
    node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node.SetAndObserveTransformNodeID(a_transform_node(thin_plate()).GetID())
    ours = volumeFromNode(node)
    node.HardenTransform()
    slicers = volumeFromNode(node)
    assert np.linalg.norm(centre_of_mass(ours) - centre_of_mass(slicers)) < 0.05


def test_a_flattening_transform_is_refused(a_volume_node, a_transform_node) -> None:
    node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node.SetAndObserveTransformNodeID(a_transform_node(np.diag([1.0, 1.0, 0.0, 1.0])).GetID())
    with pytest.raises(MedDLError) as refused:
        volumeFromNode(node)
    assert refused.value.code is Code.TRANSFORM_REFUSED


@pytest.mark.parametrize("strength", [150.0, 1e5])
def test_a_bent_transform_that_folds_space_is_refused(strength, a_volume_node, a_transform_node, capfd) -> None:
    node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node.SetAndObserveTransformNodeID(a_transform_node(thin_plate(strength)).GetID())
    with pytest.raises(MedDLError) as refused:
        volumeFromNode(node)
    assert refused.value.code is Code.TRANSFORM_REFUSED
    assert capfd.readouterr().err == ""


def test_a_transform_that_enlarges_beyond_measure_is_refused(a_volume_node, a_transform_node) -> None:
    spike = vtk.vtkGeneralTransform()
    spike.Concatenate(thin_plate(1.0))
    spike.RotateZ(45)
    spike.Scale(1, 1, 1)
    shear = np.eye(4)
    shear[0, 2] = 40
    spike.Concatenate(shear.ravel().tolist())
    node = a_volume_node(ball(UPRIGHT, CENTRE, RADIUS))
    node.SetAndObserveTransformNodeID(a_transform_node(spike).GetID())
    with pytest.raises(MedDLError) as refused:
        volumeFromNode(node)
    assert refused.value.code is Code.TRANSFORM_REFUSED
    assert "times as large" in refused.value.message


@pytest.mark.parametrize(
    "kind", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode", "vtkMRMLDiffusionWeightedVolumeNode"]
)
def test_what_is_not_a_scan_is_refused(kind, a_volume_node) -> None:
    node = a_volume_node(Volume(np.zeros((2, 3, 4), np.uint8), Geometry((2, 3, 4), np.eye(4))), kind)
    with pytest.raises(MedDLError) as refused:
        volumeFromNode(node)
    assert refused.value.code is Code.NOT_SCALAR


def test_several_values_in_a_voxel_are_refused(a_volume_node) -> None:
    node = a_volume_node(Volume(np.zeros((2, 3, 4), np.uint8), Geometry((2, 3, 4), np.eye(4))))
    colours = vtk.vtkImageData()
    colours.SetDimensions(4, 3, 2)
    colours.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(colours)
    with pytest.raises(MedDLError) as refused:
        volumeFromNode(node)
    assert refused.value.code is Code.NOT_SCALAR


def test_a_node_without_voxels_is_refused(scene) -> None:
    nodes = [scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2)]
    nodes[1].SetAndObserveImageData(vtk.vtkImageData())
    for node in nodes:
        with pytest.raises(MedDLError) as refused:
            volumeFromNode(node)
        assert refused.value.code is Code.FILE_UNREADABLE


def test_an_extent_that_starts_elsewhere_moves_the_origin(a_volume_node) -> None:
    volume = ball(UPRIGHT, CENTRE, RADIUS)
    node = a_volume_node(volume)
    k, j, i = UPRIGHT.shape
    node.GetImageData().SetExtent(3, i + 2, -2, j - 3, 5, k + 4)
    assert np.allclose(volumeFromNode(node).geometry.origin, UPRIGHT.index_to_ras((3, -2, 5)))


def test_the_modality_is_what_slicer_keeps_from_dicom(scene, a_volume_node) -> None:
    volume = ball(UPRIGHT, CENTRE, RADIUS)
    assert volumeFromNode(a_volume_node(volume)).modality is None

    series = a_volume_node(volume)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), series)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "PT")
    assert volumeFromNode(series).modality == "PT"

    hounsfield, signal = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
    hounsfield.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    signal.SetValueSchemeMeaning("110852", "DCM", "MR signal intensity")
    ct, mr = a_volume_node(volume), a_volume_node(volume)
    ct.SetVoxelValueUnits(hounsfield)
    mr.SetVoxelValueQuantity(signal)
    assert [volumeFromNode(node).modality for node in (ct, mr)] == ["CT", "MR"]
