"""Who answers the clicks: a network, or grow-cut."""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import Model
from MedDLCore.refine import Refinement
from MedDLCore.volume import Volume


class Answerer(Protocol):
    """Corrects one case."""

    seconds: dict[str, float]
    """CPU-seconds of the last click, by stage."""

    @property
    def found(self) -> NDArray[Any]:
        """``(K, J, I)`` label values now."""

    def add(self, click: Click) -> None:
        """Makes a click."""


class ByNetwork:
    """A model that listens."""

    def __init__(self, volume: Volume, model: Model) -> None:
        self._refinement = Refinement([volume], model)
        self.seconds: dict[str, float] = {}

    @property
    def found(self) -> NDArray[Any]:
        """``(K, J, I)`` label values now."""
        return self._refinement.label_map.array

    def add(self, click: Click) -> None:
        """The stages' shares are of wall time, the whole is CPU time: the same where nothing waits."""
        started = time.process_time()
        self._refinement.add(click)
        spent, stages = time.process_time() - started, self._refinement.seconds
        whole = sum(stages.values()) or 1.0
        self.seconds = {stage: spent * part / whole for stage, part in stages.items()}


class ByGrowCut:
    """Slicer's grow-cut, from all clicks anew. Where all are of one kind, only what was clicked is there."""

    def __init__(self, volume: Volume, model: Model) -> None:
        assert model.spec.clicks is not None
        self._volume, self._labels, self._radius = volume, model.spec.labels, model.spec.clicks.radius
        self._clicks: list[Click] = []
        self.found: NDArray[Any] = np.zeros(volume.array.shape, np.uint8)
        self.seconds: dict[str, float] = {}

    def add(self, click: Click) -> None:
        """Makes a click."""
        from MedDLScene.grow_cut import grownFromClicks

        self._clicks.append(click)
        started = time.process_time()
        try:
            self.found = grownFromClicks(self._volume, self._clicks, self._labels, self._radius).array
        except MedDLError as error:
            if error.code is not Code.CLICKS_MISMATCH:
                raise
            i, j, k = np.round(self._volume.geometry.ras_to_index(click.point)).astype(int)
            values = {label.name: label.value for label in self._labels}
            self.found[k, j, i] = values[click.structure] if click.positive else 0
        self.seconds = {"grow": time.process_time() - started}
