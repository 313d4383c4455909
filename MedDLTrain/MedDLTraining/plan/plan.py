"""Plan: everything that decides the result of a training. Spatial values are in network axis order (see ``spec``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from MedDLCore.spec import (
    Channel,
    Clicks,
    Crops,
    Grid,
    Inference,
    IntensityStep,
    ModelSpec,
    Network,
    Output,
    Triple,
    Weights,
)
from MedDLCore.volume import Label

GRID = Grid(rule="extent", interpolation="cubic")
"""As nnU-Net lays it."""


@dataclass(frozen=True)
class Loss:
    """What is minimised.

    Attributes:
        kind: ``dice_ce``: soft Dice plus cross-entropy (Isensee et al. 2021). ``dice_focal``: soft Dice plus the focal
            loss (Lin et al. 2017). ``focal``: that alone. ``tversky``: the Tversky loss (Salehi et al. 2017).
        overlap: weight of the Dice term.
        pointwise: weight of the cross-entropy or focal term.
        gamma: exponent of the focal loss.
        alpha: weight of false positives in the Tversky loss.
        beta: weight of false negatives there.
    """

    kind: Literal["dice_ce", "dice_focal", "focal", "tversky"] = "dice_ce"
    overlap: float = 1.0
    pointwise: float = 1.0
    gamma: float = 2.0
    alpha: float = 0.3
    beta: float = 0.7


@dataclass(frozen=True)
class Optimiser:
    """How weights follow gradients.

    Attributes:
        kind: ``sgd`` with Nesterov's momentum, ``adam``, or ``adamw`` (Loshchilov & Hutter 2019).
        rate: learning rate at its highest.
        momentum: of ``sgd``; the first beta of the others is 0.9.
        weight_decay: L2; decoupled for ``adamw``.
        clip: the gradient's norm is cut to this; None: never.
        average: decay per step of an exponential moving average of the weights, which is then what is validated and
            kept; None: none.
    """

    kind: Literal["sgd", "adam", "adamw"] = "sgd"
    rate: float = 1e-2
    momentum: float = 0.99
    weight_decay: float = 3e-5
    clip: float | None = 12.0
    average: float | None = None


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the whole training, from ``rate`` to 0.

    Attributes:
        kind: ``polynomial``: (1 - t) ** power. ``cosine``: half a period. ``constant``.
        power: of the polynomial.
        warm_up: part of all iterations over which the rate rises to its highest.
    """

    kind: Literal["polynomial", "cosine", "constant"] = "polynomial"
    power: float = 0.9
    warm_up: float = 0.0


@dataclass(frozen=True)
class Validation:
    """The Dice on cases that are not learnt from, by the sliding window that users get.

    Attributes:
        every: epochs from one to the next; the last epoch is always followed by one.
        cases: of the held-out cases, at most so many are looked at; None: all.
        patience: validations without a better mean Dice after which the training ends; None: it runs to its end.
    """

    every: int = 1
    cases: int | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Effect:
    """A change of a part of the patches: how likely for each, and between which values its strength is drawn."""

    probability: float
    low: float
    high: float


@dataclass(frozen=True)
class Augmentation:
    """How patches are varied. A probability of 0 switches an effect off.

    Attributes:
        flips: network axes along which half of the patches are flipped.
        rotation: degrees about each axis (about one alone where voxels are long along it).
        scaling: factor of size.
        elastic: standard deviation of the displacement, as a part of the patch's shortest side.
        noise: standard deviation, in those of the patch.
        blur: standard deviation of the Gaussian, voxels.
        sharpening: factor of the difference to a blurred copy that is added.
        brightness: factor of all values.
        contrast: factor of the distance to the mean; the patch's range stays.
        gamma: exponent of the values, scaled to 0..1; mean and deviation stay.
        bias_field: standard deviation of the logarithm of a slowly varying factor.
        low_resolution: the patch at this part of its resolution, interpolated back.
    """

    flips: tuple[int, ...] = ()
    rotation: Effect = Effect(0.3, -30.0, 30.0)
    scaling: Effect = Effect(0.3, 0.7, 1.4)
    elastic: Effect = Effect(0.15, 0.01, 0.04)
    noise: Effect = Effect(0.15, 0.0, 0.3)
    blur: Effect = Effect(0.15, 0.5, 1.0)
    sharpening: Effect = Effect(0.1, 0.2, 1.0)
    brightness: Effect = Effect(0.15, 0.75, 1.25)
    contrast: Effect = Effect(0.15, 0.65, 1.5)
    gamma: Effect = Effect(0.2, 0.7, 1.5)
    bias_field: Effect = Effect(0.15, 0.05, 0.3)
    low_resolution: Effect = Effect(0.15, 0.5, 1.0)


