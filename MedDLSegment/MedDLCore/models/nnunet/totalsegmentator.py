"""The networks that TotalSegmentator has downloaded on this machine (github.com/wasserth/TotalSegmentator, config.py).

They are used where they lie. Our result is nnU-Net's on the scan as it is; TotalSegmentator resamples the scan first,
to 1.5 mm for its main task, so that the borders of its structures can differ by a voxel.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import MedDLError
from ..described import Described
from ..description import read_json
from .channels import modalities
from .folders import results_folders
from .labels import DATASET_JSON, read_labels
from .opening import read_nnunet, read_task
from .parts import tasks_in_parts
from .values import Table

WEIGHTS, HOME = "TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR"
"""Environment variables that name another folder."""


@dataclass(frozen=True)
class Installed:
    """A model of this machine, as far as it is known without opening a checkpoint.

    Attributes:
        name: by which it is opened.
        size: bytes of its files.
        structures: names of what it finds; empty where its ``dataset.json`` is none.
        modalities: of its channels; None where the name of a channel tells none.
    """

    name: str
    size: int
    structures: tuple[str, ...]
    modalities: tuple[str | None, ...]


def weights_folder() -> Path:
    """Where TotalSegmentator keeps the results of its trainings; it need not exist."""
    if named := os.environ.get(WEIGHTS):
        return Path(named)
    home = os.environ.get(HOME)
    return (Path(home) if home else Path.home() / ".totalsegmentator") / "nnunet" / "results"


def installed_names() -> list[str]:
    """What ``read_installed`` knows: the tasks in parts, and every data set by the name of its folder."""
    return sorted(_folders_by_name())


def installed() -> list[Installed]:
    """The models of ``installed_names``, for a list of models."""
    return [_about(name, folders) for name, folders in sorted(_folders_by_name().items())]


def _folders_by_name() -> dict[str, list[Path]]:
    datasets = _datasets()
    return {**{folder.name: [folder] for folder in datasets}, **tasks_in_parts(datasets)}


def _about(name: str, folders: list[Path]) -> Installed:
    structures: dict[str, None] = {}
    found: list[str | None] = []
    for folder in folders:
        with suppress(MedDLError):
            dataset = Table(read_json(results_folders(folder)[0] / DATASET_JSON), DATASET_JSON)
            structures |= dict.fromkeys(label.name for label in read_labels(dataset).labels)
            found = modalities(dataset)
    size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    return Installed(name, size, tuple(structures), tuple(found))


def read_installed(name: str) -> Described | None:
    """The model of a name, or None; case does not matter.

    Raises:
        MedDLError: as ``read_nnunet``.
    """
    datasets = _datasets()
    tasks = {task.casefold(): parts for task, parts in tasks_in_parts(datasets).items()}
    if name.casefold() in tasks:
        return read_task(weights_folder(), tasks[name.casefold()])
    folder = next((folder for folder in datasets if folder.name.casefold() == name.casefold()), None)
    return None if folder is None else read_nnunet(folder)


def _datasets() -> list[Path]:
    folder = weights_folder()
    return sorted({path.parent for path in results_folders(folder)}) if folder.is_dir() else []
