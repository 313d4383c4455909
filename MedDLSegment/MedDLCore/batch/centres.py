"""Where the segments lie."""

from __future__ import annotations

import numpy as np

from ..volume import Label, LabelMap

_VALUES = 65536


def centres(label_map: LabelMap) -> dict[tuple[int, int], tuple[float, float, float]]:
    """The centre of mass of each segment that is there.

    Goes through the label map slice by slice, once.

    Returns:
        R, A, S, mm, by layer and value.
    """
    found: dict[tuple[int, int], tuple[float, float, float]] = {}
    for n in range(label_map.layers):
        count = np.zeros(_VALUES)
        sums = np.zeros((3, _VALUES))
        for k, plane in enumerate(label_map.layer(n)):
            j, i = np.nonzero(plane)
            labels = plane[j, i]
            here = np.bincount(labels, minlength=_VALUES)
            count += here
            sums += np.bincount(labels, i, _VALUES), np.bincount(labels, j, _VALUES), here * k
        for value in np.flatnonzero(count):
            r, a, s = label_map.geometry.index_to_ras((sums[:, value] / count[value])[np.newaxis])[0]
            found[n, int(value)] = (float(r), float(a), float(s))
    return found


def centre_columns(label: Label, known: dict[tuple[int, int], tuple[float, float, float]]) -> dict[str, float | None]:
    """A segment's centre as columns of the table; empty where it is not there."""
    place = known.get((label.layer, label.value), (None, None, None))
    return dict(zip(COLUMNS, (None if mm is None else round(mm, 2) for mm in place), strict=True))


COLUMNS = ("center_R_mm", "center_A_mm", "center_S_mm")
