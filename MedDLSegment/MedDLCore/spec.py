"""ModelSpec: what MedDL knows about a model, as plain data. No torch, no code, nothing to execute.

A spec is read from JSON with every key checked: an unknown key or a wrong type is refused by its path, because a
silently ignored setting is a silently wrong result. Everything spatial is in **network axis order**: axis 0, 1, 2
are the spatial axes of the tensor that the network sees, ``(batch, channel, axis 0, axis 1, axis 2)``.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any, Literal

from .plain_data import from_plain, texts_of, to_plain
from .plain_data import invalid as _invalid
from .text import is_harmless, shown
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
        transpose: for axes 0, 1, 2 the one of the three oriented axes that takes its place.
        spacing: mm along axes 0, 1, 2; None keeps the input's.
        tolerance: an axis whose spacing differs from the wanted one by no more than this part of it keeps its own.
        rule: what stays where the spacing changes. ``centred``: the scan's centre. ``first_voxel``: the centre of the
            first voxel, as MONAI's Spacing does it (``Geometry.with_spacing_from_first_voxel``); beyond the scan, its
            edge is repeated.
        shape: a fixed number of voxels, centred on the input's centre; None takes what the input's extent gives.
        straight: axes parallel to the patient's (an oblique scan is turned), not merely the nearest ones.
        interpolation: how the image is brought onto the grid.
    """

    orientation: str | None = "RAS"
    transpose: Triple = (0, 1, 2)
    spacing: FloatTriple | None = None
    tolerance: float = 0.0
    shape: Triple | None = None
    straight: bool = False
    interpolation: Literal["linear", "cubic"] = "linear"
    rule: Literal["centred", "first_voxel"] = "centred"


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
    """Minus mean, divided by standard deviation; over non-zero voxels only if ``nonzero``."""

    nonzero: bool = False
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


@dataclass(frozen=True)
class FromMinimum:
    """Minus the minimum, divided by the standard deviation (of a sample: over N - 1)."""

    kind: Literal["from_minimum"] = "from_minimum"


@dataclass(frozen=True)
class Squash:
    """A smooth bound: the logistic function ``1 / (1 + exp(-value))``, or ``3 * tanh(value / 3)``."""

    function: Literal["logistic", "tanh3"]
    kind: Literal["squash"] = "squash"


IntensityStep = Clip | Window | Percentiles | ZScore | FixedZScore | Scale | FromMinimum | Squash


@dataclass(frozen=True)
class Foreground:
    """The network sees only the smallest box that holds every voxel above a value.

    Outside the box the probability of every class counts as 0, so that it is background. Nothing is cut where no voxel
    is above the value.

    Attributes:
        above: the value, after the first ``steps`` intensity steps.
        steps: how many intensity steps come before the cut.
        margin: voxels that are added on each side, as far as the grid goes.
        channel: of this input; None: of any.
        grid: whose voxels: the ``network``'s, or the first ``scan``'s, which then is cut before the network's grid is
            laid over it.
        axes: for a cut of the scan: ``turned``: the box is the foreground's. ``stored``: its bounds along I, J, K are
            taken for bounds along the network's axes 0, 1, 2, which is another box where the scan is turned in between
            (MONAIAuto3DSeg). A warning tells what of the foreground is lost.
    """

    above: float = 0.0
    steps: int = 0
    margin: int = 0
    channel: int | None = None
    grid: Literal["scan", "network"] = "network"
    axes: Literal["turned", "stored"] = "turned"


