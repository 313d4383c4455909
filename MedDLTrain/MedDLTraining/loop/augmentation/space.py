"""Rotation, scaling, elastic deformation and flips: one grid and one interpolation for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  its name everywhere
from torch import Tensor

from ...plan import Augmentation
from .chance import Draws

FLAT = 3.0
"""With voxels so many times longer along one axis, patches are turned about it alone."""

KNOTS = 5
"""Of the elastic deformation along each axis."""

AT_ONCE = 8
"""Labels whose masks are interpolated together."""


def vary_space(
    images: Tensor,
    truth: Tensor,
    patch: Sequence[int],
    spacing: Sequence[float],
    settings: Augmentation,
    draws: Draws,
    padding: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Cuts the patch out of its surroundings, where it is met by an effect on a deformed grid.

    Images are interpolated linearly. Of the labels, each voxel takes the one of which most lies there.

    Args:
        images: ``(B, C, s0, s1, s2)`` float32.
        truth: ``(B, L, s0, s1, s2)`` float32; one layer of values, or masks.
        patch: voxels of the result, in the middle.
        spacing: mm along the axes.
        settings: what happens, and how often.
        draws: decides.
        padding: value of the images outside.

    Returns:
        ``(B, C, *patch)`` and ``(B, L, *patch)``.
    """
    a, b, c = ((s - p) // 2 for s, p in zip(images.shape[2:], patch, strict=True))
    x, y, z = (slice(start, start + p) for start, p in zip((a, b, c), patch, strict=True))
    flipped = [axis for axis in settings.flips if patch[axis] > 1]
    matrices, moved = _matrices(len(images), patch, spacing, settings, draws)
    bent = draws.chosen(len(images), settings.elastic.probability)
    met = torch.unique(torch.cat([moved, bent]))
    near_images, near_truth = images[:, :, x, y, z].clone(), truth[:, :, x, y, z].clone()
    if len(met):
        grid = _grid(matrices, patch, images.shape[2:], spacing)
        if len(bent):
            own, side = draws.of(bent), min(n * mm for n, mm in zip(patch, spacing, strict=True) if n > 1)
            amount = own.strengths(len(bent), settings.elastic) * side
            grid[bent] += _bend(amount, patch, images.shape[2:], spacing, own)
        near_images[met] = _sampled(images[met] - padding, grid[met]) + padding
        near_truth[met] = _labels(truth[met], grid[met])
    for axis in flipped:
        turned = draws.chosen(len(images), 0.5)
        near_images[turned] = near_images[turned].flip(axis + 2)
        near_truth[turned] = near_truth[turned].flip(axis + 2)
    return near_images, near_truth


def _matrices(
    count: int, patch: Sequence[int], spacing: Sequence[float], settings: Augmentation, draws: Draws
) -> tuple[Tensor, Tensor]:
    """``(count, 3, 3)``: offsets in mm of the result -> of the source, axes 0, 1, 2; and which are no identity."""
    rotated = draws.chosen(count, settings.rotation.probability)
    scaled = draws.chosen(count, settings.scaling.probability)
    matrices = torch.eye(3, device=draws.device).repeat(count, 1, 1)
    degrees = draws.uniform((count, 3), settings.rotation.low, settings.rotation.high)
    sizes = draws.strengths(count, settings.scaling)
    axes = _turned_about(patch, spacing)
    for axis in axes:
        matrices[rotated] = matrices[rotated] @ _rotation(axis, degrees[rotated, axis])
    matrices[scaled] = matrices[scaled] / sizes[scaled, None, None]
    return matrices, torch.unique(torch.cat([rotated, scaled]))


def _turned_about(patch: Sequence[int], spacing: Sequence[float]) -> list[int]:
    single = [axis for axis, n in enumerate(patch) if n == 1]
    if single:
        return single[:1] if len(single) == 1 else []
    longest = max(range(3), key=lambda axis: spacing[axis])
    return [longest] if spacing[longest] > FLAT * min(spacing) else [0, 1, 2]


def _rotation(axis: int, degrees: Tensor) -> Tensor:
    angle = torch.deg2rad(degrees)
    p, q = [n for n in range(3) if n != axis]
    matrix = torch.eye(3, device=degrees.device).repeat(len(degrees), 1, 1)
    matrix[:, p, p] = matrix[:, q, q] = angle.cos()
    matrix[:, p, q], matrix[:, q, p] = -angle.sin(), angle.sin()
    return matrix


def _grid(matrices: Tensor, patch: Sequence[int], source: Sequence[int], spacing: Sequence[float]) -> Tensor:
    """``(B, *patch, 3)`` places in the source, as ``grid_sample`` takes them: -1 to 1 between faces, axis 2 first."""
    mm = torch.tensor(spacing, dtype=torch.float32, device=matrices.device)
    half_patch = mm * torch.tensor(patch, device=matrices.device)
    half_source = mm * torch.tensor(source, device=matrices.device)
    theta = matrices * half_patch[None, None, :] / half_source[None, :, None]
    theta = theta.flip(1, 2)  # grid_sample counts axes from the last one
    theta = torch.cat([theta, torch.zeros_like(theta[:, :, :1])], dim=2)
    return F.affine_grid(theta, [len(matrices), 1, *patch], align_corners=False)


def _bend(
    amount: Tensor, patch: Sequence[int], source: Sequence[int], spacing: Sequence[float], draws: Draws
) -> Tensor:
    """``(B, *patch, 3)`` smooth displacements with a standard deviation of ``amount`` mm at the knots."""
    knots = draws.normal((len(amount), 3, *(KNOTS if n > 1 else 1 for n in patch)))
    field = F.interpolate(knots, tuple(patch), mode="trilinear", align_corners=True)
    half = torch.tensor([0.5 * n * mm for n, mm in zip(source, spacing, strict=True)], device=amount.device)
    wide = torch.tensor([float(n > 1) for n in patch], device=amount.device)
    field = field * amount[:, None, None, None, None] * (wide / half)[None, :, None, None, None]
    return field.permute(0, 2, 3, 4, 1).flip(-1)


def _sampled(values: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(values, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _labels(truth: Tensor, grid: Tensor) -> Tensor:
    if truth.shape[1] > 1:
        return (_sampled(truth, grid) >= 0.5).to(truth.dtype)
    values = torch.bincount(truth.flatten().long()).nonzero()[:, 0].to(truth.dtype)
    values = values[values != 0]
    winner = torch.zeros((len(grid), 1, *grid.shape[1:4]), dtype=truth.dtype, device=truth.device)
    best, others = torch.zeros_like(winner), torch.ones_like(winner)
    for group in torch.split(values, AT_ONCE) if len(values) else ():
        shares = _sampled((truth == group[None, :, None, None, None]).to(truth.dtype), grid)
        share, index = shares.max(dim=1, keepdim=True)
        winner = torch.where(share > best, group[index], winner)
        best = torch.maximum(best, share)
        others = others - shares.sum(dim=1, keepdim=True)
    return torch.where(best > others, winner, 0)  # what no label has is the background's, and all that lies outside
