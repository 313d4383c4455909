"""CPU time by stage, and the memory's peak, of what this process does from now on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from benchmarks.resident import forget_highest, held, highest

STAGES = ("rest", "prepare", "network", "finish")
Result = TypeVar("Result")


class Meter:
    """Measures one call.

    Attributes:
        stage: what the CPU time counts for now; set it before the call.
        seconds: CPU-seconds of the whole process by stage.
        passes: patches that went through the network.
        memory: bytes at the highest, less those held at the call's begin.
        planned: bytes that the engine itself foresaw, 0 where it does not.
    """

    def __init__(self) -> None:
        self.stage = "prepare"
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.passes = self.memory = self.planned = 0
        self._since = 0.0

    def enter(self, stage: str) -> None:
        """What follows belongs to ``stage``."""
        now = time.process_time()
        self.seconds[self.stage] += now - self._since
        self.stage, self._since = stage, now

    def watch(self, network: Any) -> None:
        """Gives what happens within the network to the stage ``network``, and all that follows to ``finish``."""
        network.register_forward_pre_hook(self.begin_pass)
        network.register_forward_hook(self.end_pass)

    def begin_pass(self, *_: object) -> None:
        """Hook before the network."""
        self.enter("network")

    def end_pass(self, _: object, inputs: tuple[Any, ...], __: object) -> None:
        """Hook after the network."""
        self.passes += len(inputs[0])
        self.enter("finish")

    def __call__(self, call: Callable[[], Result]) -> Result:
        """Measures a call and gives its result."""
        forget_highest()
        before = held()
        self._since = time.process_time()
        result = call()
        self.enter(self.stage)
        self.memory = highest() - before
        return result
