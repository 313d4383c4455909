"""Where a click's effect was cut off at the margin of its patch, the network looks on from there.

After the zooming out of nnInteractive (Isensee et al. 2025, arXiv:2503.08373), which looks again where what it changed
reaches the border of what it saw; here patch by patch, at the resolution of the scan.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..postprocess.clean_up import components
from ..spec import Triple
from .window import Window

ONWARD = 0.25
"""Of a patch, that the next one lies further on: it still sees what the click brought, and most of it is new."""

MOST = 4
"""Patches of one click: an organ is filled with a few clicks, and no click takes long."""


def connected(changed: NDArray[np.bool_], near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of a change the connected parts that begin near the click, or where an earlier patch ended.

    The rest is what a network says a little differently each time it is asked: following that takes time for nothing.
    """
    if not (changed & near).any():
        return np.zeros_like(changed)
    parts = components(changed)
    kept: NDArray[np.bool_] = np.isin(parts, np.unique(parts[changed & near]))
    return kept


def cut_off(changed: NDArray[np.bool_], window: Window) -> Iterator[tuple[int, Triple]]:
    """Where a change reaches a face of what counts of a patch, within the grid.

    Args:
        changed: voxels of ``window.inner`` where the click brought what it says; see ``connected``.
        window: the patch.

    Yields:
        For each such face how many voxels of it changed, and where in the grid the middle of the next patch is.
    """
    for axis, (seen, part, size) in enumerate(zip(window.box, window.inner, window.shape, strict=True)):
        onward = int(ONWARD * (seen.stop - seen.start))
        for face, at, is_end in (
            (0, part.start - onward, part.start == 0),
            (-1, part.stop + onward, part.stop == size),
        ):
            touching = np.argwhere(changed.take(face, axis=axis))
            if len(touching) and not is_end:
                middle = touching[((touching - touching.mean(axis=0)) ** 2).sum(axis=1).argmin()].tolist()
                others = [one.start for n, one in enumerate(window.inner) if n != axis]
                voxel = [n + start for n, start in zip(middle, others, strict=True)]
                voxel.insert(axis, at)
                yield len(touching), (voxel[0], voxel[1], voxel[2])