@dataclass(frozen=True)
class Inference:
    """How the network is moved over the grid.

    Attributes:
        patch: voxels along axes 0, 1, 2; None: the whole volume at once.
        overlap: fraction of a patch shared with its neighbour, 0 <= overlap < 1.
        windows: where patches lie along an axis. ``even``: evenly spread (nnU-Net). ``stepped``: one after the other,
            ``int(patch * (1 - overlap))`` voxels apart, the last one moved back to the end (MONAI).
        weighting: how overlapping predictions are averaged. ``monai``: a Gaussian in which no weight is below 1/1000.
        sigma: standard deviation of the Gaussian as a fraction of the patch (nnU-Net and MONAI use 1/8).
        padding: how a volume smaller than the patch, or not divisible, is extended.
        padding_value: the value for ``constant``, after the intensity steps.
        divisor: without a patch, each axis is padded to a multiple of this.
        mirror_axes: network axes over whose flips the prediction is averaged.
        batch: patches that go through the network together.
    """

    patch: Triple | None = None
    overlap: float = 0.5
    windows: Literal["even", "stepped"] = "even"
    weighting: Literal["gaussian", "constant", "monai"] = "gaussian"
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
    """

    activation: Literal["softmax", "sigmoid", "regions"] = "softmax"
    interpolate: Literal["logits", "probabilities", "labels"] = "logits"
    threshold: float = 0.5
    paint: tuple[int, ...] = ()


@dataclass(frozen=True)
class CleanUp:
    """What is done to the decided labels; with a region of interest, to what of them lies within it.

    Attributes:
        keep_largest: label values of which only the largest connected component (26 neighbours) stays.
        fill_holes: label values whose enclosed background is filled.
        minimum_volume: components smaller than this many mm^3 are removed, for every label.
        grid: on which grid: the ``scan``'s, or the ``network``'s before the labels are interpolated back.
    """

    keep_largest: tuple[int, ...] = ()
    fill_holes: tuple[int, ...] = ()
    minimum_volume: float = 0.0
    grid: Literal["scan", "network"] = "scan"


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
        name: identifier: letters, digits, ``. _ -``; the first is a letter or a digit.
        title: what a person reads.
        channels: the input volumes, in order.
        network: architecture.
        weights: one file, or several for an ensemble whose outputs are averaged.
        labels: structures; for softmax, ``value`` is the channel, for sigmoid the channel plus one.
        grid, intensity, inference, output, clean_up: the stations, in their order. ``intensity`` is applied to each
            channel on its own.
        statistics: over which voxels the intensity steps take percentiles, means and deviations: the ``scan``'s own, or
            those of the network's ``grid``, padding included. Neither depends on a region of interest.
        steps_on_scan: how many of the intensity steps are applied to the scan on its own grid, before it is brought
            onto the network's. Their statistics are the scan's.
        foreground: the part of the grid that the network sees; None: all of it.
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
    steps_on_scan: int = 0
    foreground: Foreground | None = None
    minimum_shape: Triple = (1, 1, 1)
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate(self)

    def intensity_of(self, channel: int) -> tuple[IntensityStep, ...]:
        """The intensity steps of an input channel."""
        own = self.channels[channel].intensity
        return self.intensity if own is None else own

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
        return typing.cast(ModelSpec, from_plain(cls, data, "model"))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, all keys present."""
        return typing.cast("dict[str, Any]", to_plain(self))


def _validate(spec: ModelSpec) -> None:
    if not is_plain_name(spec.name, LONGEST_NAME):
        problem = f"may only hold {LONGEST_NAME} letters, digits and . _ -, and begins with a letter or digit"
        raise _invalid("model.name", f"{shown(spec.name)} {problem}")
    _validate_texts(spec)
    _validate_weights(spec.weights)
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
    if sorted(spec.grid.transpose) != [0, 1, 2]:
        raise _invalid("model.grid.transpose", "names each of the axes 0, 1, 2 once")
    inference = spec.inference
    if not 0 <= inference.overlap < 1:
        raise _invalid("model.inference.overlap", "must lie in [0, 1)")
    if not SMALLEST_SIGMA <= inference.sigma <= LARGEST_SIGMA:
        raise _invalid("model.inference.sigma", f"must lie between {SMALLEST_SIGMA} and {LARGEST_SIGMA}")
    if len({0, 1, 2} & set(inference.mirror_axes)) != len(inference.mirror_axes):
        raise _invalid("model.inference.mirror_axes", "axes are 0, 1, 2, each once")
    if any(len(spec.intensity_of(n)) > MOST_STEPS for n in range(len(spec.channels))):
        raise _invalid("model.intensity", f"has more than {MOST_STEPS} steps")
    if not 0 < spec.output.threshold < 1:
        raise _invalid("model.output.threshold", "must lie between 0 and 1")
    known = {label.value for label in spec.labels}
    if not set(spec.clean_up.keep_largest) | set(spec.clean_up.fill_holes) <= known:
        raise _invalid("model.clean_up", "names a label value that the model does not have")
    if spec.clean_up.grid == "network" and spec.output.interpolate != "labels":
        raise _invalid("model.clean_up.grid", "is the network's only where labels are interpolated back")
    steps = {"steps_on_scan": spec.steps_on_scan}
    if spec.foreground is not None:
        steps["foreground.steps"] = spec.foreground.steps
    for where, count in steps.items():
        if not 0 <= count <= max(len(spec.intensity_of(n)) for n in range(len(spec.channels))):
            raise _invalid(f"model.{where}", "must lie between 0 and the number of intensity steps")
    if not 0 <= spec.clean_up.minimum_volume <= LARGEST_VALUE:
        raise _invalid("model.clean_up.minimum_volume", f"must lie between 0 and {LARGEST_VALUE:g}")
    _validate_ranges(spec)
    _validate_combinations(spec)


