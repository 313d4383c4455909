"""How sure a model is, measured in a real worker: the map and the figures that there are without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fixtures.balls import ball
from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import open_model
from MedDLCore.pipeline import load
from MedDLCore.spec import Crops
from MedDLCore.uncertainty import least_sure, measure
from MedDLCore.volume import Geometry, Volume
from MedDLCore.worker import Event, Job, Worker, give_volume, take_array

PLACE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), origin=(-20, 10, 5))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return threshold_package(tmp_path_factory.mktemp("model") / "threshold").folder


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(log=tmp_path_factory.mktemp("log") / "worker.log") as running:
        yield running


def scan() -> Volume:
    return ball(PLACE, (5, 30, 15), 8)


def job(worker: Worker, model: Path, **changes: object) -> Job:
    scans = (give_volume(scan(), worker.folder),)
    return Job(str(model), scans, device="cpu", threads=1, backend="torch", **changes)  # type: ignore[arg-type]


def files(worker: Worker) -> set[str]:
    return {path.name for path in worker.folder.iterdir()}


def test_map_and_figures_are_those_without_the_worker(worker: Worker, model: Path) -> None:
    stages: list[str] = []
    asked = job(worker, model)
    told = worker.run(
        "uncertainty", asked, lambda event: stages.append(event.data["stage"]) if event.kind == "progress" else None
    )
    its = measure([scan()], load(open_model(str(model)), "cpu", 1, "torch"), with_map=True)
    assert its.map is not None and its.map.max() > 0.05
    array = take_array(told["array"], worker.folder)
    assert array.dtype == np.float32 and np.array_equal(array, its.map)
    for name in ("way", "disagreement", "entropy", "counted", "found"):
        assert told[name] == getattr(its, name)
    assert tuple(told["place"]) == least_sure(its.map, PLACE)
    assert list(dict.fromkeys(stages)) == ["load", "prepare", "network", "finish", "write"]


def test_a_cancel_leaves_nothing_and_the_worker_warm(worker: Worker, model: Path) -> None:
    pid, asked = worker.conversation.pid, job(worker, model)
    before = files(worker)

    def stop(event: Event) -> None:
        if event.kind == "progress" and event.data["stage"] == "network":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.run("uncertainty", asked, stop)
    assert files(worker) == before and worker.conversation.pid == pid
    assert worker.run("uncertainty", asked)["disagreement"] > 0


def test_structures_and_region_of_a_job_do_not_count(worker: Worker, model: Path) -> None:
    """Figures of different scans are compared: they are of whole scans."""
    part = job(worker, model, region=(-20, 10, 5, 0, 20, 15), crop_body=True)
    assert worker.run("uncertainty", part)["counted"] == worker.run("uncertainty", job(worker, model))["counted"]


def test_of_figures_alone_no_map_is_made(worker: Worker, model: Path) -> None:
    whole = worker.run("uncertainty", job(worker, model))
    asked = job(worker, model, figures_only=True)
    before = files(worker)
    told = worker.run("uncertainty", asked)
    assert files(worker) == before and {"array", "place"} == set(whole) - set(told)
    assert all(whole[name] == value for name, value in told.items())


def test_a_model_of_crops_is_refused_a_whole_scan_in_words_that_help(
    worker: Worker, model: Path, tmp_path: Path
) -> None:
    needs = threshold_package(tmp_path / "crops", crops=Crops((9.0, 9.0, 9.0), (9.0, 9.0, 9.0))).folder
    before = files(worker)
    with pytest.raises(MedDLError) as refused:
        worker.run("uncertainty", job(worker, needs))
    assert refused.value.code is Code.POINTS_MISMATCH and "Crop Volume" in refused.value.hint
    assert len(files(worker)) == len(before) + 1, "the scan alone"
