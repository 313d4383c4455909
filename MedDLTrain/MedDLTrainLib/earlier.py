"""What is in the folder of a training: looked up without torch, when the module is opened."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import MedDLError
from MedDLCore.plain_data import from_plain
from MedDLTraining.service import Data
from MedDLTraining.service.jobs import MATERIAL


@dataclass(frozen=True)
class Earlier:
    """A training that was begun.

    Attributes:
        folder: its.
        name: of the model.
        epoch: epochs that are done, of all folds together.
        epochs: how many there will be.
        isDone: there is a model.
        allFolds: it is a cross-validation.
        data: what it learns from; None: it was begun by another program, which knows.
        plan: as plain data.
        problem: why it cannot be resumed here; empty: it can.
    """

    folder: str
    name: str = ""
    epoch: int = 0
    epochs: int = 0
    isDone: bool = False
    allFolds: bool = False
    data: Data | None = None
    plan: dict[str, Any] | None = None
    problem: str = ""

    @property
    def canResume(self) -> bool:
        """It is not done, and all that is needed is known."""
        return not self.isDone and self.data is not None and self.plan is not None


def earlierIn(folder: str) -> Earlier | None:
    """The training in a folder; None: there is none. Reads a few small files."""
    path = Path(folder)
    if not folder or not path.is_dir():
        return None
    from MedDLTraining.plan.plan_file import plan_to_plain, read_plan
    from MedDLTraining.training import CHECKPOINTS, MODEL, PLAN

    folds = sorted(path.glob("fold_*"))
    places = [path] if (path / PLAN).is_file() else [fold for fold in folds if (fold / PLAN).is_file()]
    if not places:
        return None
    try:
        plan = read_plan(places[0] / PLAN)
        data = _material(path / MATERIAL)
    except MedDLError as error:
        return Earlier(folder, problem=error.message)
    trainings = 1 if places[0] == path else plan.folds or len(folds)  # 0: a split names them
    done = sum(plan.epochs if (place / MODEL).is_dir() else _epochsKept(place / CHECKPOINTS) for place in places)
    return Earlier(
        folder,
        plan.name,
        done,
        plan.epochs * trainings,
        (path / MODEL).is_dir(),
        trainings > 1,
        data,
        plan_to_plain(plan),
    )


def _material(path: Path) -> Data | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    found: Data = from_plain(Data, content, path.name)
    return found


def _epochsKept(checkpoints: Path) -> int:
    """The epoch of the newest checkpoint; ``loop.checkpoint`` says whether it is whole."""
    found = [re.fullmatch(r"epoch_(\d+)", path.stem) for path in checkpoints.glob("epoch_*.pt")]
    return max((int(match[1]) for match in found if match), default=0)
