"""Which structure was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..volume import Label, LabelMap


def confusion(truth: LabelMap, found: LabelMap, pairs: Sequence[tuple[Label, Label]]) -> NDArray[np.int64]:
    """Counts voxels by what they are and what they were found to be, plane by plane.

    Where structures overlap, a voxel counts for each pair of its structures; background is what is in none of them.

    Args:
        truth: what is right.
        found: on the same grid.
        pairs: of each structure, its label in the truth and in what was found. What has other values is background.

    Returns:
        ``(1 + len(pairs), 1 + len(pairs))`` voxels: rows are the truth, columns what was found; 0 is the background.
    """
    if not truth.geometry.same_as(found.geometry):
        raise ValueError("the label maps do not lie on one grid")
    tables = [_classes(of, [pair[side] for pair in pairs]) for side, of in enumerate((truth, found))]
    size = 1 + len(pairs)
    counts = np.zeros((size, size), np.int64)
    for k in range(truth.geometry.shape[0]):
        seen, got = (
            [table[of.layer(n)[k]] for n, table in enumerate(its)]
            for of, its in zip((truth, found), tables, strict=True)
        )
        nothing = [~np.any(planes, axis=0) for planes in (seen, got)]
        for m, row in enumerate(seen):
            for n, column in enumerate(got):
                # A layer's 0 is the background only where every other layer has 0 too, and then it counts once.
                counted = ((row > 0) | (nothing[0] & (m == 0))) & ((column > 0) | (nothing[1] & (n == 0)))
                both = row[counted] * size + column[counted]
                counts += np.bincount(both, minlength=size * size).reshape(size, size)
    return counts


def _classes(label_map: LabelMap, labels: Sequence[Label]) -> list[NDArray[Any]]:
    """For each layer, the number of the structure, from 1, that each value stands for."""
    tables = [np.zeros(int(np.iinfo(label_map.array.dtype).max) + 1, np.int64) for _ in range(label_map.layers)]
    for number, label in enumerate(labels, start=1):
        tables[label.layer][label.value] = number
    return tables
