"""The U-Net of nnU-Net, plain and with a residual encoder: logits of the input's size, without deep supervision.

Checkpoints hold weights for the outputs of every resolution, and the encoder's twice; the modules have the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .unet_blocks import ACTIVATIONS, CONVOLUTIONS, NORMS, TRANSPOSED, ResidualBlocks, Size, Style, Units

MOST_STAGES = 20
MOST_BLOCKS = 100
"""Far above any network in use."""

NORM_ARGUMENTS = {"eps", "affine", "momentum", "track_running_stats"}
ACTIVATION_ARGUMENTS = {"inplace", "negative_slope", "alpha", "approximate"}


class _Encoder(nn.Module):
    """Stages of falling resolution."""

    stages: nn.Sequential

    def forward(self, image: Tensor) -> list[Tensor]:
        """The output of every stage, the finest first."""
        outputs = []
        for stage in self.stages:
            image = stage(image)
            outputs.append(image)
        return outputs


class _PlainEncoder(_Encoder):
    def __init__(self, style: Style, inputs: int, plan: _Plan) -> None:
        super().__init__()
        before = [inputs, *plan.features]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    Units(style, plan.blocks[n], before[n], plan.features[n], plan.kernels[n], plan.strides[n])
                )
                for n in range(len(plan.features))
            )
        )


class _ResidualEncoder(_Encoder):
    def __init__(self, style: Style, inputs: int, plan: _Plan, stem: int) -> None:
        super().__init__()
        before = [stem, *plan.features]
        self.stem = Units(style, 1, inputs, stem, plan.kernels[0], (1,) * style.dimensions)
        self.stages = nn.Sequential(
            *(
                ResidualBlocks(style, plan.blocks[n], before[n], plan.features[n], plan.kernels[n], plan.strides[n])
                for n in range(len(plan.features))
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """The output of every stage, the finest first."""
        return super().forward(self.stem(image))


class _Decoder(nn.Module):
    def __init__(self, style: Style, encoder: _Encoder, plan: _Plan, outputs: int, blocks: Size) -> None:
        super().__init__()
        self.encoder = encoder  # its weights stand in the checkpoint under this name, too
        stages, up, heads = [], [], []
        for step, count in enumerate(blocks, start=1):
            below, here = plan.features[-step], plan.features[-step - 1]
            stride = tuple(plan.strides[-step])
            up.append(TRANSPOSED[style.dimensions](below, here, stride, stride, bias=style.bias))
            ones = (1,) * style.dimensions
            stages.append(Units(style, count, 2 * here, here, plan.kernels[-step - 1], ones))
            heads.append(CONVOLUTIONS[style.dimensions](here, outputs, 1))
        self.stages, self.transpconvs, self.seg_layers = nn.ModuleList(stages), nn.ModuleList(up), nn.ModuleList(heads)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Of the encoder's outputs, which are taken from the list and let go, the logits of the finest resolution."""
        image = features.pop()
        for up, stage in zip(self.transpconvs, self.stages, strict=True):
            image = stage(torch.cat((up(image), features.pop()), 1))
        logits: Tensor = self.seg_layers[-1](image)
        return logits


class _Plan:
    """The stages' sizes, from lists or from one value for all.

    Attributes:
        dimensions: 2 or 3.
        features, kernels, strides, blocks: one for each stage.
    """

    def __init__(self, features: Any, kernels: Any, strides: Any, blocks: Any) -> None:
        if not isinstance(kernels, (list, tuple)) or not kernels or not isinstance(kernels[0], (list, tuple)):
            raise ValueError("the kernel sizes are not a list of a list for each stage")
        self.dimensions = len(kernels[0])
        if self.dimensions not in CONVOLUTIONS:
            raise ValueError(f"a network in {self.dimensions} dimensions is not known")
        stages = len(kernels)
        if stages > MOST_STAGES:
            raise ValueError(f"{stages} stages are more than {MOST_STAGES}")
        self.features = _numbers(features, stages, "features")
        self.blocks = _numbers(blocks, stages, "blocks", MOST_BLOCKS)
        self.kernels = [_numbers(kernel, self.dimensions, "kernel size") for kernel in kernels]
        if not isinstance(strides, (list, tuple)) or len(strides) != stages:
            raise ValueError("the strides are not a list with one for each stage")
        self.strides = [_numbers(stride, self.dimensions, "stride") for stride in strides]
        if any(n % 2 == 0 for kernel in self.kernels for n in kernel):
            raise ValueError("a kernel of even size would change the size of the image")


