"""CPU-seconds of a job, by stage, over all the processes that it took."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from MedDLCore.atomic import atomic_path

STAGES = ("prepare", "plan", "train", "predict")


def cpu_seconds() -> float:
    """User and system time of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Ledger:
    """Counts what this process does for one stage after another.

    What was spent is written whenever the work itself is safe on the disk: what a killed process did since is done
    anew, and counts once.

    Attributes:
        seconds: CPU-seconds by stage.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._stage, self._since = path, "", cpu_seconds()
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.seconds: dict[str, float] = {**dict.fromkeys(STAGES, 0.0), **kept}

    def enter(self, stage: str) -> None:
        """What follows belongs to ``stage``; "": to none."""
        now = cpu_seconds()
        if self._stage:
            self.seconds[self._stage] += now - self._since
        self._stage, self._since = stage, now

    def keep(self) -> None:
        """Brings it to the disk."""
        self.enter(self._stage)
        with atomic_path(self._path) as unfinished:
            unfinished.write_text(json.dumps(self.seconds), encoding="utf-8")
