"""Structures that may overlap, in as few label maps as they need, while they are found piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..volume import Label

Place = Callable[[NDArray[Any]], NDArray[Any]]
"""Gives the view of a label map's voxels that a mask is for."""


class Layers:
    """Label maps of one shape. Structures that do not overlap share one; no mask of its own is kept for any."""

    def __init__(self, shape: Sequence[int], labels: Sequence[Label]) -> None:
        """Begins with no structure in ``shape``."""
        self._shape = tuple(shape)
        self._dtype = np.uint8 if max(label.value for label in labels) < 256 else np.uint16
        self._arrays: list[NDArray[Any]] = []
        self._layer_of: dict[int, int] = {}

    def add(self, value: int, mask: NDArray[np.bool_], place: Place = lambda array: array) -> None:
        """Adds some voxels to a structure, in another layer than before where it now meets another structure.

        Args:
            value: the structure's label value.
            mask: its voxels, of the shape of the view that ``place`` gives.
            place: where they lie.
        """
        if not mask.any():
            return
        now = self._layer_of.get(value)
        if now is None or self._meets_another(now, value, mask, place):
            new = next((n for n in range(len(self._arrays)) if self._has_room(n, value, now, mask, place)), None)
            if new is None:
                new = len(self._arrays)
                self._arrays.append(np.zeros(self._shape, dtype=self._dtype))
            if now is not None:
                moved = self._arrays[now] == value
                self._arrays[now][moved], self._arrays[new][moved] = 0, value
            self._layer_of[value] = new
        place(self._arrays[self._layer_of[value]])[mask] = value

    def mask(self, value: int) -> NDArray[np.bool_]:
        """All voxels of a structure."""
        layer = self._layer_of.get(value)
        if layer is None:
            return np.zeros(self._shape, dtype=np.bool_)
        found: NDArray[np.bool_] = self._arrays[layer] == value
        return found

    def arrays(self) -> tuple[list[NDArray[Any]], dict[int, int]]:
        """The label maps, at least one, and the layer of each structure that has voxels."""
        return self._arrays or [np.zeros(self._shape, dtype=self._dtype)], dict(self._layer_of)

    def _meets_another(self, layer: int, value: int, mask: NDArray[np.bool_], place: Place) -> bool:
        there = place(self._arrays[layer])[mask]
        return bool(((there != 0) & (there != value)).any())

    def _has_room(self, layer: int, value: int, now: int | None, mask: NDArray[np.bool_], place: Place) -> bool:
        if layer == now or self._meets_another(layer, value, mask, place):
            return False
        return now is None or not self._arrays[layer][self._arrays[now] == value].any()
