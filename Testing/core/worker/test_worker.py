"""A real worker, on real voxels: the same result as without it, and nothing is left of it whatever happens."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from fixtures.balls import ball
from fixtures.packages import threshold_package
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import open_model
from MedDLCore.pipeline import load, segment
from MedDLCore.volume import Geometry, Volume
from MedDLCore.worker import Event, Job, Scan, Worker, give_volume, take_label_map, worker_command
from MedDLCore.worker import arrays as worker_arrays

PLACE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), origin=(-20, 10, 5))
LARGE = Geometry.from_parts((220, 220, 220), (1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return threshold_package(tmp_path_factory.mktemp("model") / "threshold").folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for the tests that leave it as it is."""
    with Worker(log=tmp_path_factory.mktemp("log") / "worker.log") as worker:
        yield worker


@pytest.fixture
def own() -> Iterator[Worker]:
    """One for a test that ends it."""
    with Worker() as worker:
        yield worker


def scan() -> Volume:
    return ball(PLACE, (5, 30, 15), 8)


def job(worker: Worker, model: Path, volume: Volume | None = None) -> Job:
    return Job(str(model), (give_volume(volume or scan(), worker.folder),), device="cpu", threads=1, backend="torch")


def long_job(worker: Worker, model: Path) -> Job:
    """Thousands of patches."""
    return job(worker, model, Volume(np.zeros(LARGE.shape, np.int16), LARGE, "CT"))


def at_the_network(act: Callable[[], None]) -> Callable[[Event], None]:
    """Acts once the network runs."""
    done = []

    def watch(event: Event) -> None:
        if event.kind == "progress" and event.data["stage"] == "network" and not done:
            done.append(True)
            act()

    return watch


def is_gone(pid: int, within: float = 5.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_the_result_is_that_of_the_pipeline(kept: Worker, model: Path) -> None:
    volume, events = scan(), list[Event]()
    told = kept.run("segment", job(kept, model, volume), events.append)
    found = take_label_map(told["label_map"], kept.folder)
    expected = segment([volume], load(open_model(str(model)), "cpu", 1, "torch"))
    assert np.array_equal(found.array, expected.label_map.array) and found.array.any()
    assert found.geometry.same_as(volume.geometry, 1e-9) and found.labels == expected.label_map.labels
    (row,) = told["statistics"]
    assert row["voxels"] == int(found.array.sum())
    assert told["manifest"]["model"]["sha256"] == open_model(str(model)).sha256
    fractions = [event.data["fraction"] for event in events if event.kind == "progress"]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert [event.data["code"] for event in events if event.kind == "warning"] == ["UNITS_DUBIOUS", "LABEL_UNCODED"]


def test_a_plan_comes_before_the_run(kept: Worker, model: Path) -> None:
    told = kept.run("plan", job(kept, model))
    assert told["fits"] and told["memory"] > 0 and told["patches"] > 1 and told["seconds"] is not None


def test_the_models_of_the_machine_are_told(kept: Worker) -> None:
    told = kept.run("models")["models"]
    (phantom,) = (model for model in told if model["name"] == "phantom")
    assert phantom["inputs"] == [{"name": "CT", "modality": "CT"}] and len(phantom["structures"]) == 7


def test_the_model_stays_warm_until_a_file_of_it_changes(kept: Worker, tmp_path: Path) -> None:
    model = threshold_package(tmp_path / "m").folder
    first = kept.run("load", Job(str(model)))
    assert kept.run("load", Job(str(model)))["sha256"] == first["sha256"]
    threshold_package(tmp_path / "other", name="other").folder.rename(tmp_path / "new")
    model.rename(tmp_path / "old")
    (tmp_path / "new").rename(model)
    assert kept.run("load", Job(str(model)))["spec"]["name"] == "other"


def test_a_cancel_leaves_the_worker_warm(kept: Worker, model: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    kept.run("load", Job(str(model)))
    pid = kept.conversation.pid
    with pytest.raises(KeyboardInterrupt):
        kept.run("segment", long_job(kept, model), at_the_network(stop))
    assert kept.run("status")["running"] is None
    assert kept.conversation.pid == pid


@pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP")
def test_a_worker_that_does_not_heed_a_cancel_is_ended_and_replaced(own: Worker, model: Path) -> None:
    given = long_job(own, model)
    first, folder = own.conversation.pid, own.folder
    assert first is not None

    def freeze_and_cancel() -> None:
        os.kill(first, signal.SIGSTOP)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own.run("segment", given, at_the_network(freeze_and_cancel))
    assert is_gone(first) and not folder.exists()
    assert own.run("segment", job(own, model))["statistics"][0]["voxels"] > 0
    assert own.conversation.pid != first


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_worker_that_the_system_kills_is_an_error_that_says_so(own: Worker, model: Path) -> None:
    given, folder, pid = long_job(own, model), own.folder, own.conversation.pid
    assert pid is not None
    with pytest.raises(MedDLError) as refused:
        own.run("segment", given, at_the_network(lambda: os.kill(pid, signal.SIGKILL)))
    assert refused.value.code is Code.NO_MEMORY and "killed" in refused.value.message
    assert not folder.exists()
    assert own.run("status")["running"] is None, "the next request starts another"


def test_a_worker_ends_with_the_program_beside_it(model: Path, tmp_path: Path) -> None:
    """Killed itself in the middle of a run, it cannot tell the worker; the end of its output does."""
    program = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parents[2])]!r}
