"""Which part of its grid the network need see."""

from __future__ import annotations

from collections.abc import Sequence

from .preprocess import NOTHING_CUT, Cut, Region, cropped, laid_over, patient_cut, split_channels, why_not_cropped
from .spec import ModelSpec
from .volume import Volume


def body_cut(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None, crop_body: bool) -> Cut:
    """What the network need not see of its grid, because it is air around the patient.

    Args:
        volumes: one for each channel of the model.
        spec: the model.
        region: what it sees for a region of interest (``seen_for``).
        crop_body: whether the person wants it; nothing is cut if not, or if the model does not allow that.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART, REGION_OUTSIDE.
    """
    patch = spec.inference.patch
    if not crop_body or patch is None or why_not_cropped(spec) is not None:
        return NOTHING_CUT
    from .inference import window_starts

    def windows(axis: int, size: int) -> int:
        n, inference = patch[axis], spec.inference
        return len(window_starts(max(size, n), n, inference.overlap, inference.windows))

    channels = cropped(split_channels(volumes, spec), spec.grid)
    return patient_cut(channels, laid_over(volumes, spec, region), spec, windows)
