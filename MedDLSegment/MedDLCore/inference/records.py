"""What this machine has learnt of a network: how long a pass takes, and which backend is the faster one.

A record is a small file in the folder of this very network. Nothing but speed depends on it, and it can be deleted.
"""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

from ..atomic import atomic_path
from ..errors import MedDLError
from ..plain_data import from_plain
from ..system_errors import named_errors

Choice = Literal["torch", "openvino"]


@dataclass(frozen=True)
class Speed:
    """How long a backend takes.

    Attributes:
        backend: its name.
        seconds: of one pass over one patch: the mean of the latest run.
        voxels: of that patch.
        passes: of all runs together.
    """

    backend: str
    seconds: float
    voxels: int
    passes: int

    @property
    def is_possible(self) -> bool:
        """Something was measured."""
        return 0 < self.seconds < math.inf and self.voxels > 0 and self.passes > 0


@dataclass(frozen=True)
class Record:
    """What is known of one network at one place.

    Attributes:
        place: the machine, the device, the patch and the versions of the libraries.
        speeds: of the backends that have run.
        agrees: on a real patch OpenVINO gave what torch gives.
        choice: what was faster, or the only one to be right; None: not known.
    """

    place: str
    speeds: tuple[Speed, ...] = ()
    agrees: bool = False
    choice: Choice | None = None

    def speed(self, backend: str) -> Speed | None:
        """Of a backend, if it has run."""
        return next((speed for speed in self.speeds if speed.backend == backend), None)

    def after(self, backend: str, seconds: list[float], voxels: int) -> Record:
        """With what a run has measured: the seconds of its passes over patches of so many voxels."""
        before = self.speed(backend)
        passes = len(seconds) + (0 if before is None else before.passes)
        others = tuple(speed for speed in self.speeds if speed.backend != backend)
        return replace(self, speeds=(*others, Speed(backend, fmean(seconds), voxels, passes)))


class Records:
    """Keeps one record."""

    def __init__(self, folder: Path | None = None, place: str = "") -> None:
        """Takes the network's folder, which need not exist; None: nothing is kept."""
        self._place = place
        name = f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
        self._path = None if folder is None else folder / name

    def read(self) -> Record:
        """The record; an empty one where there is none, or it is damaged."""
        if self._path is not None:
            with suppress(OSError, ValueError, RecursionError, MedDLError):
                record: Record = from_plain(Record, json.loads(self._path.read_text(encoding="utf-8")), "record")
                if record.place == self._place and all(speed.is_possible for speed in record.speeds):
                    return record
        return Record(self._place)

    def write(self, record: Record) -> None:
        """Keeps the record. That it cannot be written is no reason to fail."""
        if self._path is None:
            return
        with suppress(MedDLError):
            with named_errors(self._path.name):
                self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self._path) as path:
                path.write_text(json.dumps(asdict(record)), encoding="utf-8")