LONGEST_NAME = 64
"""Characters of a model's name, which stands in the names of files."""

LONGEST_LABEL = 200
"""Characters of the name of a label or a channel."""

LONGEST_LINE = 1000
"""Characters of any other text of one line."""

LONGEST_TEXT = 100_000
"""Characters of a text of many lines, and of ``measured`` in all. Licences have some 35,000."""

TEXTS = {"model.description", "model.licence", "model.citation"}
"""The texts that may have many lines."""

MOST_WEIGHTS = 32
"""Members of an ensemble."""

MOST_STEPS = 32
"""Intensity steps that a description may ask for."""

LARGEST_EDGE = 65536
"""Voxels along an axis, or patches at a time, that a description may ask for."""

MOST_VOXELS = 2**29
"""Voxels of a patch, or of a grid of fixed shape: a whole body at once, 512 x 1024 x 1024."""

SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 1e-3, 1e3

SMALLEST_SIGMA, LARGEST_SIGMA = 0.01, 10.0
"""Of a patch. Outside, the Gaussian is one voxel, or no weighting at all."""

SMALLEST_VALUE, LARGEST_VALUE = 1e-9, 1e9
"""Values, factors and offsets of voxels. float32 holds their products and squares with room to spare."""


def is_plain_name(name: str, longest: int) -> bool:
    """Whether a model can be named so: it stands in names of files, and among options of the command line."""
    plain = name.isascii() and all(c.isalnum() or c in "._-" for c in name)
    return plain and 0 < len(name) <= longest and name[0].isalnum()


def _validate_texts(spec: ModelSpec) -> None:
    """A stranger's text is shown on terminals, so it holds nothing that would steer one, and has an end."""
    for where, text in texts_of(spec, "model"):
        many = where in TEXTS
        if not is_harmless(text, lines=many):
            raise _invalid(where, f"{shown(text)} holds control characters{'' if many else ' or several lines'}")
        if len(text) > (LONGEST_TEXT if many else LONGEST_LINE):
            raise _invalid(where, f"has {len(text)} characters")
    for kind, name in [("labels", x.name) for x in spec.labels] + [("channels", x.name) for x in spec.channels]:
        if len(name) > LONGEST_LABEL:
            raise _invalid(f"model.{kind}", f"{shown(name)} has more than {LONGEST_LABEL} characters")
    if len(str(spec.measured)) > LONGEST_TEXT:
        raise _invalid("model.measured", f"is longer than {LONGEST_TEXT} characters")


def _validate_weights(weights: tuple[Weights, ...]) -> None:
    if not weights:
        raise _invalid("model.weights", "at least one weights file is needed")
    if len(weights) > MOST_WEIGHTS:
        raise _invalid("model.weights", f"has more than {MOST_WEIGHTS} files")
    if len({PureWindowsPath(item.file) for item in weights}) != len(weights):
        raise _invalid("model.weights", "names a file twice")


