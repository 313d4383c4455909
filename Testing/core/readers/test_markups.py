"""Points in files of Slicer's: where they lie, in the coordinates that the file states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.markups import read_points

COLUMNS = "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"


def markups(folder: Path, **changes: Any) -> Path:
    points = [
        {"id": "1", "position": [-10.0, -20.5, 30.0], "positionStatus": "defined"},
        {"id": "2", "position": [0.0, 0.0, 0.0], "positionStatus": "undefined"},
        {"id": "3", "position": [7, 8, 9]},
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    content = {key: value for key, value in {**markup, **changes}.items() if value is not None}
    path = folder / "F.mrk.json"
    path.write_text(json.dumps({"markups": [content]}))
    return path


def fiducials(folder: Path, *header: str) -> Path:
    path = folder / "F.FCSV"
    path.write_text("\n".join([*header, 'vtk_1,1,-2,3.5,0,0,0,1,1,1,0,"F-1, left",,', "", "2,4,5,6", ""]))
    return path


def test_placed_points_are_read_in_ras(tmp_path: Path) -> None:
    assert read_points(markups(tmp_path)) == ((10, 20.5, 30), (-7, -8, 9))
    in_ras = markups(tmp_path, coordinateSystem="RAS", coordinateUnits=["mm"] * 3)
    assert read_points(in_ras) == ((-10, -20.5, 30), (7, 8, 9))


@pytest.mark.parametrize(("system", "sign"), [("LPS", -1), ("1", -1), ("RAS", 1), ("0", 1)])
def test_lists_of_fiducials_are_read_in_ras(tmp_path: Path, system: str, sign: int) -> None:
    path = fiducials(tmp_path, "# Markups fiducial file version = 4.11", f"# CoordinateSystem = {system}", COLUMNS)
    assert read_points(path) == ((sign, -2 * sign, 3.5), (4 * sign, 5 * sign, 6))


def refused(path: Path) -> str:
    with pytest.raises(MedDLError) as refusal:
        read_points(path)
    assert refusal.value.code is Code.FILE_UNREADABLE
    return refusal.value.message


def test_where_the_coordinates_are_not_stated_nothing_is_guessed(tmp_path: Path) -> None:
    assert "coordinate system" in refused(markups(tmp_path, coordinateSystem=None))
    assert "coordinate system" in refused(markups(tmp_path, coordinateSystem="IJK"))
    assert "coordinate system" in refused(fiducials(tmp_path, COLUMNS))
    assert "coordinate system" in refused(fiducials(tmp_path, "# CoordinateSystem = 2", COLUMNS))
    assert "'um'" in refused(markups(tmp_path, coordinateUnits="um"))
    assert "columns" in refused(fiducials(tmp_path, "# CoordinateSystem = LPS", "# columns = label,x,y,z"))


def test_what_holds_no_points_is_refused(tmp_path: Path) -> None:
    assert "'ROI'" in refused(markups(tmp_path, type="ROI"))
    assert "no point was placed" in refused(markups(tmp_path, controlPoints=[]))
    refused(markups(tmp_path, controlPoints=[{"position": [1, 2]}]))
    refused(markups(tmp_path, controlPoints=[{"position": [1, 2, float("inf")]}]))
    refused(markups(tmp_path, controlPoints=[{"position": None}]))
    refused(markups(tmp_path, controlPoints=[3]))
    for content in ("", "[]", "{", "[" * 100_000, '{"markups": 5}'):
        (tmp_path / "F.json").write_text(content)
        refused(tmp_path / "F.json")
    (tmp_path / "F.json").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path / "F.json")
    with pytest.raises(MedDLError) as refusal:
        read_points(tmp_path / "absent.fcsv")
    assert refusal.value.code is Code.FILE_NOT_FOUND
