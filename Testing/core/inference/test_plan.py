"""What a plan foresees: the memory that a run takes, and the time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from MedDLCore.inference import Device, Predictor, peak_memory, speed
from MedDLCore.inference.memory import Forward, _LiveStorages
from MedDLCore.inference.running import running_memory
from MedDLCore.spec import Inference

CPU = Device("cpu", "CPU", 10**12)


def test_a_convolution_of_few_channels_is_planned_with_the_blocks_that_it_works_on() -> None:
    """Three classes of 300x300x250 voxels were planned with 0.9 GB and took 3."""
    voxels = 32**3 * 4
    network = nn.Sequential(nn.Conv3d(1, 5, 1), nn.Conv3d(5, 5, 1), nn.Conv3d(5, 3, 1)).eval()
    assert peak_memory(network, (1, 1, 32, 32, 32)).memory == (1 + 5 + 5) * voxels
    assert peak_memory(network, (1, 1, 32, 32, 32), reordered=True).memory == (1 + 5 + 16 + 5) * voxels
    wide = nn.Sequential(nn.Conv3d(1, 16, 1), nn.Conv3d(16, 20, 1)).eval()
    assert peak_memory(wide, (1, 1, 32, 32, 32), reordered=True).memory == (1 + 16 + 32 + 20) * voxels
    up = nn.ConvTranspose3d(16, 8, 2, stride=2).eval()
    assert peak_memory(up, (1, 16, 16, 16, 16), reordered=True).memory == 16 * voxels // 8 + 3 * 8 * voxels


def test_the_sum_of_a_sliding_window_is_planned_with_what_is_made_of_it() -> None:
    """A scan of 4 by 2 by 2 patches without overlap, 3 channels out: 12 bytes for each voxel, and 4 for its weight."""
    inference = Inference(patch=(8, 8, 8), overlap=0)
    forward = Forward(memory=100_000, operations=1, outputs=3)
    shape, patch = (32, 16, 16), 8**3 * 12
    window = 9 * 16 * 16 * (12 + 4)
    running = running_memory(forward, shape, shape, 1, 1, 1, inference)
    assert running == (100_000, window, 0, 0)
    assert running.peak(finishing=1000) == window + 100_000
    assert running.peak(finishing=200_000) == window + 200_000
    longer = running_memory(forward, (3200, 16, 16), (3200, 16, 16), 1, 1, 1, inference)
    assert longer == running, "it does not depend on the length of the scan"
    assert running_memory(forward._replace(memory=0), shape, shape, 1, 2, 1, inference).passing == 3 * patch
    alone = running_memory(forward, (3, 8, 8), (8, 8, 8), 2, 1, 1, inference)
    assert alone == (100_000, 9 * 8 * 8 * 16, 2 * 8**3 * 4, 0)


def test_the_mean_over_passes_holds_the_sum_a_pass_and_the_pass_turned_back() -> None:
    network, patch = nn.Conv3d(1, 3, 1).eval(), 8**3 * 4
    predictor = Predictor([network], 3, mirror_axes=(0, 1))
    image = torch.randn(1, 1, 8, 8, 8)
    with _LiveStorages(reordered=False) as live:
        logits = predictor(image)
    flips = [(), (2,), (3,), (2, 3)]
    with torch.inference_mode():
        wanted = sum(network(image.flip(axes)).flip(axes) for axes in flips) / 4
    assert torch.allclose(logits, wanted, atol=1e-6)
    assert live.peak <= 3 * 3 * patch + patch + 1000, "three predictions, and the input turned"


def test_a_network_that_returns_its_input_does_not_change_it() -> None:
    image = torch.randn(1, 2, 4, 4, 4)
    before = image.clone()
    logits = Predictor([nn.Identity(), nn.Identity()], 2)(image)
    assert torch.equal(image, before)
    assert torch.equal(logits, before)


def test_a_scan_in_one_piece_is_not_counted_twice() -> None:
    """On the host the network's input is the prepared array, or its padded copy; on a device it is one more."""
    voxels = 16**3 * 4
    forward = Forward(memory=10 * voxels, operations=1, outputs=3)
    running = running_memory(forward, (16, 16, 16), (16, 16, 16), 1, 1, 1, Inference())
    assert running.peak(0) == 10 * voxels and running.shared == voxels
    assert running.peak(8 * voxels) == 11 * voxels
    assert running_memory(forward, (16, 16, 15), (16, 16, 16), 1, 1, 1, Inference(divisor=8)).padded == voxels
    assert running_memory(forward, (16, 16, 16), (16, 16, 16), 1, 2, 1, Inference()).peak(0) == 13 * voxels