@dataclass(frozen=True)
class Listening:
    """Clicks that are simulated, so that the network learns to listen to a person's. See ``loop.listening``.

    Attributes:
        radius: mm, see ``spec.Clicks``.
        silent: the part of the patches that are learnt from without a click.
        most: of the others, each has between 1 and so many clicks.
        weight: of the loss at the clicks, beside the loss of the whole patch.
    """

    radius: float
    silent: float = 0.5
    most: int = 4
    weight: float = 1.0


@dataclass(frozen=True)
class Start:
    """The model whose weights the training begins with; the last layer is new.

    Attributes:
        model: its name, or its folder.
        sha256: the package that is meant; None: whatever has that name.
        fixed: the part of its weights, counted from the input, that is not trained. 0: all are trained. 1: only the new
            head is, so that the rest are fixed features.
    """

    model: str
    sha256: str | None = None
    fixed: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A training.

    Attributes:
        name: of the model that comes out.
        channels, labels, grid, intensity, statistics, steps_on_scan, crops, inference, network: as in ``ModelSpec``;
            ``inference.patch`` is the patch that is trained on as well.
        overlapping: labels may overlap: each has a channel of its own, with a sigmoid.
        batch: patches of one iteration.
        iterations: of one epoch.
        epochs: of the whole training.
        foreground: the part of each batch whose patches are centred on a structure.
        deep_supervision: resolutions below the full one that also learn, where the network has outputs for them.
        folds: the cases are divided into so many parts; ``fold``, from 0, is held out. 0: as the data set's own split
            says; where that names several divisions (nnU-Net's ``splits_final.json``), ``fold`` is one of them.
        listening: the network learns to listen to clicks on every label, too; None: it does not.
        seed: of everything that is drawn.
        start: begin with another model's weights.
        mixed_precision: on a graphics card.
    """

    name: str
    labels: tuple[Label, ...]
    network: Network
    inference: Inference
    channels: tuple[Channel, ...] = (Channel("image"),)
    grid: Grid = GRID
    intensity: tuple[IntensityStep, ...] = ()
    statistics: Literal["scan", "grid"] = "scan"
    steps_on_scan: int = 0
    crops: Crops | None = None
    overlapping: bool = False
    batch: int = 2
    iterations: int = 250
    epochs: int = 100
    foreground: float = 0.5
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    validation: Validation = Validation()
    deep_supervision: int = 0
    folds: int = 5
    fold: int = 0
    listening: Listening | None = None
    seed: int = 0
    start: Start | None = None
    mixed_precision: bool = True
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from .plan_rules import check_plan

        check_plan(self)

    @property
    def patch(self) -> Triple:
        """Voxels along network axes 0, 1, 2."""
        if self.inference.patch is None:
            raise ValueError("a plan without a patch")  # the rules refuse it
        return self.inference.patch

    @property
    def spec(self) -> ModelSpec:
        """The model that the training makes, before it has weights."""
        values = tuple(label.value for label in self.labels)
        return ModelSpec(
            name=self.name,
            network=self.network,
            weights=(Weights("models/model.safetensors"),),
            labels=self.labels,
            channels=self.channels,
            grid=self.grid,
            intensity=self.intensity,
            statistics=self.statistics,
            steps_on_scan=self.steps_on_scan,
            inference=self.inference,
            crops=self.crops,
            clicks=None if self.listening is None else Clicks(values, self.listening.radius),
            output=Output("sigmoid" if self.overlapping else "softmax", apart=self.grid.apart),
        )
