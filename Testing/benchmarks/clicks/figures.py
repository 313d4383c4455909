"""What sessions come to, as the field reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .person import Session

AFTER = (0, 1, 3, 5, 10)
GOALS = (0.90, 0.92)


def figures(sessions: Sequence[Session], most: int) -> dict[str, Any]:
    """Means over cases. Of a session that ended early, the last Dice stays."""
    reached = {goal: [_clicks_to(session, goal) for session in sessions] for goal in GOALS}
    clicks = [spent for session in sessions for spent in session.seconds]
    stages = list(dict.fromkeys(stage for spent in clicks for stage in spent))
    count = max(1, sum(len(session.clicks) for session in sessions))
    return {
        "cases": len(sessions),
        "dice": {n: _mean([s.dice[min(n, len(s.dice) - 1)] for s in sessions]) for n in AFTER if n <= most},
        "noc": {f"{goal:.0%}": _mean([most if n is None else n for n in ns]) for goal, ns in reached.items()},
        "never": {f"{goal:.0%}": sum(n is None for n in ns) for goal, ns in reached.items()},
        "obeyed": round(sum(session.obeyed for session in sessions) / count, 3),
        "cpu_seconds": {stage: _mean([spent.get(stage, 0.0) for spent in clicks]) for stage in stages},
    }


def _clicks_to(session: Session, goal: float) -> int | None:
    return next((n for n, score in enumerate(session.dice) if score >= goal), None)


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)
