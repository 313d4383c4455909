"""Where in a folder the results of nnU-Net lie.

``Dataset101_Name/nnUNetTrainer__nnUNetPlans__3d_fullres/{plans.json, dataset.json, fold_0/checkpoint_final.pth}``.
A person may point at any of these levels, or at the folder of all data sets.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from pathlib import Path

from ...errors import Code, MedDLError
from .plans import PLANS_JSON

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
"""The one that nnU-Net takes, and the one that it keeps for a training that was stopped."""

LEVELS = ("", "*", "*/*")
"""How far below a folder results are looked for."""

MOST_FOLDERS = 1000

FOLD = re.compile(r"fold_(\d{1,3}|all)")


def holds_nnunet(folder: Path) -> bool:
    """Whether a folder, or one at most two levels below, holds results."""
    return bool(results_folders(folder))


def results_folders(folder: Path) -> list[Path]:
    """The results folders at the highest level that has some, in the order of their names. Links are not followed."""
    for level in LEVELS:
        found = sorted(_limited(folder.glob(level))) if level else [folder]
        results = [path for path in found if not (level and path.is_symlink()) and _is_results_folder(path)]
        if results:
            return results
    return []


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of all folds, as nnU-Net chooses them: the numbered folds, else the one trained on all data.

    Raises:
        MedDLError: MODEL_INVALID where there is none.
    """
    folds = sorted(
        (path for path in folder.iterdir() if FOLD.fullmatch(path.name) and path.is_dir()),
        key=lambda path: (len(path.name), path.name),
    )
    for name in CHECKPOINTS:
        here = [fold / name for fold in folds if (fold / name).is_file()]
        numbered = [path for path in here if path.parent.name != "fold_all"]
        if here:
            return numbered or here
    raise MedDLError(
        Code.MODEL_INVALID,
        f"{folder.name} holds plans of nnU-Net, but no fold_0/{CHECKPOINTS[0]}.",
        "Give the folder with the trained folds.",
    )


def configuration_of(folder: Path) -> str:
    """The configuration in the name of a results folder (trainer__plans__configuration); else the whole name."""
    return folder.name.rpartition("__")[2]


def beside(folder: Path, configuration: str) -> Path:
    """The results folder of another configuration that the same trainer made with the same plans."""
    return folder.with_name(folder.name.rpartition("__")[0] + "__" + configuration)


def _is_results_folder(path: Path) -> bool:
    """os.path answers where pathlib raises: for folders that may not be read, and names too long to be a file's."""
    return os.path.isfile(path / PLANS_JSON) and any(
        FOLD.fullmatch(fold.name) and any(os.path.isfile(fold / name) for name in CHECKPOINTS)
        for fold in path.glob("fold_*")
    )


def _limited(paths: Iterable[Path]) -> Iterable[Path]:
    for n, path in enumerate(paths):
        if n == MOST_FOLDERS:
            return
        yield path
