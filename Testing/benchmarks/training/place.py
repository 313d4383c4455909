"""Where everything of a benchmark lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .jobs import Job


@dataclass(frozen=True)
class Place:
    """Two folders.

    Attributes:
        data: the scans; see ``cases``.
        root: everything that is made: ``raw`` the data set, ``plans`` by engine, ``jobs``, ``results``.
    """

    data: Path
    root: Path

    def job(self, job: Job) -> Path:
        """What belongs to one job alone."""
        return self.named(job.name)

    def named(self, name: str) -> Path:
        """The folder of the job of a name."""
        return self.root / "jobs" / name

    def result(self, job: Job) -> Path:
        """What came out; it is there when the job is done."""
        return self.root / "results" / f"{job.name}.json"

    def prediction(self, job: Job, case: str) -> Path:
        """A label map on the scan's grid."""
        return self.job(job) / "predictions" / f"{case}.nii.gz"

    def scan(self, case: str) -> Path:
        """A case's image."""
        return self.data / "images" / f"{case}.nii.gz"

    def truth(self, case: str) -> Path:
        """A case's label map."""
        return self.data / "labels" / f"{case}.nii.gz"
