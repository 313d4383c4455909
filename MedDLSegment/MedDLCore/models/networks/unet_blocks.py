"""Blocks of nnU-Net's U-Nets, with the names of its weights.

The plain U-Net is that of Isensee et al. 2021 (doi:10.1038/s41592-020-01008-z); the residual blocks are those of
ResNet-D (He et al. 2019, arXiv:1812.01187), as Isensee et al. 2024 (arXiv:2404.09556) use them in its encoder. Its
checkpoints name some tensors twice (``conv`` and ``all_modules.0``); so do these modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

CONVOLUTIONS: Mapping[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: Mapping[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOLINGS: Mapping[int, Callable[..., nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
NORMS: Mapping[str, Mapping[int, type[nn.Module]]] = {
    "instance": {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
    "batch": {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
}
ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "LeakyReLU": nn.LeakyReLU,
    "ReLU": nn.ReLU,
    "ELU": nn.ELU,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "Mish": nn.Mish,
}

Size = Sequence[int]


@dataclass(frozen=True)
class Style:
    """What all blocks of a network share.

    Attributes:
        dimensions: 2 or 3.
        bias: of the convolutions.
        norm: a key of ``NORMS``, or None.
        norm_arguments: of its constructor.
        activation: a key of ``ACTIVATIONS``, or None.
        activation_arguments: of its constructor.
        dropout: a place is kept for it, which does nothing here.
        activation_first: before the normalisation.
    """

    dimensions: int
    bias: bool = True
    norm: str | None = "instance"
    norm_arguments: Mapping[str, Any] = field(default_factory=dict)
    activation: str | None = "LeakyReLU"
    activation_arguments: Mapping[str, Any] = field(default_factory=dict)
    dropout: bool = False
    activation_first: bool = False

    def make_activation(self) -> nn.Module:
        """The activation, or nothing."""
        if self.activation is None:
            return nn.Identity()
        return ACTIVATIONS[self.activation](**self.activation_arguments)

    def make_norm(self, channels: int) -> nn.Module:
        """The normalisation; there is one."""
        return NORMS[str(self.norm)][self.dimensions](channels, **self.norm_arguments)


class Unit(nn.Module):
    """A convolution that keeps the size (but for its stride), normalisation, activation."""

    def __init__(
        self,
        style: Style,
        inputs: int,
        outputs: int,
        kernel: Size,
        stride: Size,
        plain: bool = False,
        bias: bool = True,
    ) -> None:
        """``plain``: without dropout and activation. ``bias``: as the style says, or none."""
        super().__init__()
        padding = tuple((n - 1) // 2 for n in kernel)
        self.conv = CONVOLUTIONS[style.dimensions](
            inputs, outputs, tuple(kernel), tuple(stride), padding, bias=style.bias and bias
        )
        row: list[nn.Module] = [self.conv]
        if style.dropout and not plain:
            row.append(nn.Identity())
        if style.norm is not None:
            self.norm = style.make_norm(outputs)
            row.append(self.norm)
        if style.activation is not None and not plain:
            row.append(style.make_activation())
            if style.activation_first and style.norm is not None:
                row[-2:] = row[:-3:-1]
        self.all_modules = nn.Sequential(*row)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, inputs, ...)`` -> ``(B, outputs, ...)``."""
        result: Tensor = self.all_modules(image)
        return result


class Units(nn.Module):
    """Several in a row; the first has the stride."""

    def __init__(self, style: Style, count: int, inputs: int, outputs: int, kernel: Size, stride: Size) -> None:
        """Builds at least one."""
        super().__init__()
        ones = (1,) * style.dimensions
        self.convs = nn.Sequential(
            Unit(style, inputs, outputs, kernel, stride),
            *(Unit(style, outputs, outputs, kernel, ones) for _ in range(count - 1)),
        )

    def forward(self, image: Tensor) -> Tensor:
        """``(B, inputs, ...)`` -> ``(B, outputs, ...)``."""
        result: Tensor = self.convs(image)
        return result


class ResidualBlock(nn.Module):
    """Two convolutions, and around them the input.

    It is averaged down where there is a stride, and projected where the number of channels changes.
    """

    def __init__(self, style: Style, inputs: int, outputs: int, kernel: Size, stride: Size) -> None:
        """The first convolution has the stride."""
        super().__init__()
        ones = (1,) * style.dimensions
        self.conv1 = Unit(style, inputs, outputs, kernel, stride)
        self.conv2 = Unit(style, outputs, outputs, kernel, ones, plain=True)
        self.nonlin2 = style.make_activation()
        around: list[nn.Module] = []
        if any(n != 1 for n in stride):
            around.append(POOLINGS[style.dimensions](tuple(stride), tuple(stride)))
        if inputs != outputs:
            around.append(Unit(style, inputs, outputs, ones, ones, plain=True, bias=False))
        self.skip = nn.Sequential(*around)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, inputs, ...)`` -> ``(B, outputs, ...)``."""
        result: Tensor = self.nonlin2(self.conv2(self.conv1(image)) + self.skip(image))
        return result


class ResidualBlocks(nn.Module):
    """Several in a row; the first has the stride."""

    def __init__(self, style: Style, count: int, inputs: int, outputs: int, kernel: Size, stride: Size) -> None:
        """Builds at least one."""
        super().__init__()
        ones = (1,) * style.dimensions
        self.blocks = nn.Sequential(
            ResidualBlock(style, inputs, outputs, kernel, stride),
            *(ResidualBlock(style, outputs, outputs, kernel, ones) for _ in range(count - 1)),
        )

    def forward(self, image: Tensor) -> Tensor:
        """``(B, inputs, ...)`` -> ``(B, outputs, ...)``."""
        result: Tensor = self.blocks(image)
        return result
