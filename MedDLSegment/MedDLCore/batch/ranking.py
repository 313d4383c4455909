"""How sure a model is of the scans of a source, so that the next one to correct is the one that teaches most.

The figures are those of ``meddl rank``. Each scan is measured once: what is known of it is kept beside the results of
batches, under the hashes by which the ledger knows it, and nothing of a patient.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..admission import Options
from ..atomic import atomic_path
from ..clock import OnProgress
from ..errors import Code, MedDLError, Notice
from ..readers import read
from ..volume import Volume
from .control import Control, Watcher
from .ledger import Entry, State
from .outcome import MOST_LOST, code_of, state_of
from .scan import Scan, input_digest

FILE_NAME = "meddl-ranking.json"

Figures = Mapping[str, Any]
"""``disagreement``, ``entropy``, ``found``, ``way``: see ``uncertainty.Uncertainty``."""


class Measurer(Protocol):
    """Runs one model on scans, one after the other; see ``WorkerSegmenter``."""

    def measure(self, volume: Volume, options: Options, tell: OnProgress) -> tuple[Figures, tuple[Notice, ...]]:
        """How sure the model is of a scan, and what the person should know.

        Raises:
            MedDLError: as ``uncertainty.measure``, and WORKER_LOST, WORKER_STALLED. What ``tell`` raises.
        """
        ...


class KeptFigures:
    """What was measured with one model: a file in the folder of results. With another model it begins anew."""

    def __init__(self, folder: Path, sha256: str) -> None:
        """Reads what there is; ``sha256`` is the model's. A file that is damaged is worth nothing, and replaced."""
        self._path, self._sha256 = folder / FILE_NAME, sha256
        self._scans: dict[str, dict[str, Any]] = {}
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["model"] == sha256:
                self._scans = {key: {"input": row["input"], **_figures(row)} for key, row in kept["scans"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            self._scans = {}

    def of(self, scan: Scan) -> Figures | None:
        """Of the scan as it is now; None: it was not measured."""
        row = self._scans.get(scan.key)
        return _figures(row) if row is not None and row["input"] == input_digest(scan) else None

    def keep(self, scan: Scan, figures: Figures) -> None:
        """Writes the file anew.

        Raises:
            MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
        """
        self._scans[scan.key] = {"input": input_digest(scan), **figures}
        with atomic_path(self._path) as unfinished:
            unfinished.write_text(json.dumps({"model": self._sha256, "scans": self._scans}), encoding="utf-8")


def rank_scans(
    scans: Sequence[Scan],
    measurer: Measurer,
    kept: KeptFigures,
    watcher: Watcher,
    control: Control,
    on_figures: Callable[[Scan, Figures], None],
) -> Counter[State]:
    """Measures scans, and leaves out those that were measured before.

    Args:
        scans: of a source, with files on this machine.
        measurer: runs the model.
        kept: what is known, and gets what is found.
        watcher: told how it goes.
        control: through which another thread pauses and cancels.
        on_figures: told the figures of each scan, of earlier runs first. Of a scan that holds several volumes, those
            of the one of which the model is least sure.

    Returns:
        How the scans ended, those of earlier runs, too.

    Raises:
        MedDLError: CANCELLED, and what would end every further scan alike. What is measured then is kept.
    """
    from ..readers.dicom_tags import silent_pydicom

    known = {scan.key: figures for scan in scans if (figures := kept.of(scan)) is not None}
    for scan in scans:
        if scan.key in known:
            on_figures(scan, known[scan.key])
    to_do, ends, lost = [scan for scan in scans if scan.key not in known], Counter({State.DONE: len(known)}), 0
    for number, scan in enumerate(to_do, start=1):
        control.wait(control.check)
        watcher.begins(scan, number, len(to_do))
        began = time.monotonic()
        error: Exception | None = None
        notices: tuple[Notice, ...] = ()
        try:
            with silent_pydicom():
                figures, notices = _measured(scan, measurer, watcher, control)
            kept.keep(scan, figures)
            on_figures(scan, figures)
            state, lost = State.DONE, 0
        except MedDLError as refused:
            lost = lost + 1 if refused.code is Code.WORKER_LOST else 0
            if refused.code is Code.CANCELLED or lost >= MOST_LOST:
                raise
            state, error = state_of(refused), refused
        except Exception as mistake:  # noqa: BLE001  our own, on one scan: the others are measured
            state, error = State.FAILED, mistake
        ends[state] += 1
        entry = Entry(scan.key, scan.folder, "", state, code_of(error), time.monotonic() - began)
        watcher.ended(scan, entry, notices, error)
    return ends


def _measured(scan: Scan, measurer: Measurer, watcher: Watcher, control: Control) -> tuple[Figures, tuple[Notice, ...]]:
    def tell(stage: str, done: int, of: int) -> None:
        control.check()
        watcher.progress(scan, stage, done, of)

    tell("read", 0, 1)
    measured = [measurer.measure(volume, Options(), tell) for volume in read(scan.files)]
    notices = tuple(dict.fromkeys(notice for _, of_one in measured for notice in of_one))
    return max((_figures(told) for told, _ in measured), key=lambda figures: float(figures["disagreement"])), notices


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``Figures``, of what a worker told or a file holds."""
    return {
        **{name: float(row[name]) for name in ("disagreement", "entropy", "found")},
        "way": str(row["way"]),
    }
