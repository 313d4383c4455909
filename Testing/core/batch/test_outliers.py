"""What a person is told to look at first, and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.balls import ball_mask
from fixtures.batches import JOB, a_database, batch
from MedDLCore.batch import Choice, Entry, State, write_reports
from MedDLCore.batch.centres import centre_columns, centres
from MedDLCore.batch.outliers import outliers
from MedDLCore.case import Beside
from MedDLCore.errors import Code
from MedDLCore.pictures import PICTURE
from MedDLCore.volume import Geometry, Label, LabelMap


def row(name: str, volume: float, r: float | None = 0.0, edge: bool = False) -> dict[str, Any]:
    voxels = round(volume * 100)
    return {
        "name": name, "value": 1, "part": "", "voxels": voxels, "volume_mL": volume, "mean": 50.0 if voxels else None,
        "standard_deviation": 1.0, "minimum": 0.0, "maximum": 99.0, "touches_edge": edge, "center_R_mm": r,
    }  # fmt: skip


def entry(scan: str, *rows: dict[str, Any]) -> Entry:
    return Entry(scan, "study", "", State.DONE, segments=rows)


def told(*entries: Entry) -> list[tuple[str, str]]:
    found = outliers(entries)
    return [(each.scan, each.segment) for scan in sorted(found) for each in found[scan]]


def test_left_and_right_that_are_swapped_are_told() -> None:
    """The R axis points to the patient's right."""
    right_way = entry("a", row("left kidney", 150, -60), row("right kidney", 150, 55))
    swapped = entry("b", row("Kidney (L)", 150, 60), row("Kidney (R)", 150, -55))
    absent = entry("c", row("left kidney", 150, 60), row("right kidney", 0, None))
    assert told(right_way, swapped, absent) == [("b", "Kidney (L)")]


@pytest.mark.parametrize(
    ("name", "volume", "edge", "odd"),
    [
        ("liver", 1500, False, False),
        ("liver", 8000, False, True),
        ("liver", 200, False, True),
        ("liver", 200, True, False),  # the scan cuts it
        ("right kidney", 20, False, True),
        ("liver tumor", 2, False, False),
        ("something", 1e6, False, False),
    ],
)
def test_a_volume_that_hardly_anybody_has_is_told(name: str, volume: float, edge: bool, odd: bool) -> None:
    assert bool(told(entry("a", row(name, volume, edge=edge)))) == odd


def test_a_volume_far_from_those_of_the_batch_is_told_and_so_is_a_structure_that_only_one_lacks() -> None:
    usual = [entry(f"{n}", row("thing", 95 + n), row("other", 10)) for n in range(8)]
    odd = entry("odd", row("thing", 300), row("other", 0, None))
    assert told(*usual, odd) == [("odd", "thing"), ("odd", "other")]
    assert told(*usual[:3], odd) == [], "three scans are no cohort"
    assert told(*usual, entry("cut", row("thing", 30, edge=True), row("other", 10))) == []


def test_centres_lie_where_the_balls_are() -> None:
    grid = Geometry.from_parts((20, 30, 40), (1.5, 1.2, 2.0), np.diag([-1.0, 1.0, 1.0]), np.array([20.0, -5.0, 3.0]))
    places = ((5.0, 10.0, 20.0), (-15.0, 20.0, 25.0))
    labels = (Label(1, "a", (1, 2, 3)), Label(700, "b", (4, 5, 6)), Label(9, "nowhere", (7, 8, 9)))
    array = np.zeros(grid.shape, np.uint16)
    for label, place in zip(labels, places, strict=False):
        array[ball_mask(grid, place, 6.0)] = label.value
    known = centres(LabelMap(array, grid, labels))
    for label, place in zip(labels, places, strict=False):
        assert known[0, label.value] == pytest.approx(place, abs=0.2)
    assert set(centre_columns(labels[2], known).values()) == {None}


def test_the_page_shows_every_case_with_its_picture_and_needs_nothing_else(tmp_path: Path) -> None:
    scans = a_database(tmp_path / "scans", 2).scans()
    picture: tuple[Beside, ...] = (PICTURE,)
    out = tmp_path / "out"
    entries = batch(scans, out, beside=picture)
    entries["x"] = Entry("series-x", "study", "", State.REFUSED, Code.FILE_TRUNCATED.value)
    entries["y"] = Entry("<script>", "study", "", State.DONE, segments=(row("<i>liver", 9000), row("liver", 9000)))
    write_reports(out, JOB, entries, [Choice(scan) for scan in scans])
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert not re.search(r'(src|href)=(?!"data:)|<script|<i>liver', page)
    assert page.index("&lt;script&gt;") < page.index(scans[0].key), "outliers come first"
    assert "FILE_TRUNCATED" in page
    assert b"CANARY" not in page.encode()
    (out / entries[scans[0].key].outputs[2]["path"]).write_bytes(b"no picture")
    write_reports(out, JOB, entries, [Choice(scan) for scan in scans], identify=True)
    page = (out / "report.html").read_text()
    assert "CANARY-ID" in page
