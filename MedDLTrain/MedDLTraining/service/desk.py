"""What the child process keeps from one request to the next: the data set, its check, a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from MedDLCore.clock import OnProgress
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import open_model
from MedDLCore.pipeline import Model, load

from .. import check as checking
from ..data import DataSet, open_folder, table_of
from .jobs import Data


class Desk:
    """Opens and checks what it does not have already."""

    def __init__(self) -> None:
        """Nothing is there yet."""
        self._opened: tuple[Data, DataSet] | None = None
        self._checked: tuple[Data, checking.Report] | None = None
        self._model: tuple[tuple[str, str, int | None], Model] | None = None

    def data_set(self, data: Data, tell: OnProgress) -> DataSet:
        """The data set.

        Raises:
            MedDLError: as ``open_folder``, ``DataSet.without`` and ``table_of``.
        """
        if self._opened is None or self._opened[0] != data:
            folder = Path(data.folder)
            found = open_folder(folder, channels=data.channels, open_scene=_no_scene, on_progress=tell)
            found = found.without(data.leave_out)
            if data.rows:
                found = found.with_table(table_of(data.rows, found.cases))
            self._opened = (data, found)
        return self._opened[1]

    def check(self, data: Data, tell: OnProgress) -> checking.Report:
        """Checks it, whatever was known of it: files may have changed."""
        self._opened = self._checked = None
        report = checking.check(self.data_set(data, tell), None, _told(tell))
        self._checked = (data, report)
        return report

    def sound(self, data: Data, tell: OnProgress) -> checking.Report:
        """The check of a data set that can be trained on.

        Raises:
            MedDLError: DATA_INVALID where an error was found.
        """
        known = self._checked
        report = known[1] if known is not None and known[0] == data else self.check(data, tell)
        report.refuse_errors()
        return report

    def model(self, name: str, device: str, threads: int | None) -> Model:
        """A model, loaded; the last one is kept."""
        key = (name, device, threads)
        if self._model is None or self._model[0] != key:
            self._model = (key, load(open_model(name), device, threads))
        return self._model[1]


def _no_scene(path: Path) -> NoReturn:
    """In a folder, a scene is no usable case here: Slicer itself opens scenes, and hands over what is in them.

    The libraries of Slicer's modules, by which segmentations are read, are there in Slicer's own process alone: its
    Python started as a program (``PythonSlicer``) does not load modules.
    """
    raise MedDLError(
        Code.EXTRA_MISSING,
        f"{path.name} is a scene, which is read by Slicer itself.",
        "Open it in Slicer, and choose 'Scans of this scene' as the source of the cases; or leave it out with "
        "--leave-out NAME.",
    )


def _told(tell: OnProgress) -> Callable[[int, int], None]:
    return lambda done, of: tell("cases", done, of)
