"""What the values of scans are: units, modality, holes, scales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from MedDLCore.errors import Code

from ..data.data_set import DataSet
from .facts import PERCENTILES, CaseFacts, ImageFacts
from .findings import Fault, Finding

SCALES = 10.0
"""From this factor between the brightest values of two scans on, their scales differ."""

MOST = 0.5
"""Where more than this part of scans without a stated modality look like CT, the others are doubted."""


def find_in_intensities(facts: Sequence[CaseFacts], data_set: DataSet) -> Iterator[Finding]:
    """Everything about the values of one channel after the other."""
    for n, channel in enumerate(data_set.channels):
        images = [(case.id, case.images[n]) for case in facts if len(case.images) > n]
        of = f" of {channel.name}" if len(data_set.channels) > 1 else ""
        if images:
            yield from _of_channel(images, of)


def _of_channel(images: Sequence[tuple[str, ImageFacts]], of: str) -> Iterator[Finding]:
    for case, image in images:
        if image.minimum == image.maximum:
            yield Finding(Fault.IMAGE_CONSTANT, f"Every voxel{of} is {image.minimum:g}.", (case,))
    repaired = [case for case, image in images if any(notice.code is Code.NONFINITE for notice in image.notices)]
    if repaired:
        yield Finding(Fault.VALUES_REPAIRED, f"NaN or infinite voxels{of} were replaced.", tuple(repaired))
    modalities = Counter(image.modality for _, image in images if image.modality)
    if len(modalities) > 1:
        usual, _ = modalities.most_common(1)[0]
        odd = tuple(case for case, image in images if image.modality not in (usual, None))
        listed = ", ".join(f"{name} in {count}" for name, count in modalities.most_common())
        yield Finding(Fault.MODALITY_MIXED, f"The scans{of} are {listed} cases.", odd)
    dubious = tuple(_not_hounsfield(images))
    if dubious:
        message = f"{len(dubious)} of {len(images)} scans{of} do not look like Hounsfield units."
        yield Finding(Fault.UNITS_DUBIOUS, message, dubious)
    others = [image for _, image in images if not _is_ct(image) and not image.hounsfield]
    top = [image.percentiles[PERCENTILES.index(99.0)] for image in others]
    bright = [value for value in top if value > 0]
    if len(bright) > 1 and max(bright) > SCALES * min(bright):
        message = f"The brightest values{of} (99th percentile) run from {min(bright):.3g} to {max(bright):.3g}."
        yield Finding(Fault.SCALES_DIFFER, message)


def _is_ct(image: ImageFacts) -> bool:
    return image.modality == "CT"


def _not_hounsfield(images: Sequence[tuple[str, ImageFacts]]) -> Iterator[str]:
    """Cases of CT, stated or because most scans look like it, that do not."""
    silent = [image for _, image in images if image.modality is None]
    alike = float(np.mean([image.hounsfield for image in silent])) if silent else 0.0
    for case, image in images:
        if not image.hounsfield and (_is_ct(image) or (image.modality is None and alike > MOST)):
            yield case
