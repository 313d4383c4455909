"""The worker puts a corrected case of the program beside into a training set."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fixtures.balls import ball
from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel
from MedDLCore.volume import Geometry, Label, LabelMap
from MedDLCore.worker import Collection, Worker, give_label_map, give_volume
from MedDLTraining.data import open_folder

PLACE = Geometry.from_parts((12, 20, 24), (1.0, 1.5, 2.0), np.diag([-1.0, -1.0, 1.0]), (20, 10, 5))
CENTRE = (-2.0, -4.0, 10.0)
CLICKS = (Click(CENTRE, "Ball"), Click(CENTRE, "Ball", positive=False))


def drawn() -> LabelMap:
    """A ball, over a shell around it, and something else."""
    array = np.zeros((2, *PLACE.shape), np.uint8)
    array[0, 3:6, 4:9, 5:12] = 3
    array[0, 0, 0, 0] = 5
    array[1, 2:7, 3:10, 4:13] = 9
    grey = (128, 128, 128)
    return LabelMap(array, PLACE, (Label(3, "Ball", grey), Label(5, "speck", grey), Label(9, "shell", grey, layer=1)))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """In its Python, torch cannot be imported: a training set needs none."""
    (tmp_path / "without" / "torch").mkdir(parents=True)
    (tmp_path / "without" / "torch" / "__init__.py").write_text("raise ModuleNotFoundError('No module named torch')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), *sys.path])}
    with Worker(sys.executable, environment) as worker:
        yield worker


def a_collection(folder: Path, into: Path, structures: tuple[str, ...] = (), value: int = 0) -> Collection:
    volume = ball(PLACE, CENTRE, 5)
    volume.array[0, 0, 0] += value
    scan, labels = give_volume(volume, folder), give_label_map(drawn(), folder)
    return Collection(str(into), (scan,), (Channel("image", "CT"),), labels, structures, CLICKS, {"name": "organs"})


def test_a_model_s_structures_go_in_and_nothing_else_does(worker: Worker, tmp_path: Path) -> None:
    wanted = ("ball", "shell", "other")
    told = worker.run("collect", a_collection(worker.folder, tmp_path / "set", wanted))
    assert (told["cases"], told["clicks"], told["replaced"], told["empty"]) == (1, 2, False, ["other"])
    data_set = open_folder(tmp_path / "set")
    assert {label.name for label in data_set.labels} == set(wanted) and data_set.unusable == ()
    truth = data_set.load(data_set.cases[0]).truth
    masks = {label.name: truth.mask(label) for label in truth.labels}
    assert np.array_equal(masks["ball"], drawn().array[0] == 3)
    assert np.array_equal(masks["shell"], drawn().array[1] == 9)
    assert sum(int(mask.sum()) for mask in masks.values()) == int((drawn().array > 0).sum()) - 1, "the speck stays out"
    record = json.loads((tmp_path / "set" / "clicks" / f"{told['name']}.json").read_text())
    assert record["model"] == {"name": "organs"} and record["clicks"] == 2


def test_without_a_model_all_that_was_drawn_goes_in(worker: Worker, tmp_path: Path) -> None:
    told = worker.run("collect", a_collection(worker.folder, tmp_path / "set"))
    assert told["empty"] == []
    assert {label.name for label in open_folder(tmp_path / "set").labels} == {"Ball", "shell", "speck"}
    again = worker.run("collect", a_collection(worker.folder, tmp_path / "set"))
    assert again["replaced"] and again["cases"] == 1
    with pytest.raises(MedDLError) as refused:
        worker.run("collect", a_collection(worker.folder, tmp_path / "set", ("ball",), value=1))
    assert refused.value.code is Code.DATA_INVALID
    with pytest.raises(MedDLError) as refused:
        worker.run("collect", a_collection(worker.folder, worker.folder))
    assert refused.value.code is Code.OUTPUT_EXISTS