import numpy as np
from MedDLCore.worker import Job, Worker, give_volume
from MedDLCore.volume import Geometry, Volume
worker = Worker()
place = Geometry.from_parts({LARGE.shape}, (1, 1, 1))
scan = give_volume(Volume(np.zeros(place.shape, np.int16), place, "CT"), worker.folder)
def tell(event):
    if event.kind == "progress" and event.data["stage"] == "network":
        print(worker.conversation.pid, worker.folder, flush=True)
worker.run("segment", Job({str(model)!r}, (scan,), threads=1, backend="torch"), tell)
"""
    beside = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert beside.stdout is not None
    pid, folder = beside.stdout.readline().split()
    beside.kill()
    beside.wait()
    assert is_gone(int(pid), within=6.0)
    assert not Path(folder).exists()


def test_an_interpreter_that_is_not_there_or_dies_is_lost(tmp_path: Path) -> None:
    for python in (tmp_path / "python", Path("/bin/false")):
        with Worker(python) as worker, pytest.raises(MedDLError) as refused:
            worker.run("status")
        assert refused.value.code is Code.WORKER_LOST


def test_what_a_killed_worker_left_is_swept_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Worker() as worker:
        left = worker.folder
        assert left.parent == tmp_path and (os.name == "nt" or left.stat().st_mode & 0o777 == 0o700)
    assert not left.exists()
    left.mkdir()
    (left / "voxels.npy").write_bytes(b"x")
    with Worker() as worker:
        assert worker.folder.is_dir() and not left.exists()


def test_a_library_that_prints_does_not_disturb() -> None:
    program = """