class StagedUNet(nn.Module):
    """nnU-Net's own architecture (``PlainConvUNet``), and the one of its ResEnc presets (``ResidualEncoderUNet``)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        features: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        blocks: Sequence[int],
        decoder_blocks: Sequence[int],
        residual: bool = False,
        bias: bool = True,
        norm: str | None = "instance",
        norm_arguments: Mapping[str, Any] | None = None,
        activation: str | None = "LeakyReLU",
        activation_arguments: Mapping[str, Any] | None = None,
        activation_first: bool = False,
        dropout: bool = False,
        stem: int | None = None,
    ) -> None:
        """Builds the network.

        Args:
            inputs: channels.
            outputs: channels.
            features: channels of each stage, the finest first.
            kernels: of each stage, along 2 or 3 axes; odd.
            strides: of each stage's first convolution.
            blocks: convolutions, or residual blocks, of each stage.
            decoder_blocks: convolutions of each stage on the way up, the coarsest first.
            residual: an encoder of residual blocks.
            bias: of the convolutions.
            norm: ``instance``, ``batch`` or None.
            norm_arguments: of its constructor.
            activation: a name in ``ACTIVATIONS`` or None.
            activation_arguments: of its constructor.
            activation_first: before the normalisation.
            dropout: it was trained with dropout.
            stem: with a residual encoder, channels of the convolution before its stages; None: those of the first.

        Raises:
            ValueError: for sizes that do not fit, or a name that is not known.
        """
        super().__init__()
        plan = _Plan(features, kernels, strides, blocks)
        for name, known in ((norm, NORMS), (activation, ACTIVATIONS)):
            if name is not None and name not in known:
                raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        style = Style(
            plan.dimensions,
            bias,
            norm,
            _known(norm_arguments, NORM_ARGUMENTS),
            activation,
            _known(activation_arguments, ACTIVATION_ARGUMENTS),
            dropout,
            activation_first,
        )
        self.encoder: _Encoder
        if residual:
            self.encoder = _ResidualEncoder(style, inputs, plan, stem or plan.features[0])
        else:
            self.encoder = _PlainEncoder(style, inputs, plan)
        up = _numbers(decoder_blocks, len(plan.features) - 1, "blocks on the way up", MOST_BLOCKS)
        self.decoder = _Decoder(style, self.encoder, plan, outputs, up)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, d0, d1, d2)``, or ``(B, C, d0, d1)`` in two dimensions -> the same with ``outputs`` logits."""
        logits: Tensor = self.decoder(self.encoder(image))
        return logits


def _known(arguments: Mapping[str, Any] | None, names: set[str]) -> Mapping[str, Any]:
    """Arguments of a constructor, none of which is unknown."""
    if unknown := set(arguments or ()) - names:
        raise ValueError(f"the argument {min(unknown)!r} is not one of {', '.join(sorted(names))}")
    return arguments or {}


def _numbers(given: Any, count: int, what: str, most: int = 2**31) -> list[int]:
    """``count`` whole numbers from 1 to ``most``; one number stands for all."""
    values = [given] * count if isinstance(given, int) else given
    if not isinstance(values, (list, tuple)) or len(values) != count:
        raise ValueError(f"{what}: a list of {count} is needed")
    if not all(type(value) is int and 1 <= value <= most for value in values):
        raise ValueError(f"{what}: whole numbers from 1 to {most} are needed")
    return list(values)
