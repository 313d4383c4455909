"""``plans.json``: its configurations, with what they inherit, in the new style."""

from __future__ import annotations

from typing import Any

from ...text import shown
from .refusal import refused
from .values import Table

PLANS_JSON = "plans.json"

OLD_STYLE = {"PlainConvUNet": "n_conv_per_stage", "ResidualEncoderUNet": "n_blocks_per_stage"}
"""Networks of plans from before nnU-Net 2.4, and what their stages' sizes are called since."""


def configuration(plans: Table, name: str) -> Table:
    """A configuration with everything that it inherits, its architecture in the new style.

    Raises:
        MedDLError: MODEL_INVALID.
    """
    merged = _inherited(plans.table("configurations"), name)
    if "architecture" not in merged:
        merged["architecture"] = _from_old_style(Table(merged, PLANS_JSON, plans.table("configurations").path(name)))
    return Table(merged, PLANS_JSON, plans.table("configurations").path(name))


def _inherited(configurations: Table, name: str) -> dict[str, Any]:
    chain: list[str] = []
    merged: dict[str, Any] = {}
    while True:
        if name in chain:
            raise refused(PLANS_JSON, f"the configuration {shown(name)} inherits from itself")
        chain.append(name)
        own = configurations.table(name).values
        merged = {**own, **merged}
        if "inherits_from" not in own:
            return merged
        name = configurations.table(name).text("inherits_from")


def _from_old_style(old: Table) -> dict[str, Any]:
    """What nnU-Net itself makes of plans from before 2.4."""
    name = old.text("UNet_class_name")
    if name not in OLD_STYLE:
        raise refused(PLANS_JSON, f"the architecture {shown(name)} is not one of {', '.join(OLD_STYLE)}")
    dimensions = len(old.whole_numbers("patch_size"))
    stages = len(old.whole_numbers("n_conv_per_stage_encoder"))
    base, most = (int(old.number(key)) for key in ("UNet_base_num_features", "unet_max_num_features"))
    return {
        "network_class_name": name,
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": [min(base * 2 ** min(n, 32), most) for n in range(stages)],
            "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
            "kernel_sizes": old.get("conv_kernel_sizes"),
            "strides": old.get("pool_op_kernel_sizes"),
            OLD_STYLE[name]: old.get("n_conv_per_stage_encoder"),
            "n_conv_per_stage_decoder": old.get("n_conv_per_stage_decoder"),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
    }
