"""The way to the network's grid and back, in MONAI's transforms.

A grid that is laid from the first voxel is MONAI's own: ``Spacingd``, and ``ResampleToMatchd`` on the way back. One
that keeps the outer faces (nnU-Net's) has for every scan another number of voxels, and maybe an axis that is resampled
on its own. That takes expressions, which are defined once and used by ``Lambdad``; together they do what
``MedDLCore.stretch`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from MedDLCore.spec import Grid, ModelSpec

from .refusal import NotInMonaiError

SCAN = "scan"
"""The key under which the first input is kept, turned, but as it was before the change of grid."""

HEADER = "$lambda mm: round(mm, 6) if abs(round(mm, 6) - mm) < 1e-12 else float(numpy.float32(mm))"
"""A spacing without what it lost on its way through a matrix; see ``preprocess.grid``."""

WANTED = "$lambda x, spacing=@spacing: [mm or own for mm, own in zip(spacing, x.pixdim.tolist())]"

SHAPE = (
    "$lambda x, wanted=@wanted, header=@header: "
    "[max(1, round(header(own) / mm * n)) for n, own, mm in zip(x.shape[1:], x.pixdim.tolist(), wanted(x))]"
)
"""Voxels along each axis of the network's grid between the scan's outer faces."""

LONE_AXIS = (
    "$lambda first, second, apart=@apart: (lambda axes: axes if len(axes) == 1 else [])(next("
    "([axis for axis in range(3) if mm[axis] == max(mm)] "
    "for mm in ([float(f'{v:.6g}') for v in values] for values in (first, second)) "
    "if max(mm) / min(mm) > apart), []))"
)
"""The axis, in a list, that is resampled on its own: that of the largest spacing, where it stands out."""

NO_LONE_AXIS = "$lambda first, second: []"

SLICEWISE = "$lambda x, shape, alone: [x.shape[axis + 1] if axis in alone else n for axis, n in enumerate(shape)]"
"""The shape after all other axes were resampled."""

NEAREST = "$lambda x, shape: monai.transforms.Resize(list(shape), mode='nearest-exact')(x)"

LINEAR = "$lambda x, shape, alone: monai.transforms.Resize(shape, mode='trilinear', align_corners=False)(x)"

SPLINE = (
    "$lambda x, shape, alone: monai.transforms.SpatialResample(mode=3, padding_mode='nearest')("
    "x, dst_affine=x.affine.mm(torch.as_tensor(monai.transforms.utils.scale_affine(list(x.shape[1:]), list(shape)), "
    "dtype=x.affine.dtype)), spatial_size=shape).clamp("
    "*(bound(x, dim=[axis + 1 for axis in range(3) if axis not in alone], keepdim=True) "
    "for bound in (torch.amin, torch.amax)))"
)
"""A cubic B-spline, which never leaves the range of the values it is made from."""

TO_NETWORK = (
    "$lambda x, shape=@network_shape, lone=@lone_axis, wanted=@wanted, slicewise=@slicewise, "
    "change=@interpolated, nearest=@nearest: "
    "(lambda new, alone: nearest(change(x, slicewise(x, new, alone), alone), new))"
    "(shape(x), lone(x.pixdim.tolist(), wanted(x)))"
)

TO_SCAN = (
    "$lambda pred, scan, lone=@lone_axis_back, wanted=@wanted, slicewise=@slicewise, change=@linear, nearest=@nearest: "
    "(lambda new, alone: nearest(change(pred, slicewise(pred, new, alone), alone), new))"
    "(list(scan.shape[1:]), lone(wanted(scan), scan.pixdim.tolist()))"
)

Transform = dict[str, Any]


@dataclass(frozen=True)
class GridInMonai:
    """Parts of a configuration.

    Attributes:
        definitions: what the transforms refer to.
        turning: the transforms that turn the axes.
        changing: those that change the spacing, after that.
        back: those that bring scores, under ``pred``, onto the turned scan.
    """

    definitions: Mapping[str, Any] = field(default_factory=dict)
    turning: tuple[Transform, ...] = ()
    changing: tuple[Transform, ...] = ()
    back: tuple[Transform, ...] = ()


def grid_of(spec: ModelSpec, keys: list[str]) -> GridInMonai:
    """How scans come onto the network's grid, and scores come back.

    Args:
        spec: the model.
        keys: of its inputs.

    Raises:
        NotInMonaiError: for a setting that MONAI's transforms cannot express.
    """
    grid = spec.grid
    _check(grid)
    turning: tuple[Transform, ...] = ()
    if grid.orientation is not None:
        turning = ({"_target_": "Orientationd", "keys": [*keys, SCAN], "axcodes": grid.orientation},)
    if grid.spacing is None:
        return GridInMonai(turning=turning)
    if grid.rule == "extent":
        return _between_faces(spec, keys, turning)
    nearest = spec.output.interpolate == "labels"
    spacing = {"_target_": "Spacingd", "keys": keys, "pixdim": list(grid.spacing), "mode": "bilinear"}
    back = {
        "_target_": "ResampleToMatchd",
        "keys": "pred",
        "key_dst": SCAN,
        "mode": "nearest" if nearest else "bilinear",
        "padding_mode": "border",
    }
    return GridInMonai({}, turning, (spacing,), (back,))


def _between_faces(spec: ModelSpec, keys: list[str], turning: tuple[Transform, ...]) -> GridInMonai:
    grid, output = spec.grid, spec.output
    if output.interpolate == "labels":
        raise NotInMonaiError("labels that are interpolated back between the scan's outer faces have no transform")
    definitions = {
        "spacing": list(grid.spacing or ()),
        "header": HEADER,
        "wanted": WANTED,
        "network_shape": SHAPE,
        "lone_axis": _lone(grid.apart),
        "lone_axis_back": _lone(output.apart),
        "slicewise": SLICEWISE,
        "nearest": NEAREST,
        "linear": LINEAR,
        "interpolated": SPLINE if grid.interpolation == "cubic" else "@linear",
        "to_network": TO_NETWORK,
        "to_scan": TO_SCAN,
    }
    changing = {"_target_": "Lambdad", "keys": keys, "func": "@to_network"}
    back = "$lambda data, to_scan=@to_scan: {**data, 'pred': to_scan(data['pred'], data['" + SCAN + "'])}"
    return GridInMonai(definitions, turning, (changing,), (back,))  # type: ignore[arg-type]


def _lone(apart: float | None) -> str:
    return NO_LONE_AXIS if apart is None else LONE_AXIS.replace("@apart", repr(float(apart)))


def _check(grid: Grid) -> None:
    problems = {
        "grid.orientation None with the scan's slices first": grid.orientation is None and grid.transpose != (2, 1, 0),
        "grid.transpose": grid.orientation is not None and grid.transpose != (0, 1, 2),
        "grid.shape": grid.shape is not None,
        "grid.straight": grid.straight,
        "grid.tolerance": grid.tolerance > 0,
        f"grid.crop {grid.crop!r}": grid.crop != "none",
        "grid.rule 'centred'": grid.spacing is not None and grid.rule == "centred",
        "grid.interpolation 'cubic' from the first voxel": grid.spacing is not None
        and grid.rule == "first_voxel"
        and grid.interpolation == "cubic",
        "grid.spacing 0 from the first voxel": grid.rule == "first_voxel" and 0 in (grid.spacing or ()),
    }
    if found := [name for name, there in problems.items() if there]:
        raise NotInMonaiError(f"MONAI's transforms have no equal of {found[0]}")
