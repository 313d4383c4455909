"""A batch, scan by scan. Read this first.

While the network runs in its own process, the next scan is read here. A scan is written, and its entry in the ledger,
before the next one is segmented: so a run that is killed repeats one scan at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..case import CaseResult, Outputs, carry_out
from ..clock import OnProgress
from ..errors import Code, MedDLError, Notice
from ..models.weights import sha256_of
from ..pipeline import Segmentation
from ..readers import read
from ..volume import Volume
from ..writers import OutputRecord
from .control import Control, Nobody, Watcher
from .job import Job
from .ledger import Entry, Ledger, State
from .outcome import MOST_LOST, state_of
from .scan import Scan, input_digest
from .segmenters import Segmenter

INTERNAL = "INTERNAL"
"""Instead of a code, where MedDL met an error of its own."""


def run_batch(
    scans: Sequence[Scan],
    job: Job,
    segmenter: Segmenter,
    ledger: Ledger,
    watcher: Watcher | None = None,
    control: Control | None = None,
    again: bool = False,
) -> dict[str, Entry]:
    """Segments scans, and leaves out those that are done.

    Args:
        scans: those that run.
        job: what is done to each.
        segmenter: runs the job's model.
        ledger: of the job, in the folder of results.
        watcher: told how it goes.
        control: through which another thread pauses and cancels.
        again: scans that were refused are tried once more.

    Returns:
        The entries of the job, by scan, of earlier runs and of scans that were not given, too.

    Raises:
        MedDLError: CANCELLED; NO_SPACE and whatever else would end every further scan alike: a model, a machine or a
            folder that cannot be used. What is done then is done.
    """
    from ..readers.dicom_tags import silent_pydicom  # here: only a run needs pydicom

    watcher, control = watcher or Nobody(), control or Control()
    entries = ledger.entries()
    to_do = [scan for scan in scans if not is_done(scan, entries.get(scan.key), ledger.folder, again)]
    batch = _Batch(job, segmenter, ledger.folder, ledger, watcher, control, entries)
    with silent_pydicom(), _read_ahead(to_do, job) as each:
        for number, (scan, reading) in enumerate(each, start=1):
            control.wait()
            watcher.begins(scan, number, len(to_do))
            batch.run(scan, reading)
    return entries


def is_done(scan: Scan, entry: Entry | None, folder: Path, again: bool = False) -> bool:
    """Whether the scan, as it is now, has ended in this job, and its files are as they were written."""
    if entry is None or not entry.state.is_final or (again and entry.state is State.REFUSED):
        return False
    return all(_is_whole(folder, output) for output in entry.outputs) and entry.input == input_digest(scan)


def _is_whole(folder: Path, output: Mapping[str, Any]) -> bool:
    path = folder / output["path"]
    try:
        return path.stat().st_size == int(output["size"]) and sha256_of(path) == str(output["sha256"])
    except OSError:
        return False


Reading = Future[tuple[str, list[Volume]]]
Results = list[tuple[str, CaseResult]]
"""Of each part of a series: what the part is called, and its result."""


@contextmanager
def _read_ahead(scans: Sequence[Scan], job: Job) -> Iterator[Iterator[tuple[Scan, Reading]]]:
    """Gives each scan with what is read of it, while the one after it is being read."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="reader")

    def each() -> Iterator[tuple[Scan, Reading]]:
        ahead: Reading | None = None
        for n, scan in enumerate(scans):
            now = ahead or pool.submit(_read, scan, job)
            ahead = pool.submit(_read, scans[n + 1], job) if n + 1 < len(scans) else None
            yield scan, now

    try:
        yield each()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(scan: Scan, job: Job) -> tuple[str, list[Volume]]:
    return input_digest(scan), read(scan.files, job.reading)


