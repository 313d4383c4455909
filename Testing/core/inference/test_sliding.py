"""The sliding window against a computation that needs none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.slabs import joined
from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Predictor, gaussian, predict, window_starts
from MedDLCore.spec import Inference


def run(
    array: np.ndarray, networks: Any, inference: Inference, outputs: int = 1, on_progress: Any = None
) -> np.ndarray:
    networks = networks if isinstance(networks, list) else [networks]
    predictor = Predictor(networks, outputs, "cpu", inference.mirror_axes)
    return joined(predict(array, predictor, inference, on_progress))


class PatchPosition(nn.Module):
    """Returns for each voxel its place within the patch, so that the weighting can be recomputed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        d0, d1, d2 = x.shape[2:]
        ramp = torch.arange(d0 * d1 * d2, dtype=torch.float32).reshape(1, 1, d0, d1, d2)
        return ramp.expand(x.shape[0], 1, -1, -1, -1)


@pytest.mark.parametrize(
    "inference",
    [
        Inference(patch=(16, 64, 20)),
        Inference(patch=(16, 16, 20), overlap=0.3, batch=3),
        Inference(patch=(16, 16, 20), overlap=0.0, weighting="constant"),
        Inference(patch=(50, 37, 61)),
        Inference(patch=(64, 64, 64), padding="edge"),
        Inference(divisor=8, padding="reflect"),
        Inference(),
        Inference(patch=(20, 20, 20), mirror_axes=(0, 2)),
        Inference(patch=(1, 1, 61)),
    ],
)
def test_a_pointwise_network_gives_the_same_with_any_window(inference: Inference) -> None:
    array = np.random.default_rng(0).normal(size=(2, 50, 37, 61)).astype(np.float32)
    network = nn.Conv3d(2, 3, 1)
    with torch.inference_mode():
        expected = network(torch.from_numpy(array)[None])[0].numpy()
    assert np.abs(run(array, network, inference, outputs=3) - expected).max() < 1e-5


def test_overlapping_predictions_are_averaged_with_the_gaussian() -> None:
    inference = Inference(patch=(6, 4, 5), overlap=0.5)
    shape, patch = (13, 9, 7), inference.patch
    total, weight = np.zeros(shape), np.zeros(shape)
    values = np.arange(6 * 4 * 5).reshape(patch)
    weights = gaussian(patch, inference.sigma).astype(np.float64)
    for a in window_starts(13, 6, 0.5):
        for b in window_starts(9, 4, 0.5):
            for c in window_starts(7, 5, 0.5):
                at = np.s_[a : a + 6, b : b + 4, c : c + 5]
                total[at] += values * weights
                weight[at] += weights
    found = run(np.zeros((1, *shape), np.float32), PatchPosition(), inference)
    assert np.abs(found[0] - total / weight).max() < 1e-3


def test_windows_cover_every_voxel_evenly_and_never_leave_the_array() -> None:
    for size in range(8, 70):
        for overlap in (0.0, 0.25, 0.5, 0.9):
            starts = window_starts(size, 8, overlap)
            assert starts[0] == 0
            assert starts[-1] == size - 8
            steps = np.diff(starts)
            assert (steps >= 1).all()
            assert (steps <= np.ceil(8 * (1 - overlap) + 1e-9)).all()


def test_the_gaussian_is_nnunets() -> None:
    """One at the centre, sigma an eighth of the patch, separable, positive in the farthest corner."""
    weights = gaussian((33, 17, 9), 1 / 8)
    assert weights.max() == weights[16, 8, 4] == 1
    assert weights[16, 8, 8] == pytest.approx(np.exp(-0.5 * (4 / (9 / 8)) ** 2), rel=1e-5)
    assert weights.min() > 0


def test_an_ensemble_is_the_mean_of_its_networks() -> None:
    array = np.ones((1, 8, 8, 8), np.float32)
    two = [nn.Conv3d(1, 1, 1), nn.Conv3d(1, 1, 1)]
    singles = [run(array, network, Inference()) for network in two]
    assert np.allclose(run(array, two, Inference()), (singles[0] + singles[1]) / 2)


