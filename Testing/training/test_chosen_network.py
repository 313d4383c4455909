"""A network that a person chooses by its name takes the planned one's place, depth and width."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.trainings import data_in_memory, tiny_plan
from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Inference
from MedDLTraining.check import check
from MedDLTraining.loop.probe import demand
from MedDLTraining.plan import NAMED, Budget, Plan, with_network
from MedDLTraining.plan.architecture import architecture_for
from MedDLTraining.training import plan_training

BUDGET = Budget(0.1, 4 * 10**9)
SHAPES = {"cubic": ((16, 16, 16), (1.0, 1.0, 1.0)), "thick slices": ((8, 32, 32), (5.0, 1.0, 1.0))}


def planned(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Plan:
    plan, architecture = tiny_plan(data_in_memory(2)), architecture_for(shape, spacing)
    network = architecture.network(4, 1, len(plan.labels) + 1)
    return replace(plan, network=network, inference=Inference(patch=architecture.patch), deep_supervision=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMED)
def test_every_name_gives_a_network_for_the_planned_patch(name: str, shape: str) -> None:
    before = planned(*SHAPES[shape])
    plan = with_network(before, name, before.patch, BUDGET, 1)
    assert plan.network.name == name and plan.patch == before.patch and plan.deep_supervision == 0
    memory, operations = demand(plan)  # it refuses outputs that are not those of the labels
    assert memory < BUDGET.memory and operations > 0


def test_a_network_that_does_not_fit_the_memory_is_refused() -> None:
    before = planned(*SHAPES["cubic"])
    with pytest.raises(MedDLError) as refused:
        with_network(before, "UNet", before.patch, replace(BUDGET, memory=10**6), 1)
    assert refused.value.code is Code.NO_MEMORY


def test_a_name_that_is_not_offered_and_one_beside_a_start_are_refused() -> None:
    data_set = data_in_memory(3)
    facts = check(data_set).facts
    for start, name in ((None, "ResNet"), ("phantom", "UNet")):
        with pytest.raises(MedDLError) as refused:
            plan_training(facts, data_set, BUDGET, "x", start, network=name)
        assert refused.value.code is Code.PLAN_INVALID
