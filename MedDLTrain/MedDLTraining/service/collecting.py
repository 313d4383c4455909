"""Scans of an open scene, and what was drawn on them, as a data set on the disk: a training outlives the scene."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError
from MedDLCore.system_errors import named_errors
from MedDLCore.volume import LabelMap, Volume
from MedDLCore.worker.arrays import take_label_map, take_volume

from ..data import export_data_set, open_cases
from ..data.nnunet import DATASET_JSON, IMAGES, LABELS
from ..training import PLAN
from .desk import Desk
from .jobs import CollectJob
from .talk import Talk


def collect_task(job: CollectJob, _: Desk, talk: Talk) -> Mapping[str, Any]:
    """See ``CollectJob``."""
    cases = []
    for name, scans, drawn in zip(job.names, job.scans, job.drawn, strict=True):
        maps = tuple(take_label_map(one, talk.folder) for one in drawn)
        volumes = [take_volume(scan, talk.folder) for scan in scans]
        cases.append([_Handed(name, volume, () if n else maps) for n, volume in enumerate(volumes)])
    data_set = open_cases(cases, job.channels)
    folder = Path(job.folder)
    _remove_collected(folder)
    export_data_set(data_set, folder, form="seg.nrrd", on_progress=lambda done, of: talk.tell("collect", done, of))
    arrays = {scan.array for scans in job.scans for scan in scans}
    for given in (*arrays, *(one["array"] for drawn in job.drawn for one in drawn)):
        with suppress(OSError):  # Windows deletes no file that is mapped; with the process, its folder goes
            (talk.folder / given).unlink()
    return {"folder": str(folder), "names": {case.id: case.name for case in data_set.cases}}


@dataclass(frozen=True, eq=False)
class _Handed:
    """A scan of an open scene that the program has handed over: a ``data.scenes.AnnotatedScan``.

    A case's first scan holds all that was drawn on the case: it lies in the world, whichever scan it was drawn on.
    """

    name: str
    scan: Volume
    drawn: tuple[LabelMap, ...]

    @property
    def isAnnotated(self) -> bool:  # noqa: N802 - as the protocol has it
        return bool(self.drawn)

    def volume(self) -> Volume:
        return self.scan

    def labelMaps(self) -> tuple[LabelMap, ...]:  # noqa: N802
        return self.drawn


def _remove_collected(folder: Path) -> None:
    """What was collected before, as long as nothing has learnt from it and nothing else lies there."""
    own = {IMAGES, LABELS, DATASET_JSON}
    if (folder / DATASET_JSON).is_file() and {path.name for path in folder.iterdir()} <= own:
        if (folder.parent / PLAN).exists():
            raise MedDLError(
                Code.OUTPUT_EXISTS, "A training has begun with the scans in this folder.", "Choose another folder."
            )
        with named_errors(folder.name):
            shutil.rmtree(folder)
