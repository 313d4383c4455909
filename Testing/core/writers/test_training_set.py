"""A training set that grows: what ``meddl train`` reads of it, and what of a patient does not stand in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.balls import ball
from fixtures.models import BALL
from MedDLCore.atomic import temporary_name
from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel
from MedDLCore.volume import Geometry, Label, LabelMap, Source, Volume
from MedDLCore.writers import add_to_training_set
from MedDLTraining.data import open_folder

PLACE = Geometry.from_parts((12, 20, 24), (1.0, 1.5, 2.0), np.diag([-1.0, -1.0, 1.0]), (20, 10, 5))
CENTRE = (-2.0, -4.0, 10.0)
CT = (Channel("image", "CT"),)
OTHER = Label(7, "Other Thing", (1, 2, 3))


def scan(value: int = 100) -> Volume:
    volume = ball(PLACE, CENTRE, 5)
    source = Source("DICOM", (Path("Doe^Jane_1970.dcm"),), "1.2.3.4")
    return Volume(volume.array + np.int16(value), PLACE, "CT", source)


def labels(*them: Label, grid: Geometry = PLACE) -> LabelMap:
    array = np.zeros(grid.shape, np.uint8)
    array[3:6, 4:9, 5:12] = 1
    return LabelMap(array, grid, them or (BALL,))


def test_what_was_added_is_a_data_set_to_train_on(tmp_path: Path) -> None:
    clicks = [Click(CENTRE, "ball"), Click(CENTRE, "ball"), Click(CENTRE, "ball", positive=False)]
    model = {"name": "organs", "sha256": "0" * 64}
    one = add_to_training_set(tmp_path / "set", [scan()], labels(BALL, OTHER), CT, clicks, model)
    two = add_to_training_set(tmp_path / "set", [scan(3)], labels(OTHER, BALL), CT)
    assert (one.cases, one.clicks, one.replaced) == (1, 3, False) and (two.cases, two.clicks) == (2, 3)
    record = json.loads((tmp_path / "set" / "clicks" / f"{one.name}.json").read_text())
    assert record == {"clicks": 3, "by_structure": {"ball": {"negative": 1, "positive": 2}}, "model": model}
    data_set = open_folder(tmp_path / "set")
    assert data_set.unusable == () and [channel.modality for channel in data_set.channels] == ["CT"]
    assert {label.name for label in data_set.labels} == {"ball", "Other Thing"}
    by_name = {case.name: data_set.load(case) for case in data_set.cases}
    loaded = by_name[one.name]
    assert np.array_equal(loaded.volumes[0].array, scan().array) and loaded.volumes[0].modality == "CT"
    (label,) = (label for label in loaded.truth.labels if label.name == "ball")
    assert np.array_equal(loaded.truth.mask(label), labels().array > 0)


def test_a_scan_that_is_there_takes_its_own_place(tmp_path: Path) -> None:
    first = add_to_training_set(tmp_path / "set", [scan()], labels(), CT, [Click(CENTRE, "ball")])
    better = labels()
    better.array[8:10, 8:10, 8:10] = 1
    again = add_to_training_set(tmp_path / "set", [replace(scan(), source=Source())], better, CT)
    assert again.name == first.name and again.replaced and (again.cases, again.clicks) == (1, 0)
    data_set = open_folder(tmp_path / "set")
    assert data_set.load(data_set.cases[0]).truth.array.sum() == better.array.sum()


def test_a_segmentation_on_its_own_grid_and_several_channels_come_onto_that_of_the_first_scan(tmp_path: Path) -> None:
    part = PLACE.cropped((2, 3, 4), (8, 12, 20))
    drawn = LabelMap(labels().array[2:8, 3:12, 4:20], part, (BALL,))
    other = Geometry.from_parts((12, 20, 24), (2.0, 3.0, 4.0), np.diag([-1.0, -1.0, 1.0]), (20, 10, 5))
    second = Volume(np.full(other.shape, 5, np.int16), other, "MR")
    channels = (Channel("T1", "MR"), Channel("contrast", "MR"))
    add_to_training_set(tmp_path / "set", [replace(scan(), modality="MR"), second], drawn, channels)
    data_set = open_folder(tmp_path / "set")
    loaded = data_set.load(data_set.cases[0])
    assert np.array_equal(loaded.truth.array > 0, labels().array > 0)
    assert [channel.name for channel in data_set.channels] == ["MRI T1", "MRI contrast"]
    assert (loaded.volumes[1].array == 5).all() and loaded.volumes[1].geometry.same_as(PLACE)


def test_the_segmentation_of_another_scan_is_refused_and_not_kept_as_an_empty_one(tmp_path: Path) -> None:
    matrix = PLACE.ijk_to_ras.copy()
    matrix[:3, 3] += 500
    elsewhere = replace(labels(), geometry=Geometry(PLACE.shape, matrix))
    with pytest.raises(MedDLError, match="100%") as caught:
        add_to_training_set(tmp_path / "set", [scan()], elsewhere, CT)
    assert caught.value.code is Code.LABELS_APART and not (tmp_path / "set").exists()
    larger = PLACE.cropped((-2, -2, -2), [n + 2 for n in PLACE.shape])  # what lies beyond holds nothing
    around = LabelMap(np.pad(labels().array, 2), larger, (BALL,))
    assert add_to_training_set(tmp_path / "set", [scan()], around, CT).cases == 1


def test_nothing_of_a_patient_stands_in_it(tmp_path: Path) -> None:
    add_to_training_set(tmp_path / "set", [scan()], labels(), CT)
    for path in (tmp_path / "set").rglob("*"):
        assert "Doe" not in path.name and "1.2.3.4" not in path.name
        assert path.is_dir() or not {b"Doe", b"1970", b"1.2.3.4"} & set(path.read_bytes().split())
        assert path.is_dir() or b"Doe" not in path.read_bytes()


def test_other_structures_channels_or_folders_are_refused_and_cost_nothing(tmp_path: Path) -> None:
    add_to_training_set(tmp_path / "set", [scan()], labels(), CT)
    there = sorted(tmp_path.rglob("*"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dataset.json").write_text("{}")
    two = (Channel("image", "CT"), Channel("more", "CT"))
    for folder, drawn, channels, code in (
        ("set", labels(OTHER), CT, Code.DATA_INVALID),
        ("set", labels(BALL, OTHER), CT, Code.DATA_INVALID),
        ("set", labels(), (Channel("image", "MR"),), Code.CHANNELS_MISMATCH),
        ("set", labels(), two, Code.CHANNELS_MISMATCH),
        ("full", labels(), CT, Code.OUTPUT_EXISTS),
        ("other", labels(), CT, Code.OUTPUT_EXISTS),
    ):
        with pytest.raises(MedDLError) as caught:
            add_to_training_set(tmp_path / folder, [scan(9)], drawn, channels)
        assert caught.value.code is code
    assert [path for path in sorted(tmp_path.rglob("*")) if "set" in path.parts] == [
        p for p in there if "set" in p.parts
    ]


@pytest.mark.parametrize("name", ["background", "Background", "ignore", None])
def test_structures_that_no_set_can_have_begin_none(name: str | None, tmp_path: Path) -> None:
    """A segment called background took the place of what is nothing: the set could never be read again."""
    named = labels(replace(BALL, name=name or "")) if name else LabelMap(np.zeros(PLACE.shape, np.uint8), PLACE, ())
    with pytest.raises(MedDLError) as caught:
        add_to_training_set(tmp_path / "set", [scan()], named, CT)
    assert caught.value.code is Code.DATA_INVALID and not (tmp_path / "set").exists()


def test_what_a_killed_process_left_unfinished_goes_with_the_next_case(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    name = temporary_name(tmp_path).name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    left = tmp_path / "set" / "imagesTr" / name
    add_to_training_set(tmp_path / "set", [scan()], labels(), CT)
    left.mkdir()
    add_to_training_set(tmp_path / "set", [scan(3)], labels(), CT)
    assert not left.exists()
