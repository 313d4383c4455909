"""``network_def``: a network of the allow-list, with arguments that this MONAI knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...spec import Network
from .class_names import known_class
from .config import Component, Config
from .refusal import OutsideError

NETWORKS: Mapping[str, str] = {
    "AttentionUnet": "AttentionUnet",
    "BasicUNet": "BasicUNet",
    "BasicUnet": "BasicUNet",
    "Basicunet": "BasicUNet",
    "DiNTS": "DiNTS",
    "DynUNet": "DynUNet",
    "DynUnet": "DynUNet",
    "Dynunet": "DynUNet",
    "FlexUNet": "FlexibleUNet",
    "FlexibleUNet": "FlexibleUNet",
    "HighResNet": "HighResNet",
    "MedNeXt": "MedNeXt",
    "SegResNet": "SegResNet",
    "SegResNetDS": "SegResNetDS",
    "SwinUNETR": "SwinUNETR",
    "UNETR": "UNETR",
    "UNet": "UNet",
    "Unet": "UNet",
    "VNet": "VNet",
}
"""MONAI's names, its other names for the same included, and ours."""

CHANGED: Mapping[tuple[str, str], str | None] = {
    ("SwinUNETR", "img_size"): None,  # gone in MONAI 1.5; the network never depended on it
    ("SwinUNETR", "use_checkpoint"): None,  # saves memory in training
    ("FlexibleUNet", "pretrained"): None,  # where training starts from
    ("UNETR", "pos_embed"): "proj_type",
    **{(name, "dimensions"): "spatial_dims" for name in ("AttentionUnet", "BasicUNet", "UNet")},
}
"""Arguments that MONAI renamed (the new name) or removed (None), and those that change nothing of the result."""

NETWORK, ENGINE = "network_def", "network"


def read_network(config: Config) -> Network:
    """The network of a bundle.

    Raises:
        OutsideError: for a class or an argument outside of the list.
    """
    id = NETWORK if NETWORK in config else ENGINE
    component = config[id]
    if not isinstance(component, Component):
        raise OutsideError(f"{config.file}: {id}", component, "is not a network by its name")
    name = NETWORKS[known_class(component, "monai.networks.nets", NETWORKS)]
    arguments: dict[str, Any] = {}
    for argument in component.raw:
        renamed = CHANGED.get((name, argument), argument)
        if renamed is None:
            continue
        value = component[argument]
        if name == "DiNTS" and argument == "dints_space":
            for key, item in _space(value, component).items():
                if arguments.setdefault(key, item) != item:
                    raise OutsideError(component.place(argument), key, "is not the same in the network and its space")
        elif renamed in arguments and arguments[renamed] != value:
            raise OutsideError(component.place(argument), value, "is not the same in the network and its space")
        else:
            arguments[renamed] = _plain(value, component.place(argument))
    return Network(name, arguments)


def _space(space: object, network: Component) -> dict[str, Any]:
    """The searched topology of a DiNTS becomes arguments of its own."""
    if not isinstance(space, Component):
        raise OutsideError(network.place("dints_space"), space, "is not a TopologyInstance")
    known_class(space, "monai.networks.nets", ["TopologyInstance"])
    names = [name for name in space.raw if name != "device"]  # where it runs is ours
    return {name: _plain(space[name], space.place(name)) for name in names}


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Component):
        raise OutsideError(where, value.target, "is an argument of the network that is not plain data")
    if isinstance(value, Mapping):
        return {key: _plain(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    return value


def spatial_dims(network: Network) -> int:
    """Spatial axes of the network's input."""
    default = 2 if network.name == "FlexibleUNet" else 3
    value = network.arguments.get("spatial_dims", default)
    return value if isinstance(value, int) else default


def channels_in(network: Network, place: str) -> int:
    """Input volumes."""
    return _count(network, "in_channels", 1, place)


def channels_out(network: Network, place: str) -> int:
    """Classes."""
    return _count(network, "num_classes" if network.name == "DiNTS" else "out_channels", 2, place)


def divisor(network: Network) -> int:
    """What each axis of a whole volume must be a multiple of, as far as the arguments say it."""
    arguments = network.arguments
    if network.name in ("UNet", "AttentionUnet", "DynUNet"):
        strides = arguments.get("strides")
        flat = [max(s) if isinstance(s, list) and s else s for s in strides] if isinstance(strides, list) else []
        return math.prod(s for s in flat if isinstance(s, int) and s > 0)
    if network.name in ("SegResNet", "SegResNetDS"):
        blocks = arguments.get("blocks_down", [1, 2, 2, 4])
        return 2 ** (len(blocks) - 1) if isinstance(blocks, list) and 0 < len(blocks) < 16 else 1
    return {"BasicUNet": 16, "VNet": 16, "SwinUNETR": 32, "UNETR": 16}.get(network.name, 1)


def _count(network: Network, name: str, default: int, place: str) -> int:
    value = network.arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 65536:
        raise OutsideError(place, f"{name}: {value!r}", "is not a number of channels", invalid=True)
    return value
