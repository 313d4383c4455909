"""Points that Slicer's own library writes are read where it has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.slicer_core import slicer
from MedDLCore.readers.markups import read_points

POINTS = ((10.0, -20.5, 30.0), (-1.25, 2.0, 3.5))


@pytest.mark.parametrize(
    ("storage", "name"),
    [("vtkMRMLMarkupsJsonStorageNode", "F.mrk.json"), ("vtkMRMLMarkupsFiducialStorageNode", "F.fcsv")],
)
def test_points_are_where_slicer_has_them(tmp_path: Path, storage: str, name: str) -> None:
    scene = slicer.vtkMRMLScene()
    node = scene.AddNode(slicer.vtkMRMLMarkupsFiducialNode())
    for n, point in enumerate(POINTS):
        node.AddControlPoint(*point, f"F, {n}")
    writer = scene.AddNode(getattr(slicer, storage)())
    writer.SetFileName(str(tmp_path / name))
    assert writer.WriteData(node)
    assert read_points(tmp_path / name) == POINTS
