"""``.seg.nrrd``, read back by Slicer's own MRML, by slicerio and by SimpleITK."""

from __future__ import annotations

import importlib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from core.writers.phantoms import KIDNEY, LABELS, LIVER, TO_LPS, TUMOUR, three_structures, turned
from MedDLCore.terminology import serialize_terminology, terminology_of
from MedDLCore.volume import Geometry, Label, LabelMap
from MedDLCore.writers import segment_id, write_seg_nrrd

UNCODED = Label(7, "Größe 肝臓: a|b\\new", (1, 2, 3))
EMPTY = replace(KIDNEY, value=9, name="empty one")

GEOMETRIES = {
    "oblique": Geometry.from_parts((8, 30, 24), (0.7, 0.8, 2.5), turned(25, 15), (-31.5, 12.25, -400.125)),
    "left-handed": Geometry.from_parts((8, 30, 24), (0.7, 0.8, 2.5), turned(25, 15) @ np.diag([1, 1, -1]), (5, 6, 7)),
    "permuted": Geometry.from_parts((8, 30, 24), (0.7, 0.8, 2.5), np.eye(3)[[2, 0, 1]], (5, 6, 7)),
}


def exclusive(geometry: Geometry) -> LabelMap:
    label_map = three_structures(geometry)
    array = label_map.array.copy()
    array[0, 0:2, 0:3] = UNCODED.value
    return LabelMap(array, geometry, (*LABELS, UNCODED, EMPTY))


def layered(geometry: Geometry) -> LabelMap:
    first = three_structures(geometry)
    second = np.zeros_like(first.array)
    second[2:5, 3:20, 4:20] = 1
    core = Label(1, "core", (255, 0, 0), TUMOUR.terminology, layer=1)
    return LabelMap(np.stack([first.array, second]), geometry, (*LABELS, core))


CASES = {
    **{name: exclusive(geometry) for name, geometry in GEOMETRIES.items()},
    "layers": layered(GEOMETRIES["oblique"]),
    "uint8": LabelMap(
        (exclusive(GEOMETRIES["oblique"]).array == 1).astype(np.uint8), GEOMETRIES["oblique"], (LIVER, EMPTY)
    ),
}


def header_of(path: Path) -> dict[str, str]:
    """The text before the first empty line: fields and key/value pairs alike."""
    lines = path.read_bytes().split(b"\n\n")[0].decode().splitlines()
    return dict(re.split(r": |:=", line, maxsplit=1) for line in lines if ":" in line and not line.startswith("#"))


@pytest.mark.parametrize("label_map", CASES.values(), ids=CASES)
def test_slicers_own_reader_gives_everything_back(label_map: LabelMap, tmp_path: Path) -> None:
    slicer: Any = pytest.importorskip("slicer", reason="slicer-core is not installed (the extra 'scene')")
    vtk_to_numpy = importlib.import_module("vtk.util.numpy_support").vtk_to_numpy
    path = tmp_path / "result.seg.nrrd"
    write_seg_nrrd(label_map, path)
    scene = slicer.vtkMRMLScene()
    node, storage = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    segmentation = node.GetSegmentation()

    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    assert ids == [segment_id(label_map, label) for label in label_map.labels]
    assert segmentation.GetNumberOfLayers() == label_map.layers
    for identifier, label in zip(ids, label_map.labels, strict=True):
        segment = segmentation.GetSegment(identifier)
        assert segment.GetName() == label.name
        assert segment.GetLabelValue() == label.value
        assert np.allclose(np.array(segment.GetColor()) * 255, label.color, atol=1e-3)
        tag = slicer.vtkSegment.GetTerminologyEntryTagName()
        assert _tag(slicer, segment, tag) == serialize_terminology(terminology_of(label))
        image = segment.GetRepresentation("Binary labelmap")
        voxels = np.zeros(label_map.geometry.shape, dtype=bool)
        i0, i1, j0, j1, k0, k1 = image.GetExtent()
        scalars = image.GetPointData().GetScalars()
        found = vtk_to_numpy(scalars).reshape(k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1) == label.value
        voxels[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] = found
        assert np.array_equal(voxels, label_map.mask(label)), label.name
        assert np.allclose(_matrix(image), label_map.geometry.ijk_to_ras, atol=1e-9)
    reference = segmentation.GetConversionParameter("Reference image geometry")
    numbers = [float(number) for number in reference.rstrip(";").split(";")]
    assert np.array_equal(np.reshape(numbers[:16], (4, 4)), label_map.geometry.ijk_to_ras)
    k, j, i = label_map.geometry.shape
    assert numbers[16:] == [0, i - 1, 0, j - 1, 0, k - 1]


