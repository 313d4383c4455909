"""Which models stay loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.balls import ball
from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry
from MedDLCore.worker import Job, give_volume, tasks
from MedDLCore.worker.warm import Warm


def jobs(folder: Path) -> list[Job]:
    names = ("a", "b", "c")
    return [
        Job(str(threshold_package(folder / name, name=name).folder), device="cpu", threads=1, backend="torch")
        for name in names
    ]


def test_models_stay_within_the_budget_and_the_latest_always(tmp_path: Path) -> None:
    a, b, c = jobs(tmp_path)
    for budget, expected in ((0, ("c",)), (1 << 30, ("b", "a", "c"))):
        warm = Warm(budget)
        for job in (a, b, a, c):
            warm.model(job)
        assert warm.names == expected


def test_the_same_model_on_the_same_device_is_loaded_once(tmp_path: Path) -> None:
    a, _, _ = jobs(tmp_path)
    warm = Warm()
    assert warm.model(a) is warm.model(a)


def test_a_model_whose_files_are_gone_is_not_found(tmp_path: Path) -> None:
    a, _, _ = jobs(tmp_path)
    warm = Warm()
    warm.model(a)
    Path(a.model).rename(tmp_path / "moved")
    with pytest.raises(MedDLError) as refused:
        warm.model(a)
    assert refused.value.code is Code.MODEL_NOT_FOUND


def test_models_that_are_only_kept_give_way_to_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, _ = jobs(tmp_path)
    warm, runs, really = Warm(), list[tuple[str, ...]](), tasks.segment
    scan = give_volume(ball(Geometry.from_parts((20, 20, 20), (1, 1, 1)), (10, 10, 10), 5), tmp_path)
    warm.model(a)

    def tight(*arguments: Any) -> Any:
        runs.append(warm.names)
        if len(warm.names) > 1:
            raise MedDLError(Code.NO_MEMORY, "tight")
        return really(*arguments)

    monkeypatch.setattr(tasks, "segment", tight)
    job = Job(b.model, (scan,), device="cpu", threads=1, backend="torch")
    told = tasks.segment_job(job, warm, tmp_path, lambda *_: None, lambda _: None)
    assert runs == [("a", "b"), ("b",)] and told["statistics"][0]["voxels"] > 0
