"""What the child process can be asked for, as plain data. A request's result is described with its job.

Beside the events of ``worker.messages`` these are told; ``scan`` is the hash that the ledger knows the scan by:

    look        done, of: files of the source that were looked at
    choice      scan, modality, description, name, slices, thickness (mm), state, code, reason: of every scan; ``state``
                is ``runs``, ``left out``, or how it has ended before
    begins      scan, place, of: the batch is at this scan
    ended       scan, state, code, message, hint, seconds, notices (code, message of each)
    ranked      scan, disagreement, entropy, found (mL), way: how sure the model is of it, measured earlier or now
    stored      scan, path, instance (its SOPInstanceUID): a DICOM SEG of this batch, of an earlier run, too

``progress`` of a run is of the whole batch; its stage is ``paused`` while it waits. ``cancel`` ends it in an error
CANCELLED, and what is done stays done. ``pause`` and ``go_on`` are requests without a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...worker.messages import read_as

ENTRY = Path(__file__).with_name("__main__.py")

RUNS = "runs"
"""State of a ``choice`` beside ``choosing.LEFT_OUT`` and those of the ledger."""


def service_command(python: str | Path) -> list[str]:
    """The command that starts the process with this interpreter."""
    return [str(python), str(ENTRY)]


@dataclass(frozen=True)
class BatchJob:
    """A batch.

    ``preview`` runs nothing. Its result: ``to_do`` (scans), and the figures of ``Foresight`` (null where nothing is to
    be done).

    ``run`` begins it, or goes on with it. Its result: ``counts`` (scans by state), ``report`` and ``segments`` (paths
    of the page and of the table).

    ``rank`` measures how sure the model is of each scan, or goes on with it. Its result: ``counts``.

    Attributes:
        source: a DICOM database of Slicer, or a folder.
        out: the folder of results.
        model: a name, or a folder.
        rules: lines, see ``batch.rules``.
        rule_file: a file of further ones; empty: none.
        series: SeriesInstanceUIDs: only these, and of them those that the rules take; empty: all.
        device: as in ``worker.messages.Job``.
        threads: of each worker on the CPU; None: all cores together.
        workers: scans at once; 0: as many as memory and cores allow.
        pictures: one of each result, in the report, too.
    """

    source: str
    out: str
    model: str
    rules: tuple[str, ...] = ()
    rule_file: str = ""
    series: tuple[str, ...] = ()
    device: str = "auto"
    threads: int | None = None
    workers: int = 1
    pictures: bool = True


@dataclass(frozen=True)
class ShowJob:
    """Gives the voxels of a scan that ``choice`` told of and that has a result; beside a batch that runs.

    The result: ``parts``: of each volume that has a result ``scan`` and ``found`` (see ``worker.arrays``),
    ``statistics`` (rows) and ``manifest``; ``instances``: SOPInstanceUIDs of the scan's files
    where it is one volume.

    Attributes:
        scan: which one.
        alone: the scan without a result, whether it has one or not: a part has ``scan`` only.
    """

    scan: str
    alone: bool = False


JOBS: Mapping[str, type] = {"preview": BatchJob, "run": BatchJob, "rank": BatchJob, "show": ShowJob}
"""By the name of the request."""


def read_job(kind: str, data: Any) -> Any:
    """The job of a request.

    Raises:
        MedDLError: REQUEST_INVALID, naming what is wrong with it.
    """
    return read_as(JOBS[kind], data)