def _matrix(image: Any) -> np.ndarray:
    vtk = importlib.import_module("vtk")
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _tag(slicer: Any, segment: Any, name: str) -> str:
    value = importlib.import_module("vtk").reference("")
    assert segment.GetTag(name, value)
    return str(value)


@pytest.mark.parametrize("label_map", CASES.values(), ids=CASES)
def test_slicerio_gives_names_values_colours_and_voxels_back(label_map: LabelMap, tmp_path: Path) -> None:
    slicerio: Any = pytest.importorskip("slicerio")
    path = tmp_path / "result.seg.nrrd"
    write_seg_nrrd(label_map, path)
    read = slicerio.read_segmentation(str(path))
    voxels = read["voxels"]
    assert voxels.dtype == label_map.array.dtype
    assert np.array_equal(voxels.T if label_map.layers == 1 else np.transpose(voxels, (0, 3, 2, 1)), label_map.array)
    assert np.allclose(read["ijkToLPS"], TO_LPS @ label_map.geometry.ijk_to_ras, atol=1e-12)
    for segment, label in zip(read["segments"], label_map.labels, strict=True):
        ascii_name = label.name.encode("ascii", "ignore").decode()  # all that pynrrd keeps of a header
        assert segment["name"].replace("\\\\", "\\") == ascii_name
        assert segment["labelValue"] == label.value
        assert segment["layer"] == label.layer
        assert np.allclose(np.array(segment["color"]) * 255, label.color, atol=1e-3)
        codes = terminology_of(label)
        assert segment["terminology"]["category"] == [
            codes.category.scheme,
            codes.category.value,
            codes.category.meaning,
        ]
        assert segment["terminology"]["type"] == [codes.type.scheme, codes.type.value, codes.type.meaning]


@pytest.mark.parametrize("label_map", CASES.values(), ids=CASES)
def test_simpleitk_reads_the_voxels_at_the_same_place(label_map: LabelMap, tmp_path: Path) -> None:
    path = tmp_path / "result.seg.nrrd"
    write_seg_nrrd(label_map, path)
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    assert array.dtype == label_map.array.dtype
    assert np.array_equal(array if label_map.layers == 1 else np.moveaxis(array, -1, 0), label_map.array)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    assert np.allclose(matrix, TO_LPS @ label_map.geometry.ijk_to_ras, atol=1e-9)


def test_the_header_has_the_keys_that_slicer_writes(tmp_path: Path) -> None:
    label_map = CASES["layers"]
    write_seg_nrrd(label_map, tmp_path / "result.seg.nrrd")
    header = header_of(tmp_path / "result.seg.nrrd")
    assert header["kinds"] == "list domain domain domain"
    assert header["sizes"] == "2 24 30 8"
    assert header["space directions"].startswith("none (")
    assert header["encoding"] == "gzip"
    per_segment = (
        "Color",
        "ColorAutoGenerated",
        "Extent",
        "ID",
        "LabelValue",
        "Layer",
        "Name",
        "NameAutoGenerated",
        "Tags",
    )
    assert {f"Segment{n}_{key}" for n in range(4) for key in per_segment} <= set(header)
    assert header["Segment3_ID"] == "Segment_2_1"
    assert header["Segment0_Color"] == "0.866667 0.509804 0.396078"
    assert header["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"


@pytest.mark.shared
def test_every_key_is_one_that_slicer_itself_writes(shared_data: Path, tmp_path: Path) -> None:
    def kinds(header: dict[str, str]) -> set[str]:
        return {re.sub(r"\d+", "N", key) for key in header}

    write_seg_nrrd(CASES["uint8"], tmp_path / "result.seg.nrrd")
    theirs = kinds(header_of(shared_data / "slicerio" / "Segmentation.seg.nrrd"))
    assert kinds(header_of(tmp_path / "result.seg.nrrd")) - theirs == {"endian"}


def test_the_same_label_map_gives_the_same_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, now in (("a", 1e9), ("b", 2e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        write_seg_nrrd(CASES["oblique"], tmp_path / f"{name}.seg.nrrd")
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()


def test_an_array_in_another_memory_order_is_written_alike(tmp_path: Path) -> None:
    label_map = CASES["oblique"]
    fortran = replace(label_map, array=np.asfortranarray(label_map.array))
    write_seg_nrrd(label_map, tmp_path / "a.seg.nrrd")
    write_seg_nrrd(fortran, tmp_path / "b.seg.nrrd")
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()
