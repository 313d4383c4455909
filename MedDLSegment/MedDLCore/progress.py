"""How far a run is as one number, and the time left, told from the progress of its stages."""

from __future__ import annotations

import time
from collections.abc import Mapping

STAGES: Mapping[str, float] = {
    "read": 0.04,
    "load": 0.04,
    "prepare": 0.05,
    "network": 0.70,
    "finish": 0.12,
    "write": 0.03,
    "picture": 0.02,
}
"""Each stage's expected part of the whole."""

OF_A_RUN = ("prepare", "network", "finish")
"""These overlap."""


class Whole:
    """The progress of one case.

    Attributes:
        fraction: of the whole, 0 to 1; it never falls.
        seconds_left: by what has been done so far; None while that says little.
    """

    def __init__(self, without: tuple[str, ...] = ()) -> None:
        """Begins; ``without`` are stages that the case does not have."""
        weights = {stage: weight for stage, weight in STAGES.items() if stage not in without}
        self._weights = {stage: weight / sum(weights.values()) for stage, weight in weights.items()}
        self._told: dict[str, float] = {}
        self._started = time.monotonic()
        self.fraction = 0.0
        self.seconds_left: float | None = None

    def tell(self, stage: str, done: int, of: int) -> None:
        """A stage is so far.

        The stages of a run count as far as they told, for several networks each go through them. The others are over
        when the next one begins.
        """
        self._told[stage] = min(1.0, done / max(of, 1))
        names = list(self._weights)
        over = {name for name in names[: names.index(stage)] if name not in OF_A_RUN} if stage in names else set()
        share = sum(
            weight * (1.0 if name in over else self._told.get(name, 0.0)) for name, weight in self._weights.items()
        )
        self.fraction = max(self.fraction, share)
        elapsed = time.monotonic() - self._started
        told = self.fraction > 0.1 and elapsed > 1
        self.seconds_left = elapsed * (1 - self.fraction) / self.fraction if told else None
