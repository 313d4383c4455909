"""How sure a model is, on networks whose disagreement is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.listening import listening
from fixtures.models import BALL, model, spec, threshold_network
from MedDLCore.admission import Options, check_memory
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.inference import Plan
from MedDLCore.inference.disagreeing import Disagreeing, best_way, entropy
from MedDLCore.pipeline import segment
from MedDLCore.spec import Crops, Grid, Inference, Output
from MedDLCore.uncertainty import measure
from MedDLCore.volume import Geometry, Label, Volume

TURNED = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
GRID = Geometry.from_parts((30, 24, 20), (1.0, 1.5, 2.0), TURNED, (5, 6, 7))
STEEP = 100.0


def scan() -> Volume:
    """300 in a block of 6 x 6 x 6, 200 in a layer of 2 around it, 0 elsewhere."""
    array = np.zeros(GRID.shape, np.int16)
    array[8:18, 6:16, 5:15] = 200
    array[10:16, 8:14, 7:13] = 300
    return Volume(array, GRID, "CT")


def finds_above(*thresholds: float) -> list[nn.Module]:
    return [threshold_network(threshold, weight=STEEP) for threshold in thresholds]


def test_entropies_are_shannons() -> None:
    halves, certain = torch.full((1, 2, 1), 0.5), torch.tensor([0.0, 1.0]).view(1, 2, 1)
    assert entropy(halves, True).item() == pytest.approx(math.log(2))
    assert entropy(halves, False).item() == pytest.approx(2 * math.log(2))
    assert entropy(certain, True).item() == entropy(certain, False).item() == 0


def test_an_ensemble_disagrees_by_a_bit_where_half_of_it_is_sure_of_something_else() -> None:
    volume, halves = scan(), model(finds_above(100, 250), spec())
    found = measure([volume], halves, with_map=True)
    assert found.way == "ensemble"
    expected = np.where(volume.array == 200, math.log(2), 0)
    assert np.allclose(found.map, expected, atol=1e-5)
    assert found.disagreement == pytest.approx(math.log(2) * (1000 - 216) / 1000, rel=1e-5)
    assert found.entropy == pytest.approx(found.disagreement, rel=1e-5), "each of them is sure"
    assert found.counted == pytest.approx(1000 * 3 / 1000)


def test_three_that_agree_and_one_that_does_not_disagree_less_than_two_and_two() -> None:
    one, two = (measure([scan()], model(finds_above(*t), spec())) for t in ((100, 100, 100, 250), (100, 100, 250, 250)))
    lone = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert one.disagreement == pytest.approx(lone * 0.784, rel=1e-5) and one.disagreement < two.disagreement


def test_what_all_are_unsure_of_is_no_disagreement() -> None:
    undecided = threshold_network(0, weight=0.0)
    found = measure([scan()], model([undecided, undecided], spec()))
    assert found.disagreement == pytest.approx(0, abs=1e-6) and found.entropy == pytest.approx(math.log(2), rel=1e-6)


def test_structures_that_may_overlap_are_unsure_each_for_itself() -> None:
    def network(threshold: float) -> nn.Module:
        layer = nn.Conv3d(1, 2, 1)
        with torch.no_grad():
            layer.weight.fill_(STEEP)
            layer.bias.copy_(-STEEP * torch.tensor([threshold, 250.0]))  # type: ignore[union-attr]
        return layer.eval()

    labels = (BALL, Label(2, "core", (1, 1, 1)))
    both = model([network(100.0), network(250.0)], spec(labels=labels, output=Output("sigmoid")))
    found = measure([scan()], both, with_map=True)
    assert np.allclose(found.map, np.where(scan().array == 200, math.log(2), 0), atol=1e-3)


class Forgetful(nn.Module):
    """Half of the voxels are not seen while dropout drops."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.decide = nn.Dropout(0.5), threshold_network(100, weight=STEEP)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 1, ...)``."""
        return self.decide(self.drop(images))  # type: ignore[no-any-return]


def test_dropout_is_used_where_a_network_has_it_and_is_off_afterwards() -> None:
    volume, forgetful = scan(), model(Forgetful().eval(), spec())
    before = segment([volume], forgetful).label_map.array
    found, again = (measure([volume], forgetful, with_map=True) for _ in range(2))
    assert found.way == "dropout" and found.map is not None
    assert found.map[volume.array > 0].mean() > 0.5 and not found.map[volume.array == 0].any()
    assert found.disagreement == again.disagreement, "chance is the same each time"
    assert np.array_equal(segment([volume], forgetful).label_map.array, before)
    assert not any(part.training for part in forgetful.networks[0].modules())


