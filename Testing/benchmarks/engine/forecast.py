"""The arrays that an engine is known to make, so that one that cannot fit is not begun."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .cases import Case

HALF, SINGLE, DOUBLE = 2, 4, 8


class Forecast(NamedTuple):
    """What lies in memory at the peak, at least.

    Attributes:
        total: bytes of all of them.
        largest: bytes of the largest.
        what: which that is.
    """

    total: int
    largest: int
    what: str


def forecast(engine: str, case: Case, shape: Sequence[int], voxel: Sequence[float]) -> Forecast:
    """The large arrays of an engine for a scan of ``shape`` voxels along K, J, I of ``voxel`` mm.

    Read from nnU-Net 2.8 and MONAI 1.6; within 5 % of what was seen for 118 classes. MedDL's are those that no way
    around is known to: one patch of logits and one row of patches summed.
    """
    network = [max(case.patch, round(n * mm / case.spacing)) for n, mm in zip(shape, voxel, strict=True)]
    logits, back = case.classes * math.prod(network), case.classes * math.prod(shape)
    patch = case.classes * case.patch**3 * SINGLE
    row = case.classes * case.patch * math.prod(network[1:]) * SINGLE
    arrays = {
        "nnunet": {
            "logits": logits * HALF,
            "logits in double precision": logits * DOUBLE,
            "logits on the scan": back * HALF,
        },
        "nnunet-torch": {
            "logits": logits * HALF,
            "logits on the scan": back * SINGLE,
            "their copy for the largest of them": back * SINGLE,
        },
        "nnunet-fp32": {"logits": logits * SINGLE, "one patch's logits": patch},
        "monai": {
            "logits": logits * SINGLE,
            "logits on the scan in double precision": back * DOUBLE,
            "logits on the scan": back * SINGLE,
        },
    }.get(engine, {"one patch's logits": patch, "one row's logits": row})
    what = max(arrays, key=lambda name: arrays[name])
    return Forecast(sum(arrays.values()), arrays[what], what)
