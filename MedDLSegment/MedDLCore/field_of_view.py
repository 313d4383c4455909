"""Which part of a scan, and of its grid, a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .preprocess import (
    NOTHING_CUT,
    Cut,
    Region,
    cropped,
    laid_over,
    network_grid,
    patient_cut,
    seen_for,
    split_channels,
    why_not_cropped,
)
from .spec import ModelSpec
from .volume import Geometry, Volume


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """What of a case a network sees.

    Attributes:
        region: what of the scan it is given, for a region of interest (``seen_for``); None: all of it.
        laid: the voxels of the scan that its grid is laid over, but for a foreground that the model cuts.
        grid: its grid.
        cut: voxels of the grid that it need not see, because they are air around the patient.
    """

    region: Region | None
    laid: Geometry
    grid: Geometry
    cut: Cut


def field_of_view(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None, crop_body: bool) -> FieldOfView:
    """Finds what a network sees. With ``crop_body`` the patient is looked for, which takes a while.

    Args:
        volumes: one for each channel of the model.
        spec: the model.
        region: of interest.
        crop_body: whether the person wants the air around the patient cut off; it is not where the model does not
            allow that.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART.
    """
    region = seen_for(region, volumes[0], spec)
    laid = laid_over(volumes, spec, region)
    cut = _body_cut(volumes, spec, laid) if crop_body else NOTHING_CUT
    return FieldOfView(region, laid, network_grid(laid, spec.grid), cut)


def _body_cut(volumes: Sequence[Volume], spec: ModelSpec, laid: Geometry) -> Cut:
    patch, inference = spec.inference.patch, spec.inference
    if patch is None or why_not_cropped(spec) is not None:
        return NOTHING_CUT
    from .inference import window_starts

    def windows(axis: int, size: int) -> int:
        n = patch[axis]
        return len(window_starts(max(size, n), n, inference.overlap, inference.windows))

    return patient_cut(cropped(split_channels(volumes, spec), spec.grid), laid, spec, windows)
