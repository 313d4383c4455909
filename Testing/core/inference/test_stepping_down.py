"""Out of memory: the run goes on with less, the result stays the same, and the person is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.slabs import joined
from MedDLCore import out_of_memory
from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Predictor, predict, sliding
from MedDLCore.inference.devices import choose_device
from MedDLCore.out_of_memory import is_out_of_memory
from MedDLCore.spec import Inference

INFERENCE = Inference(patch=(8, 8, 8), batch=4)


class Greedy(nn.Module):
    """A network whose device holds only so many patches at a time, until it is moved to the CPU."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.layer = nn.Conv3d(1, 2, 3, padding=1)
        self.room = room
        self.moved_to: list[str] = []

    def to(self, device: str) -> Greedy:  # type: ignore[override]
        self.moved_to.append(device)
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = self.moved_to[-1] != "cpu"
        if small and len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")
        return self.layer(x)


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 20, 20, 20)).astype(np.float32)


def result(array: np.ndarray, predictor: Predictor) -> np.ndarray:
    return joined(predict(array, predictor, INFERENCE))


@pytest.mark.parametrize(("room", "codes"), [(4, []), (1, ["one by one"]), (0, ["one by one", "on the CPU"])])
def test_a_device_that_is_too_small_gives_the_same_result(array: np.ndarray, room: int, codes: list[str]) -> None:
    network = Greedy(room)
    expected = result(array, Predictor([network.layer], 2))
    predictor = Predictor([network], 2, "cpu")
    network.moved_to.append("pretend")  # from here on the network believes to be on a small device
    predictor.device = "cpu:0"
    found = result(array, predictor)
    assert np.abs(found - expected).max() < 1e-6
    assert [notice.code for notice in predictor.notices] == [Code.STEPPED_DOWN] * len(codes)
    assert all(part in notice.message for part, notice in zip(codes, predictor.notices, strict=True))


def test_the_cpu_has_nothing_to_step_down_to(array: np.ndarray) -> None:
    network = Greedy(0)
    predictor = Predictor([network], 2, "cpu")
    network.moved_to.append("pretend")
    with pytest.raises(MedDLError) as refusal:
        result(array, predictor)
    assert refusal.value.code is Code.NO_MEMORY


def test_a_sum_that_does_not_fit_the_device_moves_to_the_machines_memory(
    array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = nn.Conv3d(1, 2, 3, padding=1)
    expected = result(array, Predictor([network], 2))
    original, failures = torch.zeros, iter([True])

    def fails_once(*arguments: Any, **named: Any) -> torch.Tensor:
        if "device" in named and next(failures, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(*arguments, **named)

    monkeypatch.setattr(sliding.torch, "zeros", fails_once)
    monkeypatch.setattr(out_of_memory, "ON_HOST", frozenset())
    predictor = Predictor([network], 2)
    assert np.abs(result(array, predictor) - expected).max() < 1e-6
    assert [notice.code for notice in predictor.notices] == [Code.STEPPED_DOWN]


def test_other_errors_are_not_mistaken_for_a_lack_of_memory(array: np.ndarray) -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        result(array, Predictor([Broken()], 2))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert is_out_of_memory(RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate"))
    assert is_out_of_memory(RuntimeError("Failed to allocate memory for image."))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(MemoryError())


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "cuda:x", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(MedDLError) as refusal:
        choose_device(name)
    assert refusal.value.code is Code.DEVICE_MISSING


def test_the_cpu_is_always_there_with_the_threads_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        device = choose_device("cpu", threads=1)
        assert (device.name, torch.get_num_threads()) == ("cpu", 1)
        assert device.free_memory > 0
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(1, 20, 20, 20), (1, 6, 20, 5)])
def test_what_was_prepared_on_a_device_is_padded_there(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    inference, predictor = Inference(patch=(8, 8, 8), padding_value=-2.0), Predictor([nn.Conv3d(1, 2, 3, padding=1)], 2)
    expected = joined(predict(image, predictor, inference))
    monkeypatch.setattr(sliding, "ON_HOST", frozenset())  # as if the machine's memory were a device's
    assert np.array_equal(joined(predict(torch.from_numpy(image), predictor, inference)), expected)
