"""MeshNet: a stack of dilated 3-D convolutions (Fedorov et al. 2017, arXiv:1612.00940)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU}

LARGEST_OUTPUT = 2**31 - 1
"""Bytes that one convolution on the CPU writes at once. oneDNN's 1x1x1 kernels address their output with 32 bits: 50
channels of 256^3 voxels ended in a segmentation fault (torch 2.13, AVX-512)."""

LAYER_KEYS = {"in_channels", "out_channels", "kernel_size", "padding", "stride", "dilation"}


class MeshNet(nn.Module):
    """Convolutions that keep the size; all but the last are followed by normalisation, activation and dropout.

    Attributes:
        model: the layers in one row; its indices are the keys of published weights (``model.0.weight``, ...).
    """

    def __init__(
        self,
        layers: Sequence[Mapping[str, int]],
        activation: str = "relu",
        bnorm: bool = False,
        bias: bool = True,
        dropout_p: float = 0.0,
    ) -> None:
        """Builds the layers.

        Args:
            layers: for each its in_channels, out_channels, kernel_size, padding, stride (1), dilation.
            activation: ``relu``, ``elu`` or ``gelu``.
            bnorm: batch normalisation after each convolution but the last.
            bias: of the convolutions.
            dropout_p: probability of dropping a channel in training.

        Raises:
            ValueError: for a layer that would change the size, or does not fit the one before.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is not one of {', '.join(ACTIVATIONS)}")
        row: list[nn.Module] = []
        for n, layer in enumerate(layers):
            _check(n, layer, layers[n - 1] if n else None)
            row.append(_Convolution(**layer, bias=bias))  # type: ignore[arg-type]
            if n == len(layers) - 1:
                break
            if bnorm:
                row.append(nn.BatchNorm3d(layer["out_channels"]))
            row.append(nn.GELU() if activation == "gelu" else ACTIVATIONS[activation](inplace=True))
            if dropout_p > 0:
                row.append(nn.Dropout3d(dropout_p))
        self.model = nn.Sequential(*row)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, d0, d1, d2)`` -> ``(B, outputs, d0, d1, d2)`` logits."""
        logits: Tensor = self.model(image)
        return logits


class _Convolution(nn.Conv3d):
    """A convolution that keeps the size, and writes an output too large for one call in slabs along axis 0."""

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, d0, d1, d2)`` -> ``(B, outputs, d0, d1, d2)``.

        A slab without a margin costs nothing, so that it can be thin and spare the library's work space.
        """
        slice_bytes = image.element_size() * len(image) * self.out_channels * image.shape[3] * image.shape[4]
        depth, margin = image.shape[2], int(self.padding[0])
        if slice_bytes * depth <= LARGEST_OUTPUT or image.device.type not in ("cpu", "meta"):
            return super().forward(image)
        thickness = max(1, (LARGEST_OUTPUT if margin else LARGEST_OUTPUT // 8) // slice_bytes)
        output = image.new_empty(len(image), self.out_channels, *image.shape[2:])
        for start in range(0, depth, thickness):
            stop = min(start + thickness, depth)
            first, last = max(start - margin, 0), min(stop + margin, depth)
            zeros = (0, 0, 0, 0, first - start + margin, stop + margin - last)
            slab = nn.functional.pad(image[:, :, first:last], zeros)
            padding = (0, *self.padding[1:])
            output[:, :, start:stop] = nn.functional.conv3d(
                slab, self.weight, self.bias, padding=padding, dilation=self.dilation
            )
        return output


def _check(n: int, layer: Mapping[str, int], before: Mapping[str, int] | None) -> None:
    if set(layer) != LAYER_KEYS or not all(type(value) is int for value in layer.values()):
        raise ValueError(f"layer {n} needs whole numbers for {', '.join(sorted(LAYER_KEYS))}, and nothing else")
    if min(layer[key] for key in LAYER_KEYS - {"padding"}) < 1:
        raise ValueError(f"layer {n} has a size below 1")
    if layer["stride"] != 1 or 2 * layer["padding"] != layer["dilation"] * (layer["kernel_size"] - 1):
        raise ValueError(f"layer {n} changes the size of the image")
    if before is not None and layer["in_channels"] != before["out_channels"]:
        raise ValueError(f"layer {n} takes {layer['in_channels']} channels; the one before gives others")
