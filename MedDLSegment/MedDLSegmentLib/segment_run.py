"""One run of a model, from nodes of the scene to a segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import MedDLError, Notice
from MedDLCore.worker.messages import Event, Job

from .handover import Handover
from .worker_run import WorkerRun


@dataclass(frozen=True)
class Choice:
    """What is to be run on what.

    Attributes:
        model: a name or a folder.
        volumes: nodes, one for each input of the model.
        structures: names of what to find; empty: all.
        region: a ``vtkMRMLMarkupsROINode``; None: the whole volume.
        points: a ``vtkMRMLMarkupsFiducialNode``, for a model that looks around points; None: no points.
        segmentation: the node that gets the result; None: a new one.
        device: ``auto``, ``cpu``, ``cuda:0``, ``mps``.
        threads: on the CPU; 0: all cores.
        cropBody: leave the air around the patient out.
        wholeSequence: the first volume shows an item of a sequence, and all of its items are wanted.
    """

    model: str
    volumes: tuple[Any, ...]
    structures: tuple[str, ...] = ()
    region: Any = None
    points: Any = None
    segmentation: Any = None
    device: str = "auto"
    threads: int = 0
    cropBody: bool = False
    wholeSequence: bool = False

    def job(self, folder: Path, handover: Handover) -> tuple[Job, tuple[Notice, ...]]:
        """The job for the worker, whose volumes are in its folder then, and what is to be known of them.

        Raises:
            MedDLError: as ``Handover.give``, ``boxOfRegion`` and ``pointsOfMarkups``.
        """
        from MedDLScene.points import pointsOfMarkups
        from MedDLScene.region import boxOfRegion

        region = None if self.region is None else boxOfRegion(self.region)
        points = () if self.points is None else pointsOfMarkups(self.points)
        given = [handover.give(volume, folder) for volume in self.volumes]
        job = Job(
            self.model,
            tuple(each.scan for each in given),
            self.structures,
            region,
            crop_body=self.cropBody,
            points=points,
            device=self.device,
            threads=self.threads or None,
        )
        return job, tuple(notice for each in given for notice in each.notices)


@dataclass(eq=False)
class SegmentRun(WorkerRun):
    """A segmentation that is being made.

    Attributes:
        segmentation: what it made; None: not yet, or nothing.
        statistics: of the result, a row for each structure.
    """

    kind = "segment"
    segmentation: Any = None
    statistics: Sequence[Mapping[str, Any]] = ()

    @property
    def made(self) -> Any:
        """The segmentation."""
        return self.segmentation

    def _take(self, event: Event) -> MedDLError | None:
        from MedDLCore.worker.arrays import take_label_map
        from MedDLScene.result_nodes import resultToScene

        data, chosen = event.data, self.choice.segmentation
        if chosen is not None and chosen.GetScene() is None:
            chosen = None  # it was removed meanwhile: the result is worth a new one
        try:
            found = take_label_map(data["label_map"], self.worker.folder)
            self.statistics = data["statistics"]
            self.segmentation = resultToScene(
                found, self.statistics, data["manifest"], self.choice.volumes[0], self.scene, chosen
            )
        except MedDLError as error:
            return error
        finally:
            (self.worker.folder / data["label_map"]["array"]).unlink(missing_ok=True)
        return None