def test_a_perturbed_network_disagrees_about_what_lies_near_its_threshold() -> None:
    assert best_way(finds_above(100)) == "perturbed"
    near, far = (measure([scan()], model(finds_above(t), spec())) for t in (195, 100))
    assert near.way == "perturbed" and near.disagreement > 5 * far.disagreement
    assert near.disagreement == measure([scan()], model(finds_above(195), spec())).disagreement


def test_a_network_that_prefers_a_side_disagrees_with_its_mirror_image() -> None:
    class Sided(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            side = torch.linspace(-9, 9, images.shape[2]).view(1, 1, -1, 1, 1).expand_as(images[:, :1])
            return torch.cat([-side, side], dim=1)

    plain = spec(inference=Inference(patch=(16, 16, 16)))
    mirrored = replace(plain, inference=replace(plain.inference, mirror_axes=(0,)))
    assert measure([scan()], model(Sided(), plain)).disagreement < 0.1
    assert measure([scan()], model(Sided(), mirrored)).disagreement > 0.3


def test_only_the_scan_is_perturbed_and_what_is_found_is_what_the_mean_finds() -> None:
    given: list[torch.Tensor] = []

    class Watched(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            given.append(images.clone())
            return torch.cat([-images[:, :1], images[:, :1]], dim=1)

    patches = torch.rand(1, 4, 6, 6, 6)
    result = Disagreeing([Watched()], "perturbed", 2, True, 1)(patches)
    assert len(given) == 5 and torch.equal(given[0], patches) and result.shape == (1, 3, 6, 6, 6)
    assert all(torch.equal(one[:, 1:], patches[:, 1:]) for one in given)
    assert all(not torch.equal(one[:, :1], patches[:, :1]) for one in given[1:])
    listens = measure([scan()], listening())
    assert listens.found == pytest.approx(1000 * 3 / 1000)


def test_the_map_lies_on_the_scan_whatever_grid_the_network_has() -> None:
    turned = spec(grid=Grid("LPS", spacing=(1.0, 1.0, 1.0)))
    found = measure([scan()], model(finds_above(100, 250), turned), with_map=True)
    assert found.map is not None and found.map.shape == GRID.shape
    assert found.map[9, 7, 6] == pytest.approx(math.log(2), abs=1e-3) and found.map[12, 10, 9] < 1e-3
    assert found.map[0].max() == 0


def test_what_cannot_be_measured_is_refused() -> None:
    whole = model(finds_above(100), spec())
    for given, way in ((whole, "ensemble"), (whole, "dropout"), (replace(whole, parts=(whole,)), None)):
        with pytest.raises(MedDLError) as caught:
            measure([scan()], given, way)  # type: ignore[arg-type]
        assert caught.value.code is Code.MODEL_INVALID
    with pytest.raises(MedDLError, match="the scan is larger") as caught:
        measure([scan()], model(finds_above(100), spec(crops=Crops((9.0, 9.0, 9.0), (9.0, 9.0, 9.0)))))
    assert caught.value.code is Code.POINTS_MISMATCH


def test_the_map_counts_in_the_memory_that_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large scan it takes gigabytes, and the run was begun without them."""
    volume, halves = scan(), model(finds_above(100, 250), spec())
    alone: list[int] = []

    def noted(foreseen: Plan, options: Options) -> tuple[Notice, ...]:
        alone.append(foreseen.memory)
        return check_memory(foreseen, options)

    with monkeypatch.context() as watching:
        watching.setattr("MedDLCore.pipeline.check_memory", noted)
        measure([volume], halves)
    free = {"bytes": alone[0] + 2 * 4 * 30 * 24 * 20}
    monkeypatch.setattr("MedDLCore.inference.free_memory", lambda: free["bytes"])
    assert measure([volume], halves, with_map=True).map is not None
    free["bytes"] -= 1
    with pytest.raises(MedDLError) as refusal:
        measure([volume], halves, with_map=True)
    assert refusal.value.code is Code.NO_MEMORY
    assert measure([volume], halves).map is None
