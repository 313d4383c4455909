"""How sure a model is of each voxel of a scan: from nodes of the scene to a map of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from MedDLCore.errors import MedDLError
from MedDLCore.worker.messages import Event

from .worker_run import WorkerRun


@dataclass(eq=False)
class UncertaintyRun(WorkerRun):
    """A map that is being made. Of the choice, the model, the volumes, and what it runs on count.

    Attributes:
        map: what it made; None: not yet, or nothing.
        figures: ``way``, ``disagreement``, ``place`` and more: see ``worker.tasks.uncertainty_job``.
    """

    kind = "uncertainty"
    map: Any = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def made(self) -> Any:
        """The map."""
        return self.map

    def _take(self, event: Event) -> MedDLError | None:
        from MedDLCore.worker.arrays import take_array
        from MedDLScene.uncertainty_node import uncertaintyToScene

        try:
            array = take_array(event.data["array"], self.worker.folder)
            self.map = uncertaintyToScene(array, self.choice.volumes[0], self.scene)
        except MedDLError as error:
            return error
        finally:
            (self.worker.folder / event.data["array"]).unlink(missing_ok=True)
        self.figures = event.data
        return None
