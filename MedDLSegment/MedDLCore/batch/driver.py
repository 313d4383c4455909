"""A batch, scan by scan. Read this first.

Each site (this machine's worker, or several, or other machines) segments one scan after the other, and reads the next
one meanwhile. A scan is written, and its entry in the ledger, before its site segments the next: so a run that is
killed repeats one scan of each site at most. The driver alone writes the ledger.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..case import Beside
from ..errors import Code, MedDLError, Notice
from ..models.weights import sha256_of
from .control import Control, Nobody, Watcher
from .job import Job
from .ledger import Entry, Ledger, State
from .outcome import MOST_LOST, code_of, state_of
from .scan import Scan, input_digest
from .site import Order, Outcome, Site, SiteLostError


class Deliver(Protocol):
    """Brings the results of a scan to where they belong, once its entry stands in the ledger."""

    def __call__(self, entry: Entry) -> None:
        """Raises MedDLError where they cannot be brought there; another run tries again."""


def run_batch(
    scans: Sequence[Scan],
    job: Job,
    sites: Sequence[Site],
    ledger: Ledger,
    watcher: Watcher | None = None,
    control: Control | None = None,
    again: bool = False,
    beside: tuple[Beside, ...] = (),
    deliver: Deliver | None = None,
) -> dict[str, Entry]:
    """Segments scans, and leaves out those that are done.

    Args:
        scans: those that run.
        job: what is done to each.
        sites: where it is done, at the same time.
        ledger: of the job, in the folder of results.
        watcher: told how it goes, by one thread at a time.
        control: through which another thread pauses and cancels.
        again: scans that were refused are tried once more.
        beside: further files of each result, such as a picture.
        deliver: is given every entry with a result, of earlier runs, too.

    Returns:
        The entries of the job, by scan, of earlier runs and of scans that were not given, too.

    Raises:
        MedDLError: CANCELLED; NO_SPACE and whatever else would end every further scan alike: a model, a machine, a
            server or a folder that cannot be used. What is done then is done.
    """
    from ..readers.dicom_tags import silent_pydicom  # here: only a run needs pydicom

    entries = ledger.entries()
    to_do = [scan for scan in scans if not is_done(scan, entries.get(scan.key), ledger.folder, again)]
    batch = _Batch(job, ledger, watcher or Nobody(), control or Control(), beside, deliver, entries, deque(to_do))
    with silent_pydicom():
        if deliver is not None:
            for entry in list(entries.values()):
                deliver(entry)
        batch.run(sites)
    return ledger.entries()


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


@dataclass
class _Batch:
    """What all sites share. Whatever changes is changed under the lock."""

    job: Job
    ledger: Ledger
    watcher: Watcher
    control: Control
    beside: tuple[Beside, ...]
    deliver: Deliver | None
    entries: dict[str, Entry]
    to_do: deque[Scan]
    begun: int = 0
    lost: int = 0
    of: int = field(init=False)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.of = len(self.to_do)

    def run(self, sites: Sequence[Site]) -> None:
        """Until nothing is left to do. What a machine was at that is lost, another one does."""
        while self.to_do:
            if not sites:
                raise MedDLError(Code.WORKER_LOST, "No machine is left.", "Start it again: it goes on.")
            with ThreadPoolExecutor(len(sites), thread_name_prefix="site") as pool:
                lanes = {pool.submit(self._lane, site): site for site in sites}
                try:
                    sites = [lanes[lane] for lane in as_completed(lanes) if lane.result()]
                except BaseException:
                    self.ended.set()
                    raise

    def _lane(self, site: Site) -> bool:
        """One scan after the other; False where the site was lost."""
        scan = self._next()
        while scan is not None:
            ahead = self._next()
            try:
                self.control.wait(self._check)
                self._scan(site, scan, ahead)
            except SiteLostError:
                with self.lock:
                    self.to_do.extendleft(each for each in (ahead, scan) if each is not None)
                return False
            scan = ahead
        return True

    def _next(self) -> Scan | None:
        with self.lock:
            return self.to_do.popleft() if self.to_do else None

    def _check(self) -> None:
        self.control.check()
        if self.ended.is_set():
            raise MedDLError(Code.CANCELLED, "The batch has ended.")

    def _scan(self, site: Site, scan: Scan, ahead: Scan | None) -> None:
        """One scan, to its entry in the ledger.

        Raises:
            MedDLError: what would end every further scan alike.
            SiteLostError: it has to be done elsewhere.
        """

        def tell(stage: str, done: int, of: int) -> None:
            self._check()
            with self.lock:
                self.watcher.progress(scan, stage, done, of)

        outcome = site.run(self._order(scan), ahead, tell)
        state = self._state(outcome)
        error = outcome.error
        entry = Entry(
            scan=scan.key,
            study=scan.folder,
            input=outcome.input or input_digest(scan),
            state=state,
            code=code_of(error),
            seconds=outcome.seconds,
            device=outcome.parts[0].device if outcome.parts else "",
            notices=tuple(dict.fromkeys(notice.code.value for notice in _notices(outcome))),
            outputs=tuple(output for part in outcome.parts for output in part.outputs),
            segments=tuple(segment for part in outcome.parts for segment in part.segments),
        )
        with self.lock:
            self.ledger.write(entry)
            self.entries[scan.key] = entry
            self.watcher.ended(scan, entry, _notices(outcome), error)
        if self.deliver is not None:
            self.deliver(entry)

    def _order(self, scan: Scan) -> Order:
        """What a site is to do; that it is begun stands in the ledger."""
        with self.lock:
            self.begun = min(self.begun + 1, self.of)  # what a lost machine was at is begun twice
            self.watcher.begins(scan, self.begun, self.of)
            overwrite = self.ledger.has_begun(scan.key)
            self.ledger.write(Entry(scan.key, scan.folder, "", State.STARTED))
            others = [e for e in self.entries.values() if e.study == scan.folder and e.scan != scan.key]
        kept = frozenset(self.ledger.folder / output["path"] for entry in others for output in entry.outputs)
        return Order(scan, self.job, self.ledger.folder, self.ledger.date, overwrite, kept, self.beside)

    def _state(self, outcome: Outcome) -> State:
        """How the scan ends; raises what ends the batch."""
        error = outcome.error
        with self.lock:
            lost = isinstance(error, MedDLError) and error.code is Code.WORKER_LOST
            self.lost = self.lost + 1 if lost else 0
            if error is not None and self.lost >= MOST_LOST:
                raise error
        if isinstance(error, MedDLError):
            return state_of(error)
        if error is not None:
            return State.FAILED
        return State.WARNED if any(part.is_warned for part in outcome.parts) else State.DONE


def _notices(outcome: Outcome) -> list[Notice]:
    return [notice for part in outcome.parts for notice in part.notices]
