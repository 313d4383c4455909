"""What a scene holds, and what it lets go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from MedDLCore.volume import Geometry, Volume

GRID = Geometry.from_parts((4, 5, 6), (1.0, 1.0, 2.0))


def test_looking_for_nodes_keeps_none_of_them_alive(scene: Any, a_volume_node: Any, tmp_path: Path) -> None:
    """The collections of ``GetNodesByClass`` did: each scan of a batch stayed in memory, also after its scene."""
    from MedDLScene.batch_nodes import openedScans, segmentsTable
    from MedDLScene.libraries import vtk
    from MedDLScene.sequences import browsedVolume

    (tmp_path / "segments.csv").write_text("scan,structure\na,liver\n")
    volume = a_volume_node(Volume(np.zeros(GRID.shape, np.int16), GRID, "CT"))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    table = segmentsTable(tmp_path / "segments.csv", scene)
    assert segmentsTable(tmp_path / "segments.csv", scene) is table
    assert (openedScans("a", scene), browsedVolume(volume)) == ([], None)

    watched = [vtk.vtkWeakReference() for _ in range(3)]
    for reference, node in zip(watched, (volume, browser, table), strict=True):
        reference.Set(node)
        scene.RemoveNode(node)
    del volume, browser, table, node
    assert [reference.Get() for reference in watched] == [None, None, None]
