"""Who answers the clicks: a network, or grow-cut."""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.pipeline import Model
from MedDLCore.refine import Refinement
from MedDLCore.refine.box import box_of
from MedDLCore.volume import LabelMap, Volume


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

    def __init__(self, volume: Volume, model: Model, start: LabelMap | None = None) -> None:
        """Begins with what the model finds on its own, or with what there is."""
        self._refinement = Refinement([volume], model, start)
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
    """Slicer's grow-cut, as MedDL offers it for structures without a model: another structure is what one is not."""

    def __init__(self, volume: Volume, model: Model) -> None:
        """Nothing is found yet."""
        self._volume, self._values = volume, {label.name: label.value for label in model.spec.labels}
        self._clicks: list[Click] = []
        self.found: NDArray[Any] = np.zeros(volume.array.shape, np.uint8)
        self.seconds: dict[str, float] = {}

    def add(self, click: Click) -> None:
        """Makes a click. While no click says where a structure is, it is nowhere."""
        from MedDLScene.grow_cut import NOTHING, OUTSIDE, grownAroundClicks

        self._clicks.append(click)
        value, mine = self._values[click.structure], [one for one in self._clicks if one.structure == click.structure]
        if not any(one.positive for one in mine):
            self.seconds = {"grow": 0.0}
            return
        started = time.process_time()
        others = np.where((self.found != 0) & (self.found != value), OUTSIDE, NOTHING).astype(np.uint8)
        wanted, place = grownAroundClicks(self._volume, mine, others, now=self.found == value)
        self.seconds = {"grow": time.process_time() - started}
        part = self.found[box_of(place, self._volume.geometry)]
        part[part == value] = 0
        part[wanted] = value
