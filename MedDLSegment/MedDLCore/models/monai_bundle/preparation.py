"""The preprocessing: transforms, one after the other, become the spec's grid, intensity steps and foreground."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from ...spec import Foreground, Grid, IntensityStep, Percentiles, ZScore
from .arguments import Arguments
from .class_names import FORMS, known_class
from .config import Component
from .intensity import INTENSITY
from .lambdas import above
from .refusal import OutsideError, Reason

HARMLESS = (
    "AddChannel",
    "AsChannelFirst",
    "CastToType",
    "DeleteItems",
    "EnsureChannelFirst",
    "EnsureType",
    "FlattenSubKeys",
    "Identity",
    "LoadImage",
    "SelectItems",
    "ToDevice",
    "ToTensor",
)
"""Reading, axes of channels, kinds of arrays and devices: ours."""

CONCATENATION = "ConcatItems"

MOST_TRANSFORMS, MOST_NESTED = 200, 10
"""Bounds of a preprocessing, far above any in use."""

OF_READING = (
    "allow_missing_keys",
    "channel_dim",
    "dtype",
    "ensure_channel_first",
    "expanduser",
    "image_only",
    "keys",
    "meta_key_postfix",
    "meta_keys",
    "overwriting",
    "prune_meta_pattern",
    "prune_meta_sep",
    "reader",
    "simple_keys",
)
"""Arguments of ``LoadImage`` that do not change where voxels lie, or what they are."""

WHOLE_NUMBERS = ("float16", "uint8", "int16", "int32", "int64")
"""Types that would round the values."""

STORED = Grid(orientation=None, transpose=(2, 1, 0), rule="first_voxel")
"""MONAI's array axes without Orientation: the file's i, j, k."""


@dataclass
class Draft:
    """What the transforms so far make of a scan.

    Attributes:
        channels: input volumes of the network.
        keys: the names under which the transforms keep them.
        grid: the grid so far.
        steps: intensity steps so far.
        steps_on_scan: how many of them came before the spacing changed.
        foreground: the cut, once it was made.
        divisor: what each axis is padded to a multiple of, once it was padded.
        padding: how.
    """

    channels: int
    keys: tuple[str, ...] = ()
    grid: Grid = STORED
    steps: list[IntensityStep] = field(default_factory=list)
    steps_on_scan: int = 0
    foreground: Foreground | None = None
    divisor: int = 1
    padding: Literal["constant", "edge", "reflect"] = "constant"

    @property
    def regridded(self) -> bool:
        """The network's grid is not the scan's."""
        return self.grid != STORED or self.foreground is not None or self.divisor > 1

    @property
    def joint(self) -> bool:
        """Several channels are in one array, so that a transform's statistics are over all of them."""
        return self.channels > 1 and len(self.keys) <= 1


def transforms(root: object, place: str) -> list[Component]:
    """The components of a ``Compose``, of such within it, or of a list.

    Raises:
        OutsideError: for anything else, and for too many.
    """
    found = list(itertools.islice(_within(root, place, 0), MOST_TRANSFORMS + 1))
    if len(found) > MOST_TRANSFORMS:
        raise OutsideError(place, "Compose", f"has more than {MOST_TRANSFORMS} transforms")
    return found


def _within(root: object, place: str, depth: int) -> Iterator[Component]:
    if depth > MOST_NESTED:
        raise OutsideError(place, "Compose", "is nested too deeply")
    if isinstance(root, Component):
        if root.target.rpartition(".")[2] != "Compose":
            yield root
            return
        known_class(root, "monai.transforms", ["Compose"])
        arguments = Arguments(root)
        arguments.one_of("lazy", (False,), False)
        arguments.ignore(("map_items", "unpack_items", "log_stats", "overrides", "threading"))
        root = arguments.value("transforms", [])
        arguments.done()
    if root is None:
        return
    if not isinstance(root, list):
        raise OutsideError(place, root, "is not a list of transforms")
    for item in root:
        yield from _within(item, place, depth + 1)


def read_preparation(root: object, place: str, channels: int) -> tuple[Draft, list[Reason]]:
    """Reads the transforms of the input.

    Args:
        root: the preprocessing, resolved.
        place: where it stands.
        channels: input volumes of the network.

    Returns:
        What they come to, and everything of them that lies outside.
    """
    draft, reasons = Draft(channels), []
    try:
        steps = transforms(root, place)
    except OutsideError as error:
        return draft, [error.reason]
    for step in steps:
        try:
            _apply(step, draft)
        except OutsideError as error:  # noqa: PERF203  each has its own
            reasons.append(error.reason)
    return draft, reasons


def _apply(step: Component, draft: Draft) -> None:
    known = (*HARMLESS, *INTENSITY, *_SPATIAL, CONCATENATION)
    name = known_class(step, "monai.transforms", known, FORMS)
    if name in HARMLESS:
        _check_type(step)
        if name == "LoadImage":
            reading = Arguments(step)
            draft.keys = tuple(key for key in reading.names() if key != "label")
            reading.ignore(OF_READING)
            reading.done()
        return
    arguments = Arguments(step)
    keys = arguments.names()
    arguments.ignore(("allow_missing_keys", "meta_keys", "meta_key_postfix"))
    if name == CONCATENATION:
        _concatenate(arguments, keys, draft)
    elif not keys or not draft.keys or set(draft.keys) <= set(keys):
        if draft.divisor > 1:
            raise OutsideError(f"{step.config.file}: {step.where}", step.target, "comes after the padding")
        if name in INTENSITY:
            _add_step(INTENSITY[name](arguments, draft.joint), arguments, draft)
        else:
            _SPATIAL[name](arguments, draft)
    elif set(draft.keys) & set(keys):
        raise arguments.outside("keys", list(keys), "treats the input volumes differently")
    else:
        return  # works on something else than the input, such as a label
    arguments.done()


