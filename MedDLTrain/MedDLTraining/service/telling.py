"""What a training tells while it runs, as events of the child process."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MedDLCore.worker.serving import TOLD_SECONDS

from ..events import Epoch, Step
from ..loop.checkpoint import read_checkpoint
from ..training import CHECKPOINTS, HISTORY


class Teller:
    """Tells the steps of a training as progress, now and then, and each of its epochs."""

    def __init__(self, number: int, say: Callable[..., None]) -> None:
        """``say`` tells an event of the request ``number``."""
        self._number, self._say, self._told = number, say, 0.0
        self._fold: int | None = None

    def event(self, event: Step | Epoch) -> None:
        """An iteration, or an epoch."""
        if isinstance(event, Epoch):
            self._epoch(asdict(event))
            return
        now = time.monotonic()
        if now - self._told > TOLD_SECONDS:
            self._told = now
            done = (event.epoch - 1) * event.iterations + event.iteration
            self._say(
                "progress",
                self._number,
                stage="train",
                fraction=round(done / (event.epochs * event.iterations), 5),
                seconds_left=event.seconds_left,
                epoch=event.epoch,
                epochs=event.epochs,
                loss=event.loss,
            )

    def of_fold(self, fold: int, event: Step | Epoch) -> None:
        """The same, of one of several trainings."""
        self._to_fold(fold)
        self.event(event)

    def earlier(self, folder: Path) -> None:
        """The epochs that a training has done already."""
        for epoch in _history(folder):
            self._epoch(epoch)

    def earlier_of_folds(self, folder: Path, folds: int) -> None:
        """Likewise, of each fold that has begun."""
        for fold in range(folds):
            epochs = _history(folder / f"fold_{fold}")
            if epochs:
                self._to_fold(fold)
            for epoch in epochs:
                self._epoch(epoch)

    def _to_fold(self, fold: int) -> None:
        if fold != self._fold:
            self._fold = fold
            self._say("fold", self._number, fold=fold)

    def _epoch(self, epoch: Mapping[str, Any]) -> None:
        self._say("epoch", self._number, **without_nan(epoch))


def _history(folder: Path) -> list[Mapping[str, Any]]:
    """Of a training that is done or was stopped: ``history.json``; of one that was killed: its checkpoint's."""
    state, _ = read_checkpoint(folder / CHECKPOINTS)
    if state is not None:
        return list(state["history"])
    if (folder / HISTORY).is_file():
        return list(json.loads((folder / HISTORY).read_text(encoding="utf-8")))
    return []


def without_nan(value: Any) -> Any:
    """JSON knows no NaN: it becomes null."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