@dataclass
class _Batch:
    job: Job
    segmenter: Segmenter
    folder: Path
    ledger: Ledger
    watcher: Watcher
    control: Control
    entries: dict[str, Entry]
    lost: int = 0

    def run(self, scan: Scan, reading: Reading) -> None:
        """One scan, to its entry in the ledger."""
        started = time.monotonic()
        overwrite = self.ledger.has_begun(scan.key)
        self.ledger.write(Entry(scan.key, scan.folder, "", State.STARTED))
        digest, results, error = self._results(scan, reading, overwrite)
        entry = Entry(
            scan=scan.key,
            study=scan.folder,
            input=digest or input_digest(scan),
            state=self._state(results, error),
            code="" if error is None else error.code.value if isinstance(error, MedDLError) else INTERNAL,
            seconds=round(time.monotonic() - started, 3),
            device=results[0][1].segmentation.device if results else "",
            notices=tuple(dict.fromkeys(notice.code.value for notice in _notices(results))),
            outputs=tuple(record for _, result in results for record in self._records(result)),
            segments=tuple({"part": part, **asdict(row)} for part, result in results for row in result.statistics),
        )
        self.ledger.write(entry)
        self.entries[scan.key] = entry
        self.watcher.ended(scan, entry, [result for _, result in results], error)

    def _results(self, scan: Scan, reading: Reading, overwrite: bool) -> tuple[str, Results, Exception | None]:
        """What the scan is known by, the result of each of its parts, and the first thing that went wrong.

        Raises:
            MedDLError: what would end every further scan alike.
        """
        digest = ""
        results: Results = []
        error: Exception | None = None
        try:
            self._tell("read", 0, 1)
            digest, volumes = reading.result()
            for volume in volumes:
                result = self._part(scan, volume, overwrite)
                if isinstance(result, MedDLError):
                    error = error or result
                else:
                    results.append((volume.source.part, result))
        except MedDLError as refusal:
            state_of(refusal)
            error = refusal
        except Exception as internal:  # noqa: BLE001  one bad scan never stops the rest; it is told, and stands in the ledger
            error = internal
        self._count_lost(error)
        return digest, results, error

    def _part(self, scan: Scan, volume: Volume, overwrite: bool) -> CaseResult | MedDLError:
        """The result of one part, or why there is none; the other parts have theirs."""
        try:
            return self._segmented(scan, volume, overwrite)
        except MedDLError as refusal:
            state_of(refusal)
            return refusal

    def _segmented(self, scan: Scan, volume: Volume, overwrite: bool) -> CaseResult:
        def run(tell: OnProgress) -> Segmentation:
            return self.segmenter.segment(volume, self.job.options, tell)

        others = (e for e in self.entries.values() if e.study == scan.folder and e.scan != scan.key)
        outputs = Outputs(
            folder=self.folder / scan.folder,
            formats=self.job.formats_for(scan.is_dicom),
            overwrite=overwrite,
            anonymous=self.job.anonymous,
            kept=frozenset(self.folder / output["path"] for entry in others for output in entry.outputs),
        )
        return carry_out([volume], self.segmenter.package, run, outputs, self.job.options, self._tell, self.ledger.date)

    def _tell(self, stage: str, done: int, of: int) -> None:
        self.control.check()
        self.watcher.progress(stage, done, of)

    def _state(self, results: Results, error: Exception | None) -> State:
        if error is not None:
            return state_of(error) if isinstance(error, MedDLError) else State.FAILED
        return State.WARNED if any(map(self._is_of_the_scan, _notices(results))) else State.DONE

    def _is_of_the_scan(self, notice: Notice) -> bool:
        """A warning of this scan; those of the model come with every one."""
        return notice.code is not Code.LABEL_UNCODED and notice not in self.segmenter.package.notices

    def _count_lost(self, error: Exception | None) -> None:
        lost = isinstance(error, MedDLError) and error.code is Code.WORKER_LOST
        self.lost = self.lost + 1 if lost else 0
        if error is not None and self.lost >= MOST_LOST:
            raise error

    def _records(self, result: CaseResult) -> Iterator[dict[str, object]]:
        for kind, path in result.files.items():
            record = OutputRecord.of(kind, path)
            yield {"path": path.relative_to(self.folder).as_posix(), **asdict(record)}


def _notices(results: Results) -> list[Notice]:
    return [notice for _, result in results for notice in result.notices]
