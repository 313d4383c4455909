"""F3: memory that runs out at any step of a prediction leaves the result as it is; other errors are not hidden."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from MedDLCore.errors import Code
from MedDLCore.inference import Predictor


class Pretended(torch.nn.Module):
    """A network on a pretended device: its tensors are on the CPU all the time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv3d(1, 2, 3, padding=1)
        self.device = "cpu"

    def to(self, device: str) -> Pretended:  # type: ignore[override]
        self.device = device
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class FailingAt(TorchDispatchMode):
    """Fails at one operation on the pretended device, or at every one from there on. On the CPU nothing fails."""

    def __init__(self, network: Pretended, number: int, for_good: bool, error: RuntimeError) -> None:
        super().__init__()
        self.network, self.number, self.for_good, self.error = network, number, for_good, error
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.network.device != "cpu" and not func.is_view:  # a view takes no memory
            self.count += 1
            if self.count == self.number or (self.for_good and self.count > self.number):
                raise self.error
        return func(*args, **(kwargs or {}))


@pytest.fixture
def pretended_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors stay on the CPU wherever they are sent."""
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **__: self)
    monkeypatch.setattr("MedDLCore.inference.predictor.release", lambda _: None)


@pytest.mark.parametrize("for_good", [False, True])
def test_memory_that_runs_out_at_any_step_changes_nothing(pretended_devices: None, for_good: bool) -> None:
    """F3: at every operation of a prediction, of two patches, two networks and two flips, once or from there on."""
    patches = torch.randn(2, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    networks = [Pretended(), Pretended()]
    expected = Predictor(networks, 2, "mps", (1,))(patches)
    for number in range(1, 1000):
        predictor = Predictor(networks, 2, "mps", (1,))
        with FailingAt(networks[0], number, for_good, torch.OutOfMemoryError("out of memory")) as failing:
            found = predictor(patches)
        if failing.count < number:
            break
        assert torch.allclose(found, expected, atol=1e-6)
        codes = [notice.code for notice in predictor.notices]
        assert codes == [Code.STEPPED_DOWN] * (2 if for_good else 1)
        assert predictor.device == ("cpu" if for_good else "mps")
        with (
            pytest.raises(RuntimeError, match="illegal memory access"),
            FailingAt(networks[0], number, False, RuntimeError("CUDA error: an illegal memory access was encountered")),
        ):
            Predictor(networks, 2, "mps", (1,))(patches)
    assert number > 15


def test_a_network_that_does_not_fit_the_device_stays_on_the_cpu(pretended_devices: None) -> None:
    class Large(Pretended):
        def to(self, device: str) -> Pretended:  # type: ignore[override]
            if device != "cpu":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().to(device)

    predictor = Predictor([Pretended(), Large()], 2, "mps")
    assert (predictor.device, [notice.code for notice in predictor.notices]) == ("cpu", [Code.STEPPED_DOWN])
    assert predictor(torch.ones(1, 1, 8, 8, 8)).shape == (1, 2, 8, 8, 8)


def test_what_mps_cannot_compute_the_cpu_does(pretended_devices: None) -> None:
    class Unusual(Pretended):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.device != "cpu":
                raise NotImplementedError("The operator 'aten::max_pool3d' is not implemented for the MPS device")
            return super().forward(x)

    predictor = Predictor([Unusual()], 2, "mps")
    patches = torch.ones(2, 1, 8, 8, 8)
    assert torch.equal(predictor(patches), Predictor([Unusual()], 2)(patches))
    assert "lacks an operation" in predictor.notices[0].message


def test_what_no_device_can_compute_is_not_hidden() -> None:
    class Abstract(Pretended):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise NotImplementedError

    with pytest.raises(NotImplementedError):
        Predictor([Abstract()], 2)(torch.ones(1, 1, 8, 8, 8))
