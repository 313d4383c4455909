"""What the child process can be asked for, as plain data. A request's result is described with its job.

Beside the events of ``MedDLCore.worker.messages`` a training tells:

    epoch       id, and ``events.Epoch``; those of an earlier run come first where it is resumed
    fold        id, fold: the epochs that follow are of this fold of a cross-validation

``cancel`` stops a training, which then ends in its result. ``pause`` and ``go_on`` are requests without a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import MedDLCore
from MedDLCore.worker.messages import Scan, read_as

from ..data import Assignment

ENTRY = Path(__file__).with_name("__main__.py")

MATERIAL = "data.json"
"""In the folder of a training: the ``Data`` that it learns from, so that it can be resumed. Not for publication."""


def service_command(python: str | Path) -> list[str]:
    """The command that starts the process with this interpreter."""
    return [str(python), str(ENTRY), str(Path(MedDLCore.__file__).resolve().parents[1])]


@dataclass(frozen=True)
class Data:
    """A data set and how it is read.

    Attributes:
        folder: as for ``data.open_folder``.
        rows: of the table of labels; empty: as it is proposed.
        leave_out: names or ids of cases.
        channels: as for ``data.open_folder``.
    """

    folder: str
    rows: tuple[Assignment, ...] = ()
    leave_out: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckJob:
    """Opens and checks a data set.

    The result: ``cases`` (id, name), ``unusable`` (id, name, message), ``labels`` (name, color), ``rows``, ``findings``
    (fault, severity, cases, message, consequence, remedy, ruins).
    """

    data: Data


@dataclass(frozen=True)
class CollectJob:
    """Writes the scans of an open scene and what was drawn on them as a data set.

    The result: ``folder``, and ``names`` by the cases' ids.

    Attributes:
        names: what the cases are called.
        scans: of each case, one for each channel, in the private folder.
        drawn: of each case, its label maps, as ``arrays.give_label_map`` gives them.
        folder: where the data set goes; what was collected there before is replaced.
        channels: names; empty: one scan for each case.
    """

    names: tuple[str, ...]
    scans: tuple[tuple[Scan, ...], ...]
    drawn: tuple[tuple[Any, ...], ...]
    folder: str
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanJob:
    """Plans a training.

    The result: ``plan`` (``plan_file.plan_to_plain``), ``memory`` (bytes at the peak), ``training`` and ``validation``
    (how many cases), ``minutes`` (None: of a plan that was given).

    Attributes:
        minutes: in which it ends, all folds together.
        memory: bytes.
        start: a model to begin with; empty: none.
        fixed: as in ``plan.Start``.
        all_folds: a cross-validation.
        network: as for ``plan_training``.
        interactive: as for ``plan_training``.
        file: a plan to follow, in place of making one; empty: none.
    """

    data: Data
    name: str
    minutes: float
    memory: int
    device: str = "auto"
    threads: int | None = None
    start: str = ""
    fixed: float = 0.0
    folds: int = 5
    all_folds: bool = False
    seed: int = 0
    network: str = ""
    interactive: bool = False
    file: str = ""


@dataclass(frozen=True)
class PreviewJob:
    """Shows how a case is varied.

    The result: ``picture``, the name of a PNG in the private folder; ``case`` and ``name``, its id and its name;
    ``scan`` (as ``Scan``) and ``truth`` (as ``worker.arrays`` gives a label map): see ``loop.mosaic``.
    """

    data: Data
    plan: Mapping[str, Any]
    case: str = ""


@dataclass(frozen=True)
class TrainJob:
    """Trains. The result: ``model`` (its folder; None: it was stopped and can be resumed) and ``dice`` by label."""

    data: Data
    plan: Mapping[str, Any]
    folder: str
    device: str = "auto"
    threads: int | None = None
    resume: bool = False
    all_folds: bool = False


@dataclass(frozen=True)
class EvaluateJob:
    """Judges a model.

    The result: ``report`` (path of the page), ``structures`` and ``mean`` as in ``evaluation.json``, ``cases``: worst
    first, each with ``case``, ``dice`` and ``scores`` (by structure).

    Attributes:
        training: folder of the training.
        folder: of the report.
        held_out: only the cases that the training did not learn from.
    """

    data: Data
    training: str
    folder: str
    held_out: bool = True
    device: str = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class ShowJob:
    """Gives the voxels of a case.

    The result: ``name``, ``scans``, ``truth``; ``found`` where a ``model`` is to segment it.
    """

    data: Data
    case: str
    model: str = ""
    device: str = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class PublishJob:
    """Publishes. The result: ``path``, ``name``, ``sha256``. ``said``: by the keys of ``publish.Statement``."""

    training: str
    out: str
    said: Mapping[str, str]
    evaluation: str = ""
    overwrite: bool = False


@dataclass(frozen=True)
class UseJob:
    """Adds a model to those of this machine. The result: ``name``."""

    model: str
    overwrite: bool = True


JOBS: Mapping[str, type] = {
    "check": CheckJob,
    "collect": CollectJob,
    "plan": PlanJob,
    "preview": PreviewJob,
    "train": TrainJob,
    "evaluate": EvaluateJob,
    "show": ShowJob,
    "publish": PublishJob,
    "use": UseJob,
}
"""By the name of the request."""


def read_job(kind: str, data: Any) -> Any:
    """The job of a request.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    return read_as(JOBS[kind], data)
