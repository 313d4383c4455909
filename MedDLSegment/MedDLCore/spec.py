"""ModelSpec: what MedDL knows about a model, as plain data. No torch, no code, nothing to execute.

A spec is read from JSON with every key checked: an unknown key or a wrong type is refused by its path, because a
silently ignored setting is a silently wrong result. Everything spatial is in **network axis order**: axis 0, 1, 2
are the spatial axes of the tensor that the network sees, ``(batch, channel, axis 0, axis 1, axis 2)``.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .plain_data import from_plain, to_plain
from .volume import Label

Triple = tuple[int, int, int]
FloatTriple = tuple[float, float, float]

CHANNELS_OF_A_LABEL = 3
"""That a network which listens takes for each label: positive clicks, negative clicks, what was found."""


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
        spacing: mm along axes 0, 1, 2; None keeps the input's, and so does 0 along a single axis.
        tolerance: an axis whose spacing differs from the wanted one by no more than this part of it keeps its own.
        rule: what stays where the spacing changes. ``centred``: the scan's centre. ``first_voxel``: the centre of the
            first voxel, as MONAI's Spacing does it (``Geometry.with_spacing_from_first_voxel``); beyond the scan, its
            edge is repeated. ``extent``: the outer faces of the scan; shape = round(n * s / s'), and the spacing adapts
            to it (nnU-Net).
        crop: ``nonzero``: before anything else, to the smallest box that holds every voxel that is not 0 in some
            channel. Outside it everything is background.
        shape: a fixed number of voxels, centred on the input's centre; None takes what the input's extent gives.
        straight: axes parallel to the patient's (an oblique scan is turned), not merely the nearest ones.
        interpolation: how the image is brought onto the grid.
        apart: with the rule ``extent``: where the largest spacing of the scan, or else of the grid, is more than this
            many times the smallest, the axis of the largest is resampled on its own, with nearest neighbour (nnU-Net's
            "separate z"). None: never.
    """

    orientation: str | None = "RAS"
    transpose: Triple = (0, 1, 2)
    spacing: FloatTriple | None = None
    tolerance: float = 0.0
    shape: Triple | None = None
    straight: bool = False
    interpolation: Literal["linear", "cubic"] = "linear"
    rule: Literal["centred", "first_voxel", "extent"] = "centred"
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
            ``nnunet``: its Gaussian as nnU-Net computes it, centred on voxel n // 2 and rounded to half precision;
            weights that vanish there become the smallest other one.
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
    weighting: Literal["gaussian", "constant", "monai", "nnunet"] = "gaussian"
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
class Crops:
    """What a model was trained on where that is no whole scans: boxes around what it finds.

    Attributes:
        extent: mm along network axes 0, 1, 2: the median of the crops.
        largest: the largest along each axis.
    """

    extent: FloatTriple
    largest: FloatTriple

    def __str__(self) -> str:
        """The extent, for people."""
        return " x ".join(f"{mm:g}" for mm in self.extent) + " mm"


@dataclass(frozen=True)
class Clicks:
    """What a network that listens takes beside the scan: where a person clicked, and what has been found so far.

    One network does both: where these channels are 0 it segments on its own; each click is a correction (Diaz-Pinto
    et al. 2022, DeepEdit). After the channels of the scan there come, for each label in order, one
    of its positive clicks; then for each label one of its negative clicks; then for each label what was found of it, 1
    inside and 0 outside (Sofiiuk et al. 2022, RITM). A label has channels of its own, because a click says what is
    there, or what is not: for overlapping structures, too, and without a current structure that a network would have
    to be told of.

    Attributes:
        labels: values of the labels that can be clicked.
        radius: mm, or voxels along an axis on which the grid keeps the scan's spacing; a click is a ball of ones around
            the centre of its voxel. Balls of a fixed size say where, and change nothing far away, as distances would
            (Sofiiuk et al. 2022, table 1).
    """

    labels: tuple[int, ...]
    radius: float


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
            onto the network's. Their statistics are the scan's, cropped if ``grid.crop`` says so.
        previous: label values of an earlier model's result that the network takes as further channels, 1 inside and 0
            outside, after those of the scan (nnU-Net's cascade).
        clicks: what the network takes of a person's clicks; None: it takes none.
        foreground: the part of the grid that the network sees; None: all of it.
        minimum_shape: fewest voxels the input must have along K, J, I.
        crops: what it was trained on; it then works on a scan of that size, or near a point that a person names. None:
            whole scans.
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
    previous: tuple[int, ...] = ()
    clicks: Clicks | None = None
    foreground: Foreground | None = None
    minimum_shape: Triple = (1, 1, 1)
    crops: Crops | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from .spec_rules import check_spec

        check_spec(self)

    def intensity_of(self, channel: int) -> tuple[IntensityStep, ...]:
        """The intensity steps of an input channel."""
        own = self.channels[channel].intensity
        return self.intensity if own is None else own

    @property
    def input_channels(self) -> int:
        """Channels that the network takes."""
        heard = 0 if self.clicks is None else CHANNELS_OF_A_LABEL * len(self.clicks.labels)
        return len(self.channels) + len(self.previous) + heard

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
