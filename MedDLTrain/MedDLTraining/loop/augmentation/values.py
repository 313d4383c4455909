"""Changes of values. Each function takes ``(n, C, d0, d1, d2)`` float32 and a strength for each of the n."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  its name everywhere
from torch import Tensor

from .chance import Draws

RADIUS = 3
"""Voxels of a Gaussian on each side of its middle."""

KNOTS = 4
"""Of the bias field along each axis."""

FLAT = 1e-6
"""A range or deviation below this has nothing to be scaled with."""

SPACE = (2, 3, 4)


def noise(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:
    """Gaussian noise; the strength is in standard deviations of each channel."""
    deviation = images.std(dim=SPACE, keepdim=True)
    return images + draws.normal(images.shape) * deviation * _each(strength)


def blur(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:  # noqa: ARG001
    """A Gaussian whose standard deviation, in voxels, is the strength."""
    count, channels = images.shape[:2]
    offsets = torch.arange(-RADIUS, RADIUS + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets[None] / strength[:, None].clamp_min(FLAT)) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    values = images.reshape(1, count * channels, *images.shape[2:])
    for axis in range(3):
        if images.shape[axis + 2] == 1:
            continue
        shape, padding = [1, 1, 1], [0] * 6
        shape[axis] = 2 * RADIUS + 1
        padding[4 - 2 * axis] = padding[5 - 2 * axis] = RADIUS
        padded = F.pad(values, padding, mode="replicate")
        values = F.conv3d(padded, kernels.reshape(-1, 1, *shape), groups=count * channels)
    return values.reshape(images.shape)


def sharpening(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:
    """An unsharp mask: the difference to a blurred copy is added."""
    blurred = blur(images, torch.ones_like(strength), draws)
    return images + _each(strength) * (images - blurred)


def brightness(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:  # noqa: ARG001
    """All values times the strength."""
    return images * _each(strength)


def contrast(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:  # noqa: ARG001
    """Distances to the mean times the strength, within the range that the patch had."""
    mean = images.mean(dim=SPACE, keepdim=True)
    low, high = images.amin(dim=SPACE, keepdim=True), images.amax(dim=SPACE, keepdim=True)
    return torch.minimum(torch.maximum((images - mean) * _each(strength) + mean, low), high)


def gamma(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:  # noqa: ARG001
    """Values, scaled to 0..1, to the power of the strength; mean and standard deviation stay."""
    mean, deviation = images.mean(dim=SPACE, keepdim=True), images.std(dim=SPACE, keepdim=True)
    low, high = images.amin(dim=SPACE, keepdim=True), images.amax(dim=SPACE, keepdim=True)
    bent = ((images - low) / (high - low).clamp_min(FLAT)).clamp(0, 1) ** _each(strength)
    own = bent.std(dim=SPACE, keepdim=True)
    result = (bent - bent.mean(dim=SPACE, keepdim=True)) / own.clamp_min(FLAT) * deviation + mean
    return torch.where(own > FLAT, result, images)


def bias_field(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:
    """A slowly varying factor, as of an MR coil. It is applied to the values above each channel's minimum."""
    knots = draws.normal((len(images), 1, *(KNOTS if n > 1 else 1 for n in images.shape[2:])))
    field = F.interpolate(knots, images.shape[2:], mode="trilinear", align_corners=True)
    low = images.amin(dim=SPACE, keepdim=True)
    return (images - low) * torch.exp(field * _each(strength)) + low


def low_resolution(images: Tensor, strength: Tensor, draws: Draws) -> Tensor:  # noqa: ARG001
    """Thrown away by nearest neighbour down to this part of the resolution, and interpolated back."""
    results = []
    for image, part in zip(images[:, None], strength.tolist(), strict=True):
        small = [max(1, round(n * part)) for n in images.shape[2:]]
        down = F.interpolate(image, small, mode="nearest-exact")
        results.append(F.interpolate(down, images.shape[2:], mode="trilinear", align_corners=False))
    return torch.cat(results)


def _each(strength: Tensor) -> Tensor:
    return strength[:, None, None, None, None]


EFFECTS: dict[str, Callable[[Tensor, Tensor, Draws], Tensor]] = {
    "noise": noise,
    "blur": blur,
    "sharpening": sharpening,
    "brightness": brightness,
    "contrast": contrast,
    "bias_field": bias_field,
    "low_resolution": low_resolution,
    "gamma": gamma,
}
"""By their name in the plan, in the order in which they are applied."""