@pytest.mark.parametrize("name", ["UNet 8, 64, small", "SegResNet 30, 64, 1.5 mm, small"])
def test_a_run_takes_the_memory_that_its_plan_said(tmp_path: Path, name: str) -> None:
    """Of the whole run, in a process of its own; the other networks and scans are in the benchmark.

    Once in five runs: where the system takes idle pages back meanwhile, a run seems to take less than it does.
    """
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux says what a process took at its highest")
    from benchmarks import plan_memory as benchmark

    benchmark.write_model(benchmark.CASES[name], tmp_path / "model")
    ratios: list[float] = []
    while len(ratios) < 5 and not any(1 / 1.2 < ratio < 1.2 for ratio in ratios):
        seen = benchmark.run_child(name, tmp_path / "model", "seen", threads=1)
        ratios.append(seen["planned"] / seen["memory"])
    assert 1 / 1.2 < ratios[-1] < 1.2, ratios


class OnAClock(nn.Conv3d):
    """A network whose time is known: its first pass pays for a set-up, and small scans take longer than their share."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, set_up: float, per_voxel: float, slow_below: int = 0) -> None:
        super().__init__(1, 8, 3, padding=1)
        self.now, self.set_up, self.per_voxel, self.slow_below = 0.0, set_up, per_voxel, slow_below
        self.edges: list[int] = []
        monkeypatch.setattr(speed.time, "perf_counter", lambda: self.now)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type == "meta":
            return super().forward(x)
        slow = 6 if x.shape[2] < self.slow_below else 1
        self.now += (0 if self.edges else self.set_up) + x[0, 0].numel() * self.per_voxel * slow
        self.edges.append(x.shape[2])
        return x

    def seconds(self, patch: tuple[int, int, int]) -> float:
        operations = peak_memory(self, (1, 1, *patch)).operations
        found = speed.seconds_per_pass(self, 1, patch, operations, CPU)
        assert found is not None
        return found


def test_the_first_pass_of_all_does_not_count_in_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    network = OnAClock(monkeypatch, set_up=1.0, per_voxel=1e-7)
    assert network.seconds((96, 96, 96)) == pytest.approx(96**3 * 1e-7)


def test_the_time_is_not_taken_from_a_cube_that_is_slower_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cube of 64 voxels gave 49 seconds for a run of 11."""
    network = OnAClock(monkeypatch, set_up=0.5, per_voxel=2e-7, slow_below=96)
    assert network.seconds((300, 300, 250)) == pytest.approx(300 * 300 * 250 * 2e-7)
    assert network.edges[0] > 64


@pytest.mark.parametrize("per_voxel", [1e-9, 1e-7, 1e-6, 1e-5])
def test_planning_takes_a_few_seconds_or_one_pass_over_the_first_cube(
    monkeypatch: pytest.MonkeyPatch, per_voxel: float
) -> None:
    network = OnAClock(monkeypatch, set_up=0.5, per_voxel=per_voxel)
    assert network.seconds((512, 512, 512)) == pytest.approx(512**3 * per_voxel, rel=0.15)
    one_pass = 0.5 + network.edges[0] ** 3 * per_voxel
    assert network.now <= max(6.0, one_pass)
    assert len(network.edges) <= 12


def test_a_cube_that_would_fill_the_memory_is_not_timed() -> None:
    network = nn.Conv3d(1, 8, 3, padding=1)
    operations = peak_memory(network, (1, 1, 64, 64, 64)).operations
    small = Device("cpu", "CPU", 10_000_000)
    assert speed.seconds_per_pass(network, 1, (64, 64, 64), operations, small) is None