def _validate_ranges(spec: ModelSpec) -> None:
    """A description comes from strangers: no number in it may be out of all proportion."""
    for label in spec.labels:
        if not label.name.strip() or not label.name.isprintable():
            raise _invalid("model.labels", f"{shown(label.name)} is not a name")
        if any(not 0 <= part <= 255 for part in label.color):
            raise _invalid("model.labels", f"the colour of {shown(label.name)} does not lie between 0 and 255")
        if label.layer != 0:
            raise _invalid("model.labels", f"{shown(label.name)} has a layer, which results have and models have not")
    if spec.foreground is not None:
        if not 0 <= spec.foreground.margin <= LARGEST_EDGE:
            raise _invalid("model.foreground.margin", f"must lie between 0 and {LARGEST_EDGE}")
        if not abs(spec.foreground.above) <= LARGEST_VALUE:
            raise _invalid("model.foreground.above", f"must lie within {LARGEST_VALUE:g}")
    sizes = {
        "grid.shape": spec.grid.shape,
        "inference.patch": spec.inference.patch,
        "inference.divisor": 3 * (spec.inference.divisor,),
        "inference.batch": (spec.inference.batch,),
        "minimum_shape": spec.minimum_shape,
    }
    for where, size in sizes.items():
        if size is not None and any(not 1 <= n <= LARGEST_EDGE for n in size):
            raise _invalid(f"model.{where}", f"must lie between 1 and {LARGEST_EDGE}")
        if size is not None and math.prod(size) > MOST_VOXELS:
            raise _invalid(f"model.{where}", f"has more than {MOST_VOXELS} voxels")
    if not abs(spec.inference.padding_value) <= LARGEST_VALUE:
        raise _invalid("model.inference.padding_value", f"must lie within {LARGEST_VALUE:g}")
    if any(not SMALLEST_SPACING_MM <= mm <= LARGEST_SPACING_MM for mm in spec.grid.spacing or ()):
        raise _invalid("model.grid.spacing", f"must lie between {SMALLEST_SPACING_MM} and {LARGEST_SPACING_MM} mm")
    own = [step for channel in spec.channels for step in channel.intensity or ()]
    for n, step in enumerate((*spec.intensity, *own)):
        where = f"model.intensity[{n}]"
        for f in dataclasses.fields(step):
            value = getattr(step, f.name)
            if isinstance(value, (int, float)) and not abs(value) <= LARGEST_VALUE:
                raise _invalid(f"{where}.{f.name}", f"must lie within {LARGEST_VALUE:g}")
        if isinstance(step, Percentiles) and not 0 <= step.lower < step.upper <= 100:
            raise _invalid(where, "percentiles rise from lower to upper, between 0 and 100")
        if isinstance(step, (Clip, Window, FixedZScore)) and not step.low < step.high:
            raise _invalid(where, "low must be below high")
        if isinstance(step, FixedZScore) and not step.std >= SMALLEST_VALUE:
            raise _invalid(where, f"std must be at least {SMALLEST_VALUE:g}")
        if isinstance(step, Scale) and not abs(step.factor) >= SMALLEST_VALUE:
            raise _invalid(where, f"factor must be at least {SMALLEST_VALUE:g}")


def _validate_combinations(spec: ModelSpec) -> None:
    """Settings that mean nothing without others."""
    output, foreground = spec.output, spec.foreground
    if (output.activation == "regions") != bool(output.paint):
        raise _invalid("model.output.paint", "belongs to the activation 'regions'")
    values = {label.value for label in spec.labels}
    if output.paint and (not set(output.paint) >= values or not all(0 <= value < 65536 for value in output.paint)):
        raise _invalid("model.output.paint", "must hold the value of every label")
    if not 0 <= spec.grid.tolerance < 1:
        raise _invalid("model.grid.tolerance", "must lie in [0, 1)")
    if foreground is not None and foreground.channel is not None and not 0 <= foreground.channel < len(spec.channels):
        raise _invalid("model.foreground.channel", "is not one of the model's channels")
    if foreground is not None and foreground.grid == "scan" and foreground.steps > spec.steps_on_scan:
        raise _invalid("model.foreground.steps", "must be on the scan where the foreground is the scan's")