def test_mirroring_averages_over_all_flips_of_the_axes() -> None:
    array = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype(np.float32)
    network = nn.Conv3d(1, 1, 3, padding=1)
    expected = np.zeros((8, 8, 8), np.float32)
    with torch.inference_mode():
        for axes in ((), (1,), (3,), (1, 3)):
            flipped = torch.from_numpy(np.flip(array, axes).copy())
            expected += np.flip(network(flipped[None])[0].numpy(), axes)[0]
    assert np.abs(run(array, network, Inference(mirror_axes=(0, 2)))[0] - expected / 4).max() < 1e-5


def test_progress_counts_every_forward_pass_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    inference = Inference(patch=(8, 8, 8), batch=2, mirror_axes=(1,))
    run(np.zeros((1, 16, 16, 16), np.float32), nn.Conv3d(1, 1, 1), inference, on_progress=lambda *t: told.append(t))
    assert told[-1] == (54, 54)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_the_progress_raises_ends_the_run_between_two_patches() -> None:
    calls = []

    class Counting(nn.Conv3d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return super().forward(x)

    def cancel(done: int, of: int) -> None:
        raise MedDLError(Code.CANCELLED, "cancelled")

    with pytest.raises(MedDLError) as stop:
        run(np.zeros((1, 32, 32, 32), np.float32), Counting(1, 1, 1), Inference(patch=(8, 8, 8)), on_progress=cancel)
    assert stop.value.code is Code.CANCELLED
    assert len(calls) == 1


def test_values_that_are_not_numbers_are_never_a_result() -> None:
    array = np.zeros((1, 8, 8, 8), np.float32)
    network = nn.Conv3d(1, 1, 1)
    with torch.no_grad():
        network.weight.fill_(float("nan"))
    with pytest.raises(MedDLError) as refusal:
        run(array, network, Inference())
    assert refusal.value.code is Code.NETWORK_NONFINITE


@pytest.mark.parametrize(
    ("network", "outputs"),
    [(nn.Conv3d(1, 1, 3), 1), (nn.Conv3d(1, 1, 1), 2), (nn.Sequential(nn.Flatten()), 1)],
    ids=["another size", "too few channels", "no volume"],
)
def test_a_network_that_returns_something_else_is_refused(network: nn.Module, outputs: int) -> None:
    with pytest.raises(MedDLError) as refusal:
        run(np.zeros((1, 8, 8, 8), np.float32), network, Inference(), outputs)
    assert refusal.value.code is Code.MODEL_INVALID


@pytest.mark.parametrize("patch", [(2, 2, 2), (64, 1, 3)])
def test_even_the_narrowest_gaussian_is_a_number(patch: tuple[int, int, int]) -> None:
    """All weights of a patch with an even edge were 0 before they were divided by the largest: 0 / 0."""
    weights = gaussian(patch, 1e-4)
    assert weights.max() == 1
    assert weights.min() > 0


def test_a_whole_scan_in_one_pass_has_progress_by_layer_and_can_be_cancelled_between_two() -> None:
    network, other = (nn.Sequential(*(nn.Conv3d(1, 1, 1) for _ in range(5))) for _ in range(2))
    array = np.zeros((1, 8, 8, 8), np.float32)
    told: list[tuple[int, int]] = []
    run(array, [network, other], Inference(mirror_axes=(0,)), on_progress=lambda *t: told.append(t))
    assert told == [(n, 20) for n in range(1, 21)]

    def cancel(done: int, of: int) -> None:
        told.append((done, of))
        raise MedDLError(Code.CANCELLED, "cancelled")

    told.clear()
    with pytest.raises(MedDLError) as stop:
        run(array, network, Inference(), on_progress=cancel)
    assert stop.value.code is Code.CANCELLED
    assert told == [(1, 5)]
    run(array, network, Inference(), on_progress=None)
    assert told == [(1, 5)]
