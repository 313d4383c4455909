"""Real files, read by Slicer's own libraries, agree with a second reader."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fixtures.slicer_core import slicer
from MedDLCore.volume import Geometry
from MedDLScene.segmentation_node import labelMapFromSegmentationNode
from MedDLScene.volume_node import volumeFromNode

pytestmark = pytest.mark.shared
TO_RAS = np.diag([-1.0, -1.0, 1.0])


def read_twice(path) -> tuple[np.ndarray, Geometry]:
    """By SimpleITK: ``(K, J, I)``, or with the layers last; and where it lies."""
    image = sitk.ReadImage(str(path))
    direction = TO_RAS @ np.array(image.GetDirection()).reshape(3, 3)
    shape = image.GetSize()[::-1]
    geometry = Geometry.from_parts(shape, image.GetSpacing(), direction, TO_RAS @ np.array(image.GetOrigin()))
    return sitk.GetArrayFromImage(image), geometry


def segmentation_from(path, scene):
    node, storage = scene.AddNewNodeByClass("vtkMRMLSegmentationNode"), slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


@pytest.mark.parametrize("name", ["brain_t1/t1_crop.nii.gz", "slicerio/CTChest4.nrrd"])
def test_a_scan_that_slicer_loaded_lies_where_a_second_reader_has_it(name, host, scene, shared_data) -> None:
    node = host.logics["Volumes"].AddArchetypeVolume(str(shared_data / name), "scan", 0)
    volume = volumeFromNode(node)
    array, geometry = read_twice(shared_data / name)
    in_second = np.linalg.inv(geometry.ijk_to_ras) @ volume.geometry.ijk_to_ras
    assert np.allclose(volume.geometry.corners().min(axis=0), geometry.corners().min(axis=0), atol=1e-3)
    index = np.argwhere(volume.array == volume.array.max())[:50, ::-1]
    there = np.round(index @ in_second[:3, :3].T + in_second[:3, 3]).astype(int)
    assert (array[tuple(there[:, ::-1].T)] == array.max()).all()
    assert np.array_equal(np.sort(volume.array, axis=None), np.sort(array, axis=None))


def test_a_segmentation_of_slicer_keeps_its_values(scene, shared_data) -> None:
    path = shared_data / "slicerio" / "Segmentation.seg.nrrd"
    array, geometry = read_twice(path)
    label_map = labelMapFromSegmentationNode(segmentation_from(path, scene))
    assert label_map.geometry.same_as(geometry)
    assert np.array_equal(label_map.array, array)
    assert {"ribs", "right lung", "left lung"} <= {label.name for label in label_map.labels}
    assert all(label.terminology is not None for label in label_map.labels)


def test_overlapping_segments_of_slicer_keep_all_their_voxels(scene, shared_data) -> None:
    path = shared_data / "slicerio" / "SegmentationOverlapping.seg.nrrd"
    array, _ = read_twice(path)
    node = segmentation_from(path, scene)
    label_map = labelMapFromSegmentationNode(node)
    assert label_map.layers == 2
    image = sitk.ReadImage(str(path))
    for n, label in enumerate(label_map.labels):
        layer, value = (int(image.GetMetaData(f"Segment{n}_{key}")) for key in ("Layer", "LabelValue"))
        assert label.name == image.GetMetaData(f"Segment{n}_Name")
        assert label_map.mask(label).sum() == (array[..., layer] == value).sum() > 0
