"""The networks that TotalSegmentator has downloaded on this machine (github.com/wasserth/TotalSegmentator, config.py).

They are used where they lie. Our result is nnU-Net's on the scan as it is; TotalSegmentator resamples the scan first,
to 1.5 mm for its main task, so that the borders of its structures can differ by a voxel.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..described import Described
from .folders import results_folders
from .opening import read_nnunet, read_task
from .parts import tasks_in_parts

WEIGHTS, HOME = "TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR"
"""Environment variables that name another folder."""


def weights_folder() -> Path:
    """Where TotalSegmentator keeps the results of its trainings; it need not exist."""
    if named := os.environ.get(WEIGHTS):
        return Path(named)
    home = os.environ.get(HOME)
    return (Path(home) if home else Path.home() / ".totalsegmentator") / "nnunet" / "results"


def installed_names() -> list[str]:
    """What ``read_installed`` knows: the tasks in parts, and every data set by the name of its folder."""
    datasets = _datasets()
    return sorted({*tasks_in_parts(datasets), *(folder.name for folder in datasets)})


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