import os, sys
from MedDLCore.worker.serving import _own_channels
given, told = _own_channels()
print("printed"); os.write(1, b"written\\n"); os.system("echo by a child")
told.write(given.readline()); told.flush()
"""
    done = subprocess.run([sys.executable, "-c", program], input=b"the line\n", capture_output=True, check=True)
    assert done.stdout == b"the line\n"
    assert sorted(done.stderr.splitlines()) == [b"by a child", b"printed", b"written"]


def lines_of(*requests: Any) -> list[dict[str, Any]]:
    """What a worker answers to raw lines."""
    sent = b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in requests)
    with subprocess.Popen(worker_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(sent)
        process.stdin.flush()
        events = []
        wanted = len(requests)
        while wanted:
            event = json.loads(process.stdout.readline())
            events.append(event)
            wanted -= event["event"] in ("result", "error")
        process.stdin.close()
        assert process.wait(10) == 0
    return [event for event in events if event["event"] in ("result", "error")]


def test_what_is_no_request_is_refused_and_the_worker_goes_on(model: Path) -> None:
    array = {"model": str(model), "scans": [{"array": "../voxels.npy", "ijk_to_ras": np.eye(4).tolist()}]}
    answers = lines_of(
        b"nonsense\n",
        b"[]\n",
        {"request": "status"},
        {"request": "dance", "id": 1},
        {"request": "segment", "id": 2, "job": {"model": 5}},
        {"request": "segment", "id": 3, "job": {"model": str(model)}},
        {"request": "segment", "id": 4, "job": array},
        {"request": "segment", "id": 5, "job": {**array, "allow": ["EVERYTHING"]}},
        {"request": "status", "id": 6},
    )
    by_id = {answer["id"]: answer for answer in answers if answer["id"] is not None}
    assert {answer["code"] for answer in answers if answer["event"] == "error"} == {"REQUEST_INVALID"}
    assert len(answers) == 9 and by_id[6]["event"] == "result"


def test_a_line_of_another_shape_does_not_end_the_listening() -> None:
    """The thread that reads died of it: the worker answered no more, and outlived the program beside it."""
    answers = lines_of({"request": "cancel", "id": 1, "which": [1]}, {"request": ["x"], "id": 2})
    assert [answer["code"] for answer in answers] == ["REQUEST_INVALID"] * 2


@pytest.mark.parametrize("array", [np.zeros((3, 3)), np.zeros((2, 2, 2), "U3"), np.zeros((0, 2, 2))])
def test_an_array_that_is_no_volume_is_refused(kept: Worker, model: Path, array: np.ndarray[Any, Any]) -> None:
    np.save(kept.folder / "odd.npy", array)
    rows = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    with pytest.raises(MedDLError) as refused:
        kept.run("segment", Job(str(model), (Scan("odd.npy", rows),)))
    assert refused.value.code is Code.REQUEST_INVALID


@pytest.mark.parametrize(("broken", "ends"), [(10, "warning"), (10_000, "refusal")])
def test_voxels_that_are_no_numbers_are_replaced_or_refused(kept: Worker, model: Path, broken: int, ends: str) -> None:
    """A volume of a scene is judged as a file is: it was not, and NaN went through the network."""
    volume, events = scan(), list[Event]()
    array = volume.array.astype(np.float32)
    array.flat[:broken] = np.nan
    asked = job(kept, model, replace(volume, array=array))
    if ends == "refusal":
        with pytest.raises(MedDLError) as refused:
            kept.run("segment", asked)
        assert refused.value.code is Code.NONFINITE
    kept.run("segment", asked if ends == "warning" else replace(asked, allow=("NONFINITE",)), events.append)
    assert "NONFINITE" in [event.data["code"] for event in events if event.kind == "warning"]


def test_a_full_disk_is_named_when_voxels_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(worker_arrays.np, "save", full)
    with pytest.raises(MedDLError) as refused:
        give_volume(scan(), tmp_path)
    assert refused.value.code is Code.NO_SPACE


def test_a_refusal_of_the_pipeline_arrives_with_its_hint(kept: Worker, model: Path) -> None:
    with pytest.raises(MedDLError) as refused:
        kept.run("segment", job(kept, model, replace(scan(), modality="MR")))
    assert refused.value.code is Code.WRONG_MODALITY and refused.value.hint


def test_the_program_beside_needs_numpy_only() -> None:
    """Slicer's own Python has neither torch nor psutil, nor SimpleITK's newest."""
    program = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "psutil", "filelock", "SimpleITK", "pydicom", "monai", "click", "rich"}:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Missing())
import MedDLCore.worker
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_temporary_folders_of_workers_are_private_and_few() -> None:
    left = [path for path in Path(tempfile.gettempdir()).glob(".meddl-*") if not psutil.pid_exists(_pid(path))]
    with Worker() as worker:
        assert worker.folder.is_dir()
        assert not [path for path in left if path.exists()]


def _pid(path: Path) -> int:
    part = path.name.split("-")[2]
    return int(part) if part.isdigit() else os.getpid()
