"""Label maps of several networks as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..volume import Label, LabelMap


def merge(below: LabelMap | None, above: LabelMap, labels: Sequence[Label]) -> LabelMap:
    """Lays one label map over another: where both find something, ``above`` counts.

    Args:
        below: from an earlier ``merge``; None: nothing.
        above: one layer, on the same grid.
        labels: of the result, whose values the labels of ``above`` get by their names.
    """
    by_name = {label.name: label.value for label in labels}
    dtype = np.uint8 if max(by_name.values()) < 256 else np.uint16
    table = np.zeros(int(above.array.max()) + 1, dtype=dtype)
    for label in above.labels:
        if label.value < len(table):
            table[label.value] = by_name[label.name]
    array = np.zeros(above.array.shape, dtype=dtype) if below is None else below.array.copy()
    for plane, values in zip(array, above.layer(0), strict=True):  # one by one: numpy's look-up takes 8 bytes a voxel
        found = table[values]
        np.copyto(plane, found, where=found != 0)
    return LabelMap(array, above.geometry, tuple(replace(label, layer=0) for label in labels))
