"""ModelSpec: what MedDL knows about a model, as plain data. No torch, no code, nothing to execute.

A spec is read from JSON with every key checked: an unknown key or a wrong type is refused by its path, because a
silently ignored setting is a silently wrong result. Everything spatial is in **network axis order**: axis 0, 1, 2
are the spatial axes of the tensor that the network sees, ``(batch, channel, axis 0, axis 1, axis 2)``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from .errors import Code, MedDLError
from .spec_rules import check_combinations
from .volume import Label, parse_orientation

Triple = tuple[int, int, int]
FloatTriple = tuple[float, float, float]


@dataclass(frozen=True)
class Channel:
    """One input volume of the network: its name (``T1``) and the modality it must have (``CT``, ``MR``, ``PT``).

    ``intensity``: its own steps, in place of the model's.
    """

    name: str
    modality: str | None = None
    intensity: tuple[IntensityStep, ...] | None = None


@dataclass(frozen=True)
class Grid:
    """The grid on which the network works.

    Attributes:
        orientation: directions of network axes 0, 1, 2 (``RAS``: axis 0 runs to the right, as MONAI's Orientationd
            on (channel, x, y, z) arrays). None: axes 0, 1, 2 are the input's K, J, I as they are stored.
        spacing: mm along axes 0, 1, 2; None keeps the input's, and so does 0 along a single axis.
        shape: a fixed number of voxels, centred on the input's centre; None takes what the input's extent gives.
        straight: axes parallel to the patient's (an oblique scan is turned), not merely the nearest ones.
        interpolation: how the image is brought onto the grid.
        rule: what stays when the spacing changes. ``centred``: the centre of the scan, and the spacing is exact.
            ``extent``: the outer faces of the scan; shape = round(n * s / s'), and the spacing adapts to it (nnU-Net).
        transpose: for axes 0, 1, 2 the one of the three oriented axes that takes its place.
        crop: ``nonzero``: before anything else, to the smallest box that holds every voxel that is not 0 in some
            channel. Outside it everything is background.
        apart: with the rule ``extent``: where the largest spacing of the scan, or else of the grid, is more than this
            many times the smallest, the axis of the largest is resampled on its own, with nearest neighbour (nnU-Net's
            "separate z"). None: never.
    """

    orientation: str | None = "RAS"
    spacing: FloatTriple | None = None
    shape: Triple | None = None
    straight: bool = False
    interpolation: Literal["linear", "cubic"] = "linear"
    rule: Literal["centred", "extent"] = "centred"
    transpose: Triple = (0, 1, 2)
    crop: Literal["none", "nonzero"] = "none"
    apart: float | None = None


@dataclass(frozen=True)
class Clip:
    """Values below ``low`` become ``low``, above ``high`` become ``high``."""

    low: float
    high: float
    kind: Literal["clip"] = "clip"


@dataclass(frozen=True)
class Window:
    """``low``..``high`` becomes ``out_low``..``out_high`` linearly, clipped (an HU window)."""

    low: float
    high: float
    out_low: float = 0.0
    out_high: float = 1.0
    kind: Literal["window"] = "window"


@dataclass(frozen=True)
class Percentiles:
    """The image's ``lower`` and ``upper`` percentiles (0..100) become ``out_low``..``out_high`` linearly."""

    lower: float
    upper: float
    out_low: float = 0.0
    out_high: float = 1.0
    clip: bool = True
    kind: Literal["percentiles"] = "percentiles"


@dataclass(frozen=True)
class ZScore:
    """Minus mean, divided by standard deviation; over non-zero voxels only if ``nonzero``.

    If ``body``, over the voxels where some channel is not 0, enclosed holes included; the others stay as they are.
    """

    nonzero: bool = False
    body: bool = False
    kind: Literal["zscore"] = "zscore"


@dataclass(frozen=True)
class FixedZScore:
    """nnU-Net's CT scheme: clip to ``low``..``high``, then minus ``mean``, divided by ``std`` (of the training set)."""

    low: float
    high: float
    mean: float
    std: float
    kind: Literal["fixed_zscore"] = "fixed_zscore"


@dataclass(frozen=True)
class Scale:
    """``value * factor + offset``."""

    factor: float = 1.0
    offset: float = 0.0
    kind: Literal["scale"] = "scale"


IntensityStep = Clip | Window | Percentiles | ZScore | FixedZScore | Scale


@dataclass(frozen=True)
class Inference:
    """How the network is moved over the grid.

    Attributes:
        patch: voxels along axes 0, 1, 2; None: the whole volume at once.
        overlap: fraction of a patch shared with its neighbour, 0 <= overlap < 1.
        weighting: how overlapping predictions are averaged. ``nnunet``: its Gaussian as nnU-Net computes it, centred on
            voxel n // 2 and rounded to half precision; weights that vanish there become the smallest other one.
        sigma: standard deviation of the Gaussian as a fraction of the patch (nnU-Net and MONAI use 1/8).
        padding: how a volume smaller than the patch, or not divisible, is extended.
        padding_value: the value for ``constant``, after the intensity steps.
        divisor: without a patch, each axis is padded to a multiple of this.
        mirror_axes: network axes over whose flips the prediction is averaged.
        batch: patches that go through the network together.
    """

    patch: Triple | None = None
    overlap: float = 0.5
    weighting: Literal["gaussian", "constant", "nnunet"] = "gaussian"
    sigma: float = 0.125
    padding: Literal["constant", "edge", "reflect"] = "constant"
    padding_value: float = 0.0
    divisor: int = 1
    mirror_axes: tuple[int, ...] = ()
    batch: int = 1


@dataclass(frozen=True)
class Output:
    """What the network's channels mean and how they come back to the input's grid.

    Attributes:
        activation: ``softmax``: exclusive classes, channel n is class n, 0 is background. ``sigmoid``: channel n
            is a structure of its own (label value n + 1) and structures may overlap. ``regions``: channel n is painted
            with the label value ``paint[n]``, one over the other in this order (nnU-Net's region-based training).
        interpolate: what is interpolated back onto the input's grid: ``logits`` as nnU-Net does, ``probabilities``,
            or ``labels`` (nearest neighbour of the decided labels).
        threshold: probability from which a channel of ``sigmoid`` or ``regions`` counts as inside.
        paint: for ``regions``, the label value of each channel.
        apart: as ``Grid.apart``, on the way back.
    """

    activation: Literal["softmax", "sigmoid", "regions"] = "softmax"
    interpolate: Literal["logits", "probabilities", "labels"] = "logits"
    threshold: float = 0.5
    paint: tuple[int, ...] = ()
    apart: float | None = None


@dataclass(frozen=True)
class CleanUp:
    """What is done to the decided labels.

    Attributes:
        keep_largest: label values of which only the largest connected component (26 neighbours) stays.
        fill_holes: label values whose enclosed background is filled.
        minimum_volume: components smaller than this many mm^3 are removed, for every label.
    """

    keep_largest: tuple[int, ...] = ()
    fill_holes: tuple[int, ...] = ()
    minimum_volume: float = 0.0


@dataclass(frozen=True)
class Network:
    """A network by its name in ``models/networks.py`` and the arguments of its constructor."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Weights:
    """A weights file, relative to the package; several are an ensemble. ``sha256`` in hexadecimal, None: unknown."""

    file: str
    sha256: str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """Plain data about a model.

    Attributes:
        name: identifier: letters, digits, ``. _ -``.
        title: what a person reads.
        channels: the input volumes, in order.
        network: architecture.
        weights: one file, or several for an ensemble whose outputs are averaged.
        labels: structures; for softmax, ``value`` is the channel, for sigmoid the channel plus one.
        grid, intensity, inference, output, clean_up: the stations, in their order. ``intensity`` is applied to each
            channel on its own.
        statistics: over which voxels the intensity steps take percentiles, means and deviations: the ``scan``'s own, or
            those of the network's ``grid``, padding included. Neither depends on a region of interest.
        intensity_on: where the intensity steps are applied: on the network's ``grid``, or on the ``scan`` (cropped, if
            ``grid.crop`` says so) before it is resampled.
        previous: label values of an earlier model's result that the network takes as further channels, 1 inside and 0
            outside, after those of the scan (nnU-Net's cascade).
        minimum_shape: fewest voxels the input must have along K, J, I.
        measured: figures from the model's author, free form (e.g. ``{"seconds": 40, "memory_bytes": 3e9}``).
    """

    name: str
    network: Network
    weights: tuple[Weights, ...]
    labels: tuple[Label, ...]
    channels: tuple[Channel, ...] = (Channel("image"),)
    title: str = ""
    version: str = ""
    description: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""
    grid: Grid = Grid()
    intensity: tuple[IntensityStep, ...] = ()
    inference: Inference = Inference()
    output: Output = Output()
    clean_up: CleanUp = CleanUp()
    statistics: Literal["scan", "grid"] = "scan"
    intensity_on: Literal["grid", "scan"] = "grid"
    previous: tuple[int, ...] = ()
    minimum_shape: Triple = (1, 1, 1)
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate(self)

    def intensity_of(self, channel: int) -> tuple[IntensityStep, ...]:
        """The intensity steps of an input channel."""
        own = self.channels[channel].intensity
        return self.intensity if own is None else own

    @property
    def input_channels(self) -> int:
        """Channels that the network takes."""
        return len(self.channels) + len(self.previous)

    @property
    def output_channels(self) -> int:
        """Fewest channels the network must return to hold every label."""
        if self.output.activation == "regions":
            return len(self.output.paint)
        highest = max((label.value for label in self.labels), default=0)
        return highest + 1 if self.output.activation == "softmax" else highest

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpec:
        """Reads what ``to_json`` gives.

        Raises:
            MedDLError: MODEL_INVALID, naming the key that is missing, unknown or of the wrong type.
        """
        return typing.cast(ModelSpec, _read(cls, data, "model"))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, all keys present."""
        return typing.cast("dict[str, Any]", _write(self))


def _invalid(where: str, problem: str) -> MedDLError:
    return MedDLError(Code.MODEL_INVALID, f"{where}: {problem}.")


def _validate(spec: ModelSpec) -> None:
    plain = all(c.isascii() and (c.isalnum() or c in "._-") for c in spec.name)
    if not plain or not 0 < len(spec.name) <= LONGEST_NAME or spec.name[0] == ".":
        raise _invalid("model.name", f"{spec.name!r} may only hold {LONGEST_NAME} letters, digits and . _ -")
    if not spec.weights:
        raise _invalid("model.weights", "at least one weights file is needed")
    if not spec.labels:
        raise _invalid("model.labels", "at least one label is needed")
    if len({label.value for label in spec.labels}) != len(spec.labels):
        raise _invalid("model.labels", "two labels have the same value")
    if any(not 0 < label.value < 65536 for label in spec.labels):
        raise _invalid("model.labels", "values run from 1 to 65535; 0 is background")
    if not spec.channels:
        raise _invalid("model.channels", "at least one input channel is needed")
    if spec.grid.orientation is not None:
        parse_orientation(spec.grid.orientation)
    elif spec.grid.straight:
        raise _invalid("model.grid.straight", "needs an orientation")
    inference = spec.inference
    if not 0 <= inference.overlap < 1:
        raise _invalid("model.inference.overlap", "must lie in [0, 1)")
    if not inference.sigma > 0:
        raise _invalid("model.inference.sigma", "must be positive")
    if len({0, 1, 2} & set(inference.mirror_axes)) != len(inference.mirror_axes):
        raise _invalid("model.inference.mirror_axes", "axes are 0, 1, 2, each once")
    if any(len(spec.intensity_of(n)) > MOST_STEPS for n in range(len(spec.channels))):
        raise _invalid("model.intensity", f"has more than {MOST_STEPS} steps")
    if not 0 < spec.output.threshold < 1:
        raise _invalid("model.output.threshold", "must lie between 0 and 1")
    known = {label.value for label in spec.labels}
    if not set(spec.clean_up.keep_largest) | set(spec.clean_up.fill_holes) <= known:
        raise _invalid("model.clean_up", "names a label value that the model does not have")
    if not spec.clean_up.minimum_volume >= 0:
        raise _invalid("model.clean_up.minimum_volume", "must not be negative")
    _validate_ranges(spec)
    check_combinations(spec)


LONGEST_NAME = 64
"""Characters of a model's name, which stands in the names of files."""

MOST_STEPS = 32
"""Intensity steps that a description may ask for."""

LARGEST_EDGE = 65536
"""Voxels along an axis, or patches at a time, that a description may ask for."""

SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 1e-3, 1e3


def _validate_ranges(spec: ModelSpec) -> None:
    """A description comes from strangers: no number in it may be out of all proportion."""
    for label in spec.labels:
        if not label.name.strip() or not label.name.isprintable():
            raise _invalid("model.labels", f"{label.name!r} is not a name")
        if any(not 0 <= part <= 255 for part in label.color):
            raise _invalid("model.labels", f"the colour of {label.name!r} does not lie between 0 and 255")
    sizes = {
        "grid.shape": spec.grid.shape,
        "inference.patch": spec.inference.patch,
        "inference.divisor": (spec.inference.divisor,),
        "inference.batch": (spec.inference.batch,),
    }
    for where, size in sizes.items():
        if size is not None and any(not 1 <= n <= LARGEST_EDGE for n in size):
            raise _invalid(f"model.{where}", f"must lie between 1 and {LARGEST_EDGE}")
    if any(mm != 0 and not SMALLEST_SPACING_MM <= mm <= LARGEST_SPACING_MM for mm in spec.grid.spacing or ()):
        raise _invalid("model.grid.spacing", f"must lie between {SMALLEST_SPACING_MM} and {LARGEST_SPACING_MM} mm")
    for n, step in enumerate(
        [*spec.intensity, *(step for channel in spec.channels for step in channel.intensity or ())]
    ):
        where = f"model.intensity[{n}]"
        if isinstance(step, Percentiles) and not 0 <= step.lower < step.upper <= 100:
            raise _invalid(where, "percentiles rise from lower to upper, between 0 and 100")
        if isinstance(step, (Clip, Window, FixedZScore)) and not step.low < step.high:
            raise _invalid(where, "low must be below high")
        if isinstance(step, FixedZScore) and not step.std > 0:
            raise _invalid(where, "std must be positive")


def _write(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _write(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _write(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_write(item) for item in value]
    return value


def _read(kind: Any, value: Any, where: str) -> Any:
    """Reads ``value`` as the annotation ``kind``: dataclasses, tuples, unions, literals and JSON scalars."""
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(typing.get_args(kind), value, where)
    if origin is Literal:
        if value not in typing.get_args(kind):
            raise _invalid(where, f"{value!r} is not one of {', '.join(map(str, typing.get_args(kind)))}")
        return value
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), value, where)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = Mapping if origin is not None else kind
    if not isinstance(value, plain) or (isinstance(value, bool) and kind is not bool):
        raise _invalid(where, f"{value!r} is not {getattr(plain, '__name__', plain)}")
    return value


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    options = [kind for kind in kinds if kind is not type(None)]
    if len(options) == 1:
        return _read(options[0], value, where)
    if not isinstance(value, Mapping):
        raise _invalid(where, "is not an object")
    by_kind: dict[str, Any] = {kind.__dataclass_fields__["kind"].default: kind for kind in options}
    name = value.get("kind")
    if not isinstance(name, str) or name not in by_kind:
        raise _invalid(f"{where}.kind", f"{name!r} is not one of {', '.join(by_kind)}")
    return _read(by_kind[name], value, where)


def _read_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _invalid(where, "is not a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if len(value) != len(kinds):
        raise _invalid(where, f"needs {len(kinds)} values, not {len(value)}")
    return tuple(_read(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise _invalid(where, "is not an object")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise _invalid(f"{where}.{key}", "is not a known key")
    for name, f in fields.items():
        if name not in value and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise _invalid(f"{where}.{name}", "is missing")
    return kind(**{name: _read(hints[name], item, f"{where}.{name}") for name, item in value.items()})
