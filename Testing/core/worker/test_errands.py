"""What the worker does in the folder of models, asked as the panel asks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.own_code import own_code_bundle
from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore
from MedDLCore.worker import Errand, Worker
from MedDLCore.worker.errands import run_errand


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "models"))
    return ModelStore()


def do(kind: str, told: list[float] | None = None, cancelled: bool = False, **job: Any) -> dict[str, Any]:
    found = run_errand(kind, job, (told if told is not None else []).append, lambda: cancelled)
    return dict(json.loads(json.dumps(found)))  # it travels as JSON


def names(kind: str = "added") -> list[str]:
    return [model["name"] for model in do("models")["models"] if model["origin"] == kind]


def test_a_folder_is_added_listed_and_removed(store: ModelStore, tmp_path: Path) -> None:
    threshold_package(tmp_path / "elsewhere")
    assert do("add", model=str(tmp_path / "elsewhere")) == {"name": "threshold"}
    assert names() == ["threshold"]
    assert do("remove", model="threshold") == {"name": "threshold"}
    assert names() == [] and (tmp_path / "elsewhere").is_dir()


def test_nothing_is_downloaded_before_the_licence_is_accepted(store: ModelStore) -> None:
    with pytest.raises(MedDLError) as refused:
        do("get", model="brain-tissue-t1")
    assert refused.value.code is Code.LICENCE_NOT_ACCEPTED


def test_a_bundle_with_code_is_examined_trusted_listed_and_given_up(store: ModelStore, tmp_path: Path) -> None:
    bundle = own_code_bundle(tmp_path / "bundle")
    with pytest.raises(MedDLError) as refused:
        do("add", model=str(bundle))
    assert refused.value.code is Code.MODEL_UNTRUSTED
    found = do("examine", model=str(bundle))
    assert "scripts/own.py" in found["programs"] and found["reasons"] and found["size"] > 0
    (bundle / "scripts" / "own.py").write_text("another = 1\n")
    with pytest.raises(MedDLError, match="changed since they were shown"):
        do("trust", model=str(bundle), sha256=found["sha256"])
    assert names("trusted") == []
    do("trust", model=str(bundle), sha256=do("examine", model=str(bundle))["sha256"])
    assert names("trusted") == [str(bundle)]
    (bundle / "scripts" / "own.py").write_text("yet_another = 1\n")
    (listed,) = [model for model in do("models")["models"] if model["origin"] == "trusted"]
    assert "have changed since they were trusted" in listed["problem"]
    do("remove", model=str(bundle))
    assert names("trusted") == [] and bundle.is_dir()


def test_a_folder_that_is_not_there_and_a_wrong_job_are_refused(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refused:
        do("trust", model=str(tmp_path / "gone"))
    assert refused.value.code is Code.FILE_NOT_FOUND
    with pytest.raises(MedDLError) as refused:
        do("get", model=3)
    assert refused.value.code is Code.REQUEST_INVALID


@pytest.fixture
def worker_without_torch(store: ModelStore, tmp_path: Path) -> Iterator[Worker]:
    """In its Python, torch cannot be imported."""
    (tmp_path / "without" / "torch").mkdir(parents=True)
    (tmp_path / "without" / "torch" / "__init__.py").write_text("raise ModuleNotFoundError('No module named torch')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), *sys.path])}
    with Worker(sys.executable, environment) as worker:
        yield worker


def test_without_torch_models_are_listed_and_runs_are_refused(worker_without_torch: Worker, tmp_path: Path) -> None:
    told = worker_without_torch.run("models")["models"]
    assert any(model["origin"] == "shipped" for model in told)
    with pytest.raises(MedDLError, match=r"A library is missing: .*torch") as refused:
        worker_without_torch.run("plan")
    assert refused.value.code is Code.EXTRA_MISSING
    with pytest.raises(MedDLError) as refused:
        worker_without_torch.run("remove", Errand("nothing"))
    assert refused.value.code is Code.MODEL_NOT_FOUND
