"""Losses against values worked out by hand; learning rates at their ends; averages and optimisers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fixtures.trainings import data_in_memory, tiny_plan
from MedDLTraining.loop.losses import loss_function
from MedDLTraining.loop.optimising import Average, optimiser_of, rate_at
from MedDLTraining.plan import Loss, Optimiser, Schedule

KINDS = ("dice_ce", "dice_focal", "focal", "tversky")


def truth_of_three() -> Tensor:
    """``(1, 1, 4, 4, 4)``: background, 1 and 2."""
    truth = torch.zeros((1, 1, 4, 4, 4))
    truth[:, :, 1], truth[:, :, 2] = 1, 2
    return truth


def sure(truth: Tensor, margin: float = 20.0) -> Tensor:
    """Logits of a network that is sure, and right."""
    return margin * torch.cat([(truth == value).float() for value in range(3)], dim=1)


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_right_loses_nothing_and_who_is_wrong_more_than_who_is_undecided(kind: str) -> None:
    truth = truth_of_three()
    loss = loss_function(Loss(kind), overlapping=False)  # type: ignore[arg-type]
    right, undecided = loss([sure(truth)], truth), loss([torch.zeros((1, 3, 4, 4, 4))], truth)
    wrong = loss([sure((truth + 1) % 3)], truth)
    assert 0 <= right < 0.01 < undecided < wrong


@pytest.mark.parametrize("kind", KINDS)
def test_overlapping_labels_are_judged_each_on_its_own(kind: str) -> None:
    truth = torch.zeros((1, 2, 4, 4, 4))
    truth[:, 0, :3], truth[:, 1, 1:] = 1, 1
    loss = loss_function(Loss(kind), overlapping=True)  # type: ignore[arg-type]
    assert loss([40 * truth - 20], truth) < 0.01
    one_wrong = (40 * truth - 20) * torch.tensor([1.0, -1.0])[None, :, None, None, None]
    assert loss([one_wrong], truth) > 0.3


def test_dice_and_cross_entropy_have_the_value_of_their_definition() -> None:
    truth = truth_of_three()
    logits = torch.zeros((1, 3, 4, 4, 4))  # a third for each class
    entropy = math.log(3)
    dice = 2 * (16 / 3) / (16 + 64 / 3)  # of classes 1 and 2, 16 voxels each, of 64
    value = loss_function(Loss(overlap=2.0, pointwise=0.5), overlapping=False)([logits], truth)
    assert float(value) == pytest.approx(0.5 * entropy + 2 * (1 - dice), abs=1e-4)


def test_tversky_weighs_what_is_missed_and_what_is_too_much() -> None:
    truth = truth_of_three()
    too_little, too_much = truth.clone(), truth.clone()
    too_little[:, :, 1, :2] = 0
    too_much[:, :, 3, :2] = 1
    loss = loss_function(Loss("tversky", alpha=0.1, beta=0.9), overlapping=False)
    assert loss([sure(too_little)], truth) > 2 * loss([sure(too_much)], truth)


@pytest.mark.parametrize("overlapping", [False, True])
def test_overlap_losses_are_those_of_monai_over_the_batch(overlapping: bool) -> None:
    from monai.losses import DiceLoss, TverskyLoss

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((3, 4, 5, 6, 7), generator=generator)
    truth = torch.randint(
        0, 2 if overlapping else 4, (3, 4 if overlapping else 1, 5, 6, 7), generator=generator
    ).float()
    layout = {
        "include_background": overlapping,
        "to_onehot_y": not overlapping,
        "softmax": not overlapping,
        "sigmoid": overlapping,
        "batch": True,
    }
    dice = loss_function(Loss(pointwise=0.0), overlapping)([logits], truth)
    torch.testing.assert_close(dice, DiceLoss(**layout)(logits, truth))
    tversky = loss_function(Loss("tversky", alpha=0.2, beta=0.7), overlapping)([logits], truth)
    torch.testing.assert_close(tversky, TverskyLoss(alpha=0.2, beta=0.7, **layout)(logits, truth))


def test_coarser_outputs_count_half_as_much_each() -> None:
    truth = torch.zeros((1, 1, 4, 4, 4))
    truth[:, :, :2] = 1
    right = sure(truth)[:, :2]
    coarse_right = right[:, :, ::2, ::2, ::2]
    loss = loss_function(Loss("focal"), overlapping=False)
    wrong = float(loss([-coarse_right], truth[:, :, ::2, ::2, ::2]))
    both = float(loss([right, -coarse_right], truth))
    assert both == pytest.approx(wrong / 3, rel=1e-3)


def test_the_rate_rises_falls_and_ends_near_nothing() -> None:
    plan = tiny_plan(data_in_memory(1), iterations=10, epochs=10, optimiser=Optimiser(rate=0.2))
    poly = [rate_at(plan, n) for n in range(100)]
    assert poly[0] == 0.2 and poly[50] == pytest.approx(0.2 * 0.5**0.9) and 0 < poly[-1] < 0.004
    cosine = replace(plan, schedule=Schedule("cosine", warm_up=0.1))
    rates = [rate_at(cosine, n) for n in range(100)]
    assert rates[0] == pytest.approx(0.02) and max(rates) == rates[10] == 0.2
    assert rates[55] == pytest.approx(0.1) and rates[-1] < 1e-4
    assert {rate_at(replace(plan, schedule=Schedule("constant")), n) for n in (0, 50, 99)} == {0.2}


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_an_optimiser_finds_the_bottom_of_a_bowl_and_decay_pulls_weights_to_nothing(kind: str) -> None:
    layer = nn.Linear(2, 1, bias=False)
    optimiser = optimiser_of(layer, Optimiser(kind, 0.05, 0.5, 0.0))  # type: ignore[arg-type]
    for _ in range(200):
        optimiser.zero_grad()
        (layer.weight - 3).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(layer.weight.detach(), torch.full((1, 2), 3.0), atol=0.05, rtol=0)
    optimiser = optimiser_of(layer, Optimiser(kind, 0.05, 0.5, 0.5))  # type: ignore[arg-type]
    for _ in range(200):
        optimiser.zero_grad()
        (0.0 * layer.weight).sum().backward()
        optimiser.step()
    assert layer.weight.abs().max() < 1


def test_decoupled_decay_spares_biases_and_fixed_weights_are_left_out() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network[0].requires_grad_(False)
    groups = optimiser_of(network, Optimiser("adamw", 0.1, 0.9, 0.3)).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(1, 0.3), (1, 0.0)]


def test_an_average_follows_and_goes_on_where_it_was() -> None:
    layer = nn.Linear(1, 1)
    average = Average(layer, 0.9)
    with torch.no_grad():
        layer.weight += 1
    start = float(average.state["weight"])
    for _ in range(100):
        average.follow(layer)
    assert float(average.state["weight"]) == pytest.approx(start + 1, abs=1e-3)
    other = Average(nn.Linear(1, 1), 0.9)
    other.restore(average.to_save())
    assert other.to_save()["steps"] == 100
    torch.testing.assert_close(other.state["weight"], average.state["weight"])
