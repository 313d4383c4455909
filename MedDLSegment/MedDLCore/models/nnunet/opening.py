"""A folder of nnU-Net results as one model: a configuration, a cascade, or several data sets' networks together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import Code, MedDLError, Notice
from ...text import shown
from ..described import Described
from .folders import beside, configuration_of, results_folders
from .layout import read_results
from .parts import merged, tasks_in_parts
from .refusal import refused

PREFERRED = ("3d_fullres", "3d_cascade_fullres", "3d_lowres", "2d")
"""Of several configurations of one data set: the one that is taken, the first of these."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def read_nnunet(folder: Path) -> Described:
    """Reads a folder of nnU-Net results.

    Raises:
        MedDLError: MODEL_INVALID, naming what MedDL does not take; MODEL_UNSAFE, MODEL_CORRUPT for a checkpoint.
    """
    found = results_folders(folder)
    datasets = {path.parent for path in found}
    if len(datasets) <= 1:
        return _of_one_dataset(found)
    tasks = list(tasks_in_parts(datasets).values())
    if len(tasks) == 1 and set(tasks[0]) == datasets:
        return read_task(folder, tasks[0])
    names = ", ".join(path.name for path in sorted(datasets))
    raise MedDLError(
        Code.MODEL_INVALID,
        f"{folder.name} holds the results of {len(datasets)} data sets: {names[:400]}.",
        "Give the folder of one of them.",
    )


def read_task(folder: Path, datasets: Sequence[Path]) -> Described:
    """Reads the data sets of a task in parts as one model.

    Args:
        folder: in which all of them lie.
        datasets: in their order.

    Raises:
        MedDLError: as ``read_nnunet``.
    """
    ((name, _),) = tasks_in_parts(datasets).items()
    return merged(folder, [_of_one_dataset(results_folders(dataset)) for dataset in datasets], name)


def _of_one_dataset(found: Sequence[Path]) -> Described:
    """One configuration of those that were trained, with the stage before it."""
    models = {path: read_results(path) for path in found}
    earlier = {_previous_folder(path, model.previous) for path, model in models.items() if model.previous}
    left = [path for path in found if path not in earlier]
    taken = next((path for name in PREFERRED for path in left if configuration_of(path) == name), left[0])
    same = [path for path in left if configuration_of(path) == configuration_of(taken)]
    if len(same) > 1:
        names = ", ".join(path.name for path in same)
        raise refused(taken.parent.name, f"there are several trainings: {names}", "Give the folder of one of them.")
    model = models[taken]
    described = model.described
    if len(left) > 1:
        others = ", ".join(path.name for path in left if path != taken)
        message = f"{taken.name} was taken; beside it lie {others}."
        described = replace(described, notices=(*described.notices, Notice(Code.MODEL_ASSUMED, message)))
    if model.previous is None:
        return described
    stage = _previous_folder(taken, model.previous)
    if stage is None or not stage.is_dir():
        raise refused(
            taken.name,
            f"it is the second stage of a cascade; the first, {model.previous}, is not beside it",
            "Give the folder that holds both.",
        )
    previous = read_results(stage)
    if previous.previous is not None:
        raise refused(stage.name, "a cascade of more than two stages is not known to MedDL")
    found_before = {label.value for label in previous.described.spec.labels}
    if not found_before <= set(described.spec.previous):
        raise refused(taken.name, f"it does not take the labels {shown(sorted(found_before))} of its first stage")
    return replace(described, previous=previous.described)


def _previous_folder(folder: Path, configuration: str | None) -> Path | None:
    if configuration is None or not PLAIN_NAME.fullmatch(configuration):
        return None
    path = beside(folder, configuration)
    return None if path.is_symlink() else path
