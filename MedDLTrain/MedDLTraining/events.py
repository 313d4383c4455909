"""What a training tells while it runs, and how a person stops it. No torch: a window can import this."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """An iteration is done.

    Attributes:
        epoch, iteration: counted from 1; the iteration within its epoch.
        epochs, iterations: how many there will be, and in each epoch.
        loss: of this iteration.
        seconds_left: until the end, by the pace so far; None at first.
    """

    epoch: int
    epochs: int
    iteration: int
    iterations: int
    loss: float
    seconds_left: float | None


@dataclass(frozen=True)
class Epoch:
    """An epoch is done, and safe on the disk.

    Attributes:
        epoch, epochs: counted from 1, and how many there will be.
        loss: mean of its iterations.
        rate: the learning rate at its end.
        dice: by label, on the validation cases; empty where there was no validation after this epoch.
        mean_dice: over the labels; None without a validation.
        best_epoch: the one whose weights are the best so far; 0: none yet.
        best_dice: its mean Dice.
        seconds: of this run so far, without its pauses.
    """

    epoch: int
    epochs: int
    loss: float
    rate: float
    dice: Mapping[str, float]
    mean_dice: float | None
    best_epoch: int
    best_dice: float
    seconds: float


OnEvent = Callable[[Step | Epoch], None]
"""What it raises ends the training; the last epoch that was done stays."""


class Control:
    """A person's hand on a running training, from another thread.

    Attributes:
        enough: the training ends with its current epoch, once there was a validation, and the model is the best so far.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self.enough = False

    def pause(self) -> None:
        """The training waits after its current iteration."""
        self._going.clear()

    def go_on(self) -> None:
        """Ends a pause."""
        self._going.set()

    def stop(self) -> None:
        """The training ends after its current iteration; what it did since its last checkpoint is done anew."""
        self._stopped.set()
        self._going.set()

    def may_go_on(self) -> bool:
        """Waits while there is a pause. False: stop."""
        self._going.wait()
        return not self._stopped.is_set()
