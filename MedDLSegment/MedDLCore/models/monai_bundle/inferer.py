"""The inferer: how the network is moved over the grid."""

from __future__ import annotations

from typing import Literal

from ...spec import Inference
from .arguments import Arguments
from .class_names import known_class
from .config import Component
from .refusal import OutsideError

INFERERS = ("SimpleInferer", "SlidingWindowInferer", "SlidingWindowInfererAdapt", "SliceInferer")

OURS = (
    "sw_device",
    "device",
    "progress",
    "cache_roi_weight_map",
    "cpu_thresh",
    "buffer_steps",
    "buffer_dim",
    "sw_batch_size",
)
"""Arguments about devices and memory, which are MedDL's to choose. The result is the same for every batch size."""

PADDINGS: dict[str, Literal["constant", "edge", "reflect"]] = {
    "constant": "constant",
    "replicate": "edge",
    "reflect": "reflect",
}


def read_inferer(inferer: object, place: str, dims: int) -> Inference:
    """What an inferer asks for.

    Args:
        inferer: a component; None is SimpleInferer, as in MONAI's evaluator.
        place: where it stands.
        dims: spatial axes of the network's input.

    Raises:
        OutsideError: for what lies outside.
    """
    if inferer is None:
        return _whole(dims, place)
    if not isinstance(inferer, Component):
        raise OutsideError(place, inferer, "is not an inferer by its name")
    name = known_class(inferer, "monai.inferers", INFERERS)
    arguments = Arguments(inferer)
    if name == "SimpleInferer":
        arguments.done()
        return _whole(dims, place)
    sliced = name == "SliceInferer"
    if sliced != (dims == 2):
        raise OutsideError(place, inferer.target, f"with a network of {dims} spatial axes is not read")
    if sliced:
        axis = arguments.one_of("spatial_dim", (0, 1, 2), 0)
        size = list(arguments.sizes("roi_size", 2))
        size.insert(axis, 1)
    else:
        size = list(arguments.sizes("roi_size", 3))
    arguments.one_of("with_coord", (False,), False)
    arguments.ignore(OURS)
    overlap = arguments.value("overlap", 0.25)
    if isinstance(overlap, list) and overlap and all(item == overlap[0] for item in overlap):
        overlap = overlap[0]
    if not _is_fraction(overlap):
        several = isinstance(overlap, list) and all(map(_is_fraction, overlap))
        raise arguments.outside("overlap", overlap, "is not one fraction below 1", invalid=not several)
    inference = Inference(
        patch=(size[0], size[1], size[2]),
        overlap=float(overlap),
        windows="stepped",
        weighting="constant"
        if arguments.one_of("mode", ("constant", "gaussian"), "constant") == "constant"
        else "monai",
        sigma=arguments.number("sigma_scale", 0.125),
        padding=PADDINGS[arguments.one_of("padding_mode", tuple(PADDINGS), "constant")],
        padding_value=arguments.number("cval", 0.0),
        batch=arguments.count("sw_batch_size", 1),  # a bundle that says none gets one patch at a time
    )
    arguments.done()
    return inference


def _whole(dims: int, place: str) -> Inference:
    if dims != 3:
        raise OutsideError(place, "SimpleInferer", "with a network of 2 spatial axes is not read")
    return Inference(patch=None, windows="stepped", overlap=0.25)


def _is_fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1