def _check_type(step: Component) -> None:
    if "dtype" in step.raw and step["dtype"] in WHOLE_NUMBERS:
        raise OutsideError(step.place("dtype"), str(step["dtype"]), "would round the values")


def _add_step(step: IntensityStep, arguments: Arguments, draft: Draft) -> None:
    measured = isinstance(step, (Percentiles, ZScore))
    if measured and draft.foreground is not None:
        raise OutsideError(
            arguments.component.place("keys"),
            arguments.component.target,
            "takes statistics after the foreground was cut",
        )
    draft.steps.append(step)


def _concatenate(arguments: Arguments, keys: tuple[str, ...], draft: Draft) -> None:
    if keys != draft.keys:
        raise arguments.outside("keys", list(keys), "does not put all input volumes into one, in their order")
    arguments.one_of("dim", (0,), 0)
    draft.keys = (str(arguments.value("name")),)
    arguments.done()


def _orientation(arguments: Arguments, draft: Draft) -> None:
    if draft.grid.spacing is not None:
        raise arguments.outside("axcodes", arguments.value("axcodes"), "turns the axes after the spacing was changed")
    codes = arguments.value("axcodes")
    codes = "".join(codes) if isinstance(codes, list) and all(isinstance(code, str) for code in codes) else codes
    closest = arguments.flag("as_closest_canonical")
    codes = "RAS" if closest else codes
    if not isinstance(codes, str) or len(codes) != 3 or sorted(_AXIS.get(c, "?") for c in codes) != ["A", "R", "S"]:
        raise arguments.outside("axcodes", codes, "is not an orientation such as RAS")
    standard = [["L", "R"], ["P", "A"], ["I", "S"]]
    if arguments.value("labels", standard) != standard:
        raise arguments.outside("labels", arguments.value("labels"), "are other names for the directions")
    arguments.ignore(("lazy",))
    draft.grid = replace(draft.grid, orientation=codes, transpose=(0, 1, 2))


_AXIS = {"L": "R", "R": "R", "P": "A", "A": "A", "I": "S", "S": "S"}


def _spacing(arguments: Arguments, draft: Draft) -> None:
    if draft.grid.spacing is not None:
        raise arguments.outside("pixdim", arguments.value("pixdim"), "changes the spacing a second time")
    if draft.foreground is not None:
        raise arguments.outside("pixdim", arguments.value("pixdim"), "changes the spacing after the foreground was cut")
    x, y, z = arguments.numbers("pixdim", 3)
    arguments.one_of("mode", ("bilinear", "trilinear"), "bilinear")
    arguments.one_of("padding_mode", ("border",), "border")
    for flag in ("diagonal", "scale_extent", "recompute_affine", "lazy"):
        arguments.one_of(flag, (False,), False)
    arguments.ignore(("align_corners", "ensure_same_shape"))
    if arguments.value("dtype", "float64") not in ("float32", "float64"):
        raise arguments.outside("dtype", arguments.value("dtype"), "would round the values")
    draft.grid = replace(draft.grid, spacing=(x, y, z))
    draft.steps_on_scan = len(draft.steps)


def _crop_foreground(arguments: Arguments, draft: Draft) -> None:
    if draft.foreground is not None:
        raise arguments.outside("source_key", arguments.value("source_key"), "cuts the foreground a second time")
    source = arguments.value("source_key")
    if source is not None and draft.keys and (source,) != draft.keys:
        raise arguments.outside("source_key", source, "is not the input volume")
    function = arguments.expression("select_fn")
    border = 0.0 if function is None else above(function)
    if border is None:
        raise arguments.outside("select_fn", function, "is code")
    margin = arguments.value("margin", 0)
    if isinstance(margin, bool) or not isinstance(margin, int) or margin < 0:
        raise arguments.outside("margin", margin, "is not one number of voxels")
    if not arguments.flag("allow_smaller") and margin > 0:
        raise arguments.outside("margin", margin, "would add voxels beyond the scan (without allow_smaller)")
    arguments.one_of("k_divisible", (1,), 1)
    arguments.one_of("channel_indices", (None,), None)
    arguments.one_of("lazy", (False,), False)
    arguments.ignore(("mode", "start_coord_key", "end_coord_key", "return_coords"))
    draft.foreground = Foreground(above=border, steps=len(draft.steps), margin=margin)


def _divisible_pad(arguments: Arguments, draft: Draft) -> None:
    k = arguments.one_of("k", tuple(range(1, 1025)))
    arguments.one_of("method", ("symmetric",), "symmetric")
    arguments.one_of("lazy", (False,), False)
    modes: dict[str, Literal["constant", "edge", "reflect"]] = {
        "constant": "constant",
        "edge": "edge",
        "replicate": "edge",
        "reflect": "reflect",
    }
    draft.padding = modes[arguments.one_of("mode", tuple(modes), "constant")]
    arguments.one_of("constant_values", (0,), 0)
    arguments.one_of("value", (0,), 0)
    draft.divisor = int(k)


_SPATIAL: dict[str, Callable[[Arguments, Draft], None]] = {
    "CropForeground": _crop_foreground,
    "DivisiblePad": _divisible_pad,
    "Orientation": _orientation,
    "Spacing": _spacing,
}
