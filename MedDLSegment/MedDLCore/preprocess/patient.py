"""Where in a scan the patient is, so that a network need not look at the air around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..cut import NOTHING_CUT, Cut
from ..spec import ModelSpec
from ..volume import Geometry, Volume
from .grid import network_grid
from .nonzero import box

COARSE_MM = 3.0
"""The patient is looked for in every voxel about this far apart."""

TISSUE_HU = -500.0
"""In a CT, the body is above this, and air and the foam of a couch are below."""

NOISE = 4.0
"""Elsewhere it is this many standard deviations above the dark part of the image."""

BLUR_MM = 4.0
"""Standard deviation of the Gaussian that quietens a scan which is not a CT."""

THICK = 1
"""Coarse voxels on each side that are taken off before parts are told apart: the shell of a couch vanishes."""

PART = 0.01
"""What has this much of the largest part is of the patient as well: the other leg, an arm."""

THIN_MM = 15.0
"""What was too thin to be a part and lies this near to one is of the patient as well: ears, fingers, skin."""

MARGIN_MM = 5.0
"""Left around the patient at least."""


def patient_corners(volume: Volume, is_ct: bool) -> NDArray[np.float64] | None:
    """The smallest box of voxels that holds the patient.

    Of a CT, what is above ``TISSUE_HU``. Of another scan, blurred, what is above Otsu's threshold, or above the noise
    of what lies below that, whichever is lower (Otsu 1979).

    Args:
        volume: ``(K, J, I)``.
        is_ct: its values are Hounsfield units.

    Returns:
        ``(8, 3)``: its corners, RAS mm; None where nobody is found.
    """
    geometry = volume.geometry
    step = [max(1, int(COARSE_MM / mm)) for mm in geometry.spacing[::-1]]
    coarse = volume.array[tuple(slice(None, None, n) for n in step)]
    spacing = geometry.spacing[::-1] * step
    tissue = coarse > TISSUE_HU if is_ct else _bright(coarse, spacing)
    patient = _parts(tissue, spacing)
    if not patient.any():
        return None
    first, last = box(patient)
    low = [max(0, (a - 1) * n + 1) for a, n in zip(first, step, strict=True)]  # what lies between coarse voxels counts
    high = [min(size, b * n) for b, n, size in zip(last, step, geometry.shape, strict=True)]
    return geometry.cropped(low, high).corners()


def patient_cut(
    channels: Sequence[Volume], first: Geometry, spec: ModelSpec, windows: Callable[[int, int], int]
) -> Cut:
    """What of the network's grid need not be seen, because it is far from the patient.

    Along each axis as few patches are kept as hold the patient and a margin, and everything that they can cover; where
    that takes as many as the whole axis, all of it is kept.

    Args:
        channels: one ``(K, J, I)`` volume per channel of the model.
        first: the part of the first that the network's grid is laid over.
        spec: the model.
        windows: (axis, voxels) -> how many patches lie along it.
    """
    modalities = [channel.modality or wanted.modality for wanted, channel in zip(spec.channels, channels, strict=True)]
    n = modalities.index("CT") if "CT" in modalities else 0
    corners = patient_corners(channels[n], modalities[n] == "CT")
    if corners is None:
        return NOTHING_CUT
    network = network_grid(first, spec.grid)
    faces = network.ras_to_index(corners)[:, ::-1] + 0.5
    margin = MARGIN_MM / network.spacing[::-1]
    start = np.maximum(np.floor(faces.min(axis=0) - margin), 0).astype(int).tolist()
    stop = np.minimum(np.ceil(faces.max(axis=0) + margin), network.shape).astype(int).tolist()
    if any(low >= high for low, high in zip(start, stop, strict=True)):
        return NOTHING_CUT  # the region of interest has nothing of the patient
    a, b, c = (_kept(start[axis], stop[axis], network.shape[axis], partial(windows, axis)) for axis in range(3))
    return a, b, c


def _kept(start: int, stop: int, size: int, windows: Callable[[int], int]) -> tuple[int, int]:
    """What the patches that hold a stretch of an axis cannot cover, at both ends of the axis."""
    fewest = windows(stop - start)
    length = stop - start
    while length < size and windows(length + 1) == fewest:
        length += 1
    low = min(max(0, start - (length - (stop - start)) // 2), size - length)
    return low, size - length - low


def why_not_cropped(spec: ModelSpec) -> str | None:
    """Why a scan is never cropped to the patient for a model; None where it may be."""
    if spec.inference.patch is None:
        return "takes the whole scan at once"
    if spec.crops is not None:
        return "sees a box around a point, or a scan of that size"
    if spec.grid.shape is not None:
        return "works on a grid of fixed size"
    if spec.foreground is not None:
        return "crops the scan by itself"
    return None


def _bright(coarse: NDArray[np.generic], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """What stands out of the dark."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(coarse.astype(np.float32))
    image.SetSpacing(spacing[::-1].tolist())
    blurred = sitk.DiscreteGaussian(image, BLUR_MM**2)
    values = sitk.GetArrayFromImage(blurred)
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.Clamp(blurred, upperBound=float(np.percentile(values, 99))))
    dark = values[values <= otsu.GetThreshold()]
    middle = float(np.median(dark))
    deviation = 1.4826 * float(np.median(np.abs(dark - middle)))  # of a normal distribution with this median distance
    bright: NDArray[np.bool_] = values > min(otsu.GetThreshold(), middle + NOISE * deviation)
    return bright


def _parts(tissue: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """What belongs to the patient: large parts, and what is thin and near to them."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(tissue.astype(np.uint8))
    eroded = sitk.BinaryErode(image, [THICK] * 3, sitk.sitkBox)
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(eroded))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = sitk.GetImageFromArray((sizes >= max(1, PART * sizes.max()))[parts].astype(np.uint8))
    near = [THICK + round(THIN_MM / mm) for mm in spacing[::-1].tolist()]
    around = sitk.GetArrayFromImage(sitk.BinaryDilate(kept, near, sitk.sitkBox))
    patient: NDArray[np.bool_] = (around > 0) & tissue
    return patient
