"""The table of segments against numpy, label by label."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.writers.phantoms import KIDNEY, LABELS, LIVER, ball, three_structures, turned
from MedDLCore.volume import Geometry, Label, LabelMap, Volume
from MedDLCore.writers import SegmentStatistics, segment_statistics, write_statistics

GEOMETRY = Geometry.from_parts((12, 30, 26), (0.7, 0.8, 2.5), turned(25, 15), (-31.5, 12.25, -400.125))


def scan(offset: float = 0.0, dtype: type = np.float32) -> Volume:
    values = np.random.default_rng(1).normal(40, 30, GEOMETRY.shape) + offset
    return Volume(values.astype(dtype), GEOMETRY, "CT")


@pytest.mark.parametrize("volume", [scan(), scan(dtype=np.int16), scan(offset=1e6, dtype=np.float64)])
def test_each_row_is_what_numpy_says_of_the_mask(volume: Volume) -> None:
    label_map = three_structures(GEOMETRY)
    for row, label in zip(segment_statistics(label_map, volume), LABELS, strict=True):
        inside = volume.array[label_map.mask(label)].astype(np.float64)
        assert (row.name, row.value, row.voxels) == (label.name, label.value, inside.size)
        assert row.volume_mL == pytest.approx(inside.size * 0.7 * 0.8 * 2.5 / 1000)
        assert row.mean == pytest.approx(inside.mean(), rel=1e-12)
        assert row.standard_deviation == pytest.approx(inside.std(), rel=1e-9)
        assert (row.minimum, row.maximum) == (inside.min(), inside.max())


def test_a_ball_has_the_volume_of_a_ball() -> None:
    geometry = Geometry.from_parts((50, 60, 70), (0.9, 0.8, 1.1), turned(30, 20))
    mask = ball(geometry, geometry.index_to_ras([35, 30, 25]), 20.0)
    volume = Volume(np.zeros(geometry.shape, np.int16), geometry)
    (row,) = segment_statistics(LabelMap(mask.astype(np.uint8), geometry, (LIVER,)), volume)
    assert row.volume_mL == pytest.approx(4 / 3 * np.pi * 8, rel=0.01)
    assert (row.mean, row.standard_deviation, row.touches_edge) == (0.0, 0.0, False)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_a_structure_at_any_face_of_the_scan_is_marked(axis: int, end: int) -> None:
    array = np.zeros(GEOMETRY.shape, np.uint8)
    array[5:7, 10:20, 10:20] = 1
    inside = LabelMap(array, GEOMETRY, (LIVER,))
    assert not segment_statistics(inside, scan())[0].touches_edge
    face = [5, 5, 5]
    face[axis] = end
    cut = array.copy()
    cut[tuple(face)] = 1
    assert segment_statistics(replace(inside, array=cut), scan())[0].touches_edge


def test_an_empty_segment_has_a_row_without_values() -> None:
    array = np.full(GEOMETRY.shape, LIVER.value, np.uint8)
    rows = segment_statistics(LabelMap(array, GEOMETRY, (LIVER, KIDNEY)), scan())
    assert rows[1] == SegmentStatistics("left kidney", 5, 0, 0.0, None, None, None, None, False)


def test_layers_are_measured_each_on_their_own_and_the_first_channel_counts() -> None:
    first = three_structures(GEOMETRY)
    second = np.zeros_like(first.array)
    second[3:9, 5:25, 5:20] = 1
    core = Label(1, "core", (1, 2, 3), layer=1)
    label_map = LabelMap(np.stack([first.array, second]), GEOMETRY, (*LABELS, core))
    one = scan()
    two = Volume(np.stack([one.array, one.array * 0]), GEOMETRY)
    rows = segment_statistics(label_map, two)
    assert rows[:3] == segment_statistics(first, one)
    assert rows[3].mean == pytest.approx(one.array[second == 1].astype(np.float64).mean())


def test_another_grid_is_a_mistake_of_the_caller() -> None:
    other = Volume(np.zeros((3, 3, 3)), Geometry.from_parts((3, 3, 3), (1, 1, 1)))
    with pytest.raises(ValueError, match="grid"):
        segment_statistics(three_structures(GEOMETRY), other)


def test_the_table_is_plain_csv_with_stable_columns(tmp_path: Path) -> None:
    rows = [
        SegmentStatistics('liver, "left" lobe', 1, 10, 1234.5, -3.25, 2.0, -10.0, 4.0, True),
        SegmentStatistics("肝臓", 300, 0, 0.0, None, None, None, None, False),
    ]
    write_statistics(rows, tmp_path / "table.csv")
    data = (tmp_path / "table.csv").read_bytes()
    assert data.decode("utf-8").split("\r\n") == [
        "name,value,voxels,volume_mL,mean,standard_deviation,minimum,maximum,touches_edge",
        '"liver, ""left"" lobe",1,10,1234.5,-3.25,2,-10,4,yes',
        "肝臓,300,0,0,,,,,no",
        "",
    ]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_name_can_become_a_formula(name: str, tmp_path: Path) -> None:
    write_statistics([SegmentStatistics(name, 1, 0, 0.0, None, None, None, None, False)], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        (_, row) = csv.reader(file)
    assert row[0] == f"'{name}"
