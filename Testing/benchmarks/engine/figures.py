"""The figures of one case, by engine, as they stand in the JSON file; and ratios between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cases import FLOOR

Figures = Mapping[str, Any]
"""Of one engine: ``status`` (``ran``, ``missing``, ``refused``, ``failed``) and ``why``. Where it ran: ``seconds`` by
stage, ``passes``, ``memory`` and what was ``planned`` of it, bytes, and ``agreement`` with others; of the floor
``forward``, seconds."""


class NotMeasuredError(Exception):
    """What a ratio needs is not there; the message says why."""


class Measured:
    """What the engines of one case did."""

    def __init__(self, engines: Mapping[str, Figures]) -> None:
        """Takes the figures by the engine's name."""
        self._engines = engines

    def _of(self, engine: str) -> Figures:
        figures = self._engines.get(engine)
        if figures is None:
            raise NotMeasuredError(f"{engine} was not run")
        if figures["status"] != "ran":
            raise NotMeasuredError(f"{engine}: {figures['why']}")
        return figures

    def network(self, engine: str = "meddl") -> float:
        """CPU-seconds within the network."""
        return float(self._of(engine)["seconds"]["network"])

    def other(self, engine: str = "meddl") -> float:
        """CPU-seconds of everything but the network."""
        return self.whole(engine) - self.network(engine)

    def whole(self, engine: str = "meddl") -> float:
        """CPU-seconds of the call."""
        return float(sum(self._of(engine)["seconds"].values()))

    def memory(self, engine: str = "meddl") -> float:
        """Bytes at the peak."""
        return float(self._of(engine)["memory"])

    def misjudged(self) -> float:
        """By which factor MedDL's plan is too high or too low in memory."""
        planned = float(self._of("meddl")["planned"])
        return max(planned / self.memory(), self.memory() / planned)

    def floor(self) -> float:
        """CPU-seconds of a bare forward of the model's own network for each of MedDL's patches."""
        return float(self._of(FLOOR)["forward"]) * int(self._of("meddl")["passes"])

    def agreement(self, engine: str, other: str) -> float:
        """Part of the voxels with the same label."""
        self._of(other)
        return float(self._of(engine)["agreement"][other])
