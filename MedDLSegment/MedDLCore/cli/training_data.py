"""Options of the commands that open a data set for training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .scenes import SCENES
from .settings import FilePath

if TYPE_CHECKING:
    from MedDLTraining.data import DataSet

Result = TypeVar("Result")


@dataclass(frozen=True)
class DataRequest:
    """A data set, and how it is to be read.

    Attributes:
        folder: where it is.
        labels: the table that says which segment becomes which label.
        channels: as scans' names end in them.
        patient: finds the patient in a case's name.
        splits: how the cases are divided.
        leave_out: cases that are not used.
    """

    folder: Path
    labels: Path | None
    channels: tuple[str, ...]
    patient: str
    splits: tuple[Path, ...]
    leave_out: tuple[str, ...]

    def open(self, on_progress: Callable[[str, int, int], None] | None = None) -> DataSet:
        """Opens it.

        Raises:
            MedDLError: as ``open_folder``, ``read_table``, ``read_splits``.
        """
        from MedDLTraining.data import open_folder, read_splits, read_table

        data_set = open_folder(
            self.folder,
            channels=self.channels,
            patient=self.patient,
            splits=read_splits(self.splits),
            open_scene=self._scene_opener(),
            on_progress=on_progress,
        ).without(self.leave_out)
        return data_set if self.labels is None else data_set.with_table(read_table(self.labels, data_set.cases))

    def _scene_opener(self) -> Any:
        """What opens scenes, where there are any; without Slicer's libraries that is a refusal, but only then."""
        files = self.folder.rglob("*") if self.folder.is_dir() else [self.folder]
        if not any(file.suffix.lower() in SCENES for file in files):
            return None
        from MedDLScene.annotated import annotatedScansOfFile

        return annotatedScansOfFile


def data_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Adds FOLDER and everything that says how it is read. The command is called with a ``DataRequest``."""

    @functools.wraps(command)
    def requested(
        data: Path,
        labels: Path | None,
        channels: tuple[str, ...],
        patient: str,
        splits: tuple[Path, ...],
        leave_out: tuple[str, ...],
        **own: Any,
    ) -> Result:
        return command(DataRequest(data, labels, channels, patient, splits, leave_out), **own)

    decorated: Callable[..., Result] = requested
    for decorator in reversed(
        (
            click.argument("data", metavar="FOLDER", type=FilePath()),
            click.option(
                "--labels", type=FilePath(dir_okay=False), help="The table that says which segment becomes which label."
            ),
            click.option(
                "--channel", "channels", multiple=True, metavar="NAME", help="As scans' names end in it. Repeatable."
            ),
            click.option(
                "--patient", default="", metavar="REGEX", help="Finds the patient in a case's name, as its first group."
            ),
            click.option(
                "--split",
                "splits",
                multiple=True,
                type=FilePath(dir_okay=False),
                help="How cases are divided, as for meddl check. Only the parts train and val are used. Repeatable.",
            ),
            click.option("--leave-out", multiple=True, metavar="NAME", help="A case that is not used. Repeatable."),
        )
    ):
        decorated = decorator(decorated)
    return decorated
