"""Two processes that train together come to what one comes to, and go on where another number of them stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
import torch

from fixtures.data_sets import clean_set
from fixtures.trainings import data_in_memory, staged_unet, tiny_plan
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLTraining.cases import PreparedCase, prepare_cases
from MedDLTraining.data import open_folder
from MedDLTraining.events import Control, Epoch, Step
from MedDLTraining.launching import MEETING
from MedDLTraining.loop.fitting import Fitted, fit
from MedDLTraining.loop.processes import Processes, own_device
from MedDLTraining.plan import Augmentation, Effect, Loss, Optimiser, Plan, write_plan

Cases = tuple[PreparedCase, ...]

ALWAYS = Augmentation(
    flips=(1,),
    elastic=Effect(1.0, 0.01, 0.04),
    rotation=Effect(0.5, -20, 20),
    noise=Effect(0.5, 0.0, 0.2),
    bias_field=Effect(0.5, 0.1, 0.3),
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    data_set = data_in_memory(5)
    return prepare_cases(data_set, tiny_plan(data_set).spec, tmp_path_factory.mktemp("cache"))


def plan(**changes: object) -> Plan:
    settings = {"batch": 4, "augmentation": ALWAYS, "optimiser": Optimiser("sgd", 1e-2, 0.9), "epochs": 2}
    return tiny_plan(data_in_memory(1), **{**settings, **changes})


def one_of_several(
    rank: int, count: int, meeting: Path, given: Plan, cases: Cases, folder: Path, stop: bool, to: Connection
) -> None:
    """What ``meddl train`` does in each process, without its reading and writing."""
    from MedDLTraining.loop.fitting import fit_along
    from MedDLTraining.loop.processes import joining

    torch.set_num_threads(1)
    os.environ.update({"RANK": str(rank), "WORLD_SIZE": str(count), MEETING: str(meeting), "GLOO_SOCKET_IFNAME": "lo"})
    control = Control()

    def watch(event: Step | Epoch) -> None:
        if stop and isinstance(event, Step) and event.epoch == 2:
            control.stop()

    with joining("cpu") as processes:
        if processes.rank:
            fit_along("cpu")
            return
        try:
            to.send(_plain(fit(given, cases[:3], cases[3:], folder, on_event=watch, control=control)))
        except MedDLError as error:
            to.send(error)


def _plain(fitted: Fitted) -> dict[str, object]:
    weights = {key: value.numpy() for key, value in fitted.weights.items()}
    return {**{name: getattr(fitted, name) for name in ("dice", "finished")}, "weights": weights,
            "history": [asdict(epoch) for epoch in fitted.history]}  # fmt: skip


def together(given: Plan, cases: Cases, folder: Path, count: int = 2, stop: bool = False) -> dict[str, object]:
    processes = multiprocessing.get_context("forkserver")  # it imports torch and MONAI once for all of them
    processes.set_forkserver_preload(["MedDLTraining.loop.fitting"])
    ours, theirs = processes.Pipe()
    meeting = folder.with_suffix(f".{time.monotonic_ns()}")
    arguments = [(rank, count, meeting, given, cases, folder, stop, theirs) for rank in range(count)]
    children = [processes.Process(target=one_of_several, args=each) for each in arguments]
    for child in children:
        child.start()
    theirs.close()
    result = ours.recv()
    for child in children:
        child.join()
    if isinstance(result, MedDLError):
        raise result
    assert [child.exitcode for child in children] == [0] * count
    return result


def alone(given: Plan, cases: Cases, folder: Path) -> dict[str, object]:
    torch.set_num_threads(1)
    return _plain(fit(given, cases[:3], cases[3:], folder))


def assert_alike(one: dict[str, object], other: dict[str, object], tolerance: float = 2e-5) -> None:
    first, second = (result["weights"] for result in (one, other))
    assert isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys()
    for key, value in first.items():
        assert abs(value - second[key]).max() < tolerance, key
    assert one["dice"] == pytest.approx(other["dice"], abs=2e-3)
    for a, b in zip(_epochs(one), _epochs(other), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
        assert a["dice"] == pytest.approx(b["dice"], abs=2e-3)


def _epochs(result: dict[str, object]) -> Sequence[dict[str, object]]:
    history = result["history"]
    assert isinstance(history, list)
    return history


@pytest.mark.parametrize(
    "changes",
    [
        {"network": staged_unet(4, stages=3), "deep_supervision": 1, "optimiser": Optimiser("sgd", 1e-2, average=0.9)},
        {"loss": Loss("tversky"), "optimiser": Optimiser("sgd", 1e-2, clip=0.05)},
    ],
    ids=["Dice and cross-entropy on two resolutions, with an average", "Tversky, clipped"],
)
def test_two_processes_come_to_the_weights_of_one(changes: dict[str, object], cases: Cases, tmp_path: Path) -> None:
    one = alone(plan(**changes), cases, tmp_path / "one")
    two = together(plan(**changes), cases, tmp_path / "two")
    assert_alike(one, two)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [
        f"epoch_00000{n}.{suffix}" for n in (1, 2) for suffix in ("json", "pt")
    ]


def test_a_training_goes_on_in_another_number_of_processes(cases: Cases, tmp_path: Path) -> None:
    given = plan(epochs=3)
    whole = alone(given, cases, tmp_path / "whole")
    stopped = together(given, cases, tmp_path / "parts", stop=True)
    assert not stopped["finished"] and len(_epochs(stopped)) == 1
    assert_alike(whole, together(given, cases, tmp_path / "parts", count=4))
    again = alone(given, cases, tmp_path / "parts")
    assert len(_epochs(again)) == 3


def test_a_batch_that_cannot_be_divided_is_refused(cases: Cases, tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refused:
        together(plan(batch=3), cases, tmp_path / "c")
    assert refused.value.code is Code.PLAN_INVALID and "multiple of 2" in refused.value.hint


def test_a_loss_that_is_no_number_in_one_process_ends_all_with_one_error(cases: Cases, tmp_path: Path) -> None:
    wild = replace(plan(iterations=30), loss=Loss(pointwise=1e30), optimiser=Optimiser("sgd", 99.0, clip=None))
    with pytest.raises(MedDLError) as refused:
        together(wild, cases, tmp_path / "c")
    assert refused.value.code is Code.NETWORK_NONFINITE


def test_each_has_a_part_of_the_batch_and_of_the_cases() -> None:
    several = [Processes(rank, 3) for rank in range(3)]
    assert [list(one.share(6)) for one in several] == [[0, 1], [2, 3], [4, 5]]
    assert [list(one.dealt(range(4))) for one in several] == [[0, 3], [1], [2]]


def test_each_takes_a_graphics_card_of_its_own_and_none_shares_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_device("cuda:1") == "cuda:1"
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert own_device("cuda") == "cuda:1" and own_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert own_device("auto") == "cuda:1"
    for wanted in ("cuda:1", "mps"):
        with pytest.raises(MedDLError) as refused:
            own_device(wanted)
        assert refused.value.code is Code.DEVICE_MISSING


def test_a_killed_process_ends_the_command_and_torchrun_goes_on_with_what_it_left(tmp_path: Path) -> None:
    folder, out = clean_set(tmp_path / "d", 4), tmp_path / "run"
    given = tiny_plan(open_folder(folder), epochs=20, iterations=1, optimiser=Optimiser("sgd", 1e-2))
    write_plan(given, tmp_path / "plan.json")
    train = ["-m", "MedDLCore.cli", "train", str(folder), "--out", str(out), "--json"]
    own = [*train, "--plan", str(tmp_path / "plan.json"), "--processes", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = subprocess.Popen([sys.executable, *own], env=environment, stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    epochs = (line for line in command.stdout if json.loads(line)["event"] == "epoch")
    next(epochs)
    (second,) = [child for child in _children(command.pid) if child.environ().get("RANK") == "1"]
    second.kill()
    events = [json.loads(line) for line in command.stdout]
    assert command.wait() == Exit.RESOURCES
    assert [event["code"] for event in events if event["event"] == "error"] == [Code.PROCESS_LOST]
    assert not _children(command.pid) and not (out / "model").exists()

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    rest = subprocess.run([*torchrun, *train, "--resume"], env=environment, capture_output=True, text=True)
    assert rest.returncode == 0, rest.stderr[-2000:]
    told = [json.loads(line) for line in rest.stdout.splitlines()]
    resumed = [event["epoch"] for event in told if event["event"] == "epoch"]
    assert resumed == list(range(resumed[0], 21)) and resumed[0] > 1
    assert [event["model"] for event in told if event["event"] == "result"] == [str(out / "model")]


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children() if psutil.pid_exists(pid) else []
