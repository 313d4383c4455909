"""Another network in place of the planned one: MONAI's, by its name, as deep and as wide as that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Network, Triple

from .plan import Plan

if TYPE_CHECKING:
    from .making import Budget

Arguments = dict[str, Any]


def with_network(plan: Plan, name: str, shape: Sequence[int], budget: Budget, held_out: int) -> Plan:
    """The plan with another network, and the iterations that fit the time with it.

    Args:
        plan: from ``make_plan``.
        name: one of ``NAMED``.
        shape: voxels of a usual case on the network's grid.
        budget: time and memory.
        held_out: cases for validation.

    Raises:
        MedDLError: PLAN_INVALID for another name; NO_MEMORY where it needs more than the budget has.
    """
    from ..loop.probe import demand
    from .making import within_budget

    if name not in NAMED:
        raise MedDLError(Code.PLAN_INVALID, f"There is no network {name} to plan with.", f"Take {', '.join(NAMED)}.")
    arguments = NAMED[name](plan.network.arguments, plan.patch)
    ports = {"spatial_dims": 3, "in_channels": len(plan.channels), "out_channels": plan.spec.output_channels}
    changed = replace(plan, network=Network(name, {**ports, **arguments}), batch=budget.batch, deep_supervision=0)
    memory, _ = demand(changed)
    if memory > budget.memory:
        raise MedDLError(
            Code.NO_MEMORY,
            f"A training of {name} needs {memory / 1e9:.1f} GB; {budget.memory / 1e9:.1f} GB may be taken.",
            "Give more memory, or leave the choice of the network to the plan.",
        )
    return within_budget(changed, shape, budget, held_out)


def _unet(planned: Mapping[str, Any], _: Triple) -> Arguments:
    """With residual units (Kerfoot et al. 2019)."""
    strides = [list(stride) for stride in planned["strides"][1:]]
    return {"channels": list(planned["features"]), "strides": strides, "num_res_units": 2}


def _dyn_unet(planned: Mapping[str, Any], _: Triple) -> Arguments:
    return {
        "kernel_size": [list(kernel) for kernel in planned["kernels"]],
        "strides": [list(stride) for stride in planned["strides"]],
        "upsample_kernel_size": [list(stride) for stride in planned["strides"][1:]],
        "filters": list(planned["features"]),
    }


def _seg_res_net(planned: Mapping[str, Any], patch: Triple) -> Arguments:
    """It halves every axis alike, and normalises features in groups of 8 (Myronenko 2018)."""
    stages = min(4, len(planned["features"]), _halvings(patch) + 1)
    return {
        "init_filters": 8 * max(1, planned["features"][0] // 8),
        "blocks_down": [1, 2, 2, 4][:stages],
        "blocks_up": [1] * (stages - 1),
    }


def _attention_unet(planned: Mapping[str, Any], patch: Triple) -> Arguments:
    """It halves every axis alike (Oktay et al. 2018)."""
    stages = min(len(planned["features"]), _halvings(patch) + 1)
    return {"channels": list(planned["features"][:stages]), "strides": [2] * (stages - 1)}


NAMED: Mapping[str, Callable[[Mapping[str, Any], Triple], Arguments]] = {
    "UNet": _unet,
    "DynUNet": _dyn_unet,
    "SegResNet": _seg_res_net,
    "AttentionUnet": _attention_unet,
}
"""Names of MONAI's, and their arguments from the planned network's and the patch."""


def _halvings(patch: Triple) -> int:
    """How often every axis can be halved."""
    count = 0
    while all(edge % 2 ** (count + 1) == 0 for edge in patch):
        count += 1
    return count
