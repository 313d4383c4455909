"""What is done: one SQLite file beside the results, with a rollback journal and one writer, the driver.

A scan is done when its files have their final names and their SHA-256 stands here, in this order; so a run that is
killed at any moment repeats what it was at, and nothing else. No clock decides anything. Nothing of a patient is in it:
scans are known by hashes, refusals by their codes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

from ..atomic import check_folder, claimed
from ..errors import Code, MedDLError
from .job import Job

FILE_NAME = "meddl-batch.sqlite"
_VERSION = 2

_TABLES = """
CREATE TABLE job (digest TEXT PRIMARY KEY, model_name TEXT, model_version TEXT, model_sha256 TEXT, settings TEXT,
                  date TEXT);
CREATE TABLE entry (job TEXT REFERENCES job, scan TEXT, study TEXT, input TEXT, state TEXT, code TEXT, seconds REAL,
                    device TEXT, notices TEXT, outputs TEXT, segments TEXT, PRIMARY KEY (job, scan));
"""

_DELIVERED = "CREATE TABLE delivered (place TEXT, sha256 TEXT, PRIMARY KEY (place, sha256));"
"""Since version 2: which files have been stored where. Places are hashes, too."""


class State(str, Enum):
    """How a scan ended."""

    STARTED = "started"
    DONE = "done"
    WARNED = "warned"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def has_result(self) -> bool:
        """There are files."""
        return self in (State.DONE, State.WARNED)

    @property
    def is_final(self) -> bool:
        """The same scan with the same job would end so again. A failure is the machine's, and is tried again."""
        return self in (State.DONE, State.WARNED, State.SKIPPED, State.REFUSED)


@dataclass(frozen=True)
class Entry:
    """What is known of one scan of a job.

    Attributes:
        scan, study: hashes, see ``Scan``.
        input: see ``input_digest``.
        state: how it ended.
        code: why it was skipped or refused, or failed; ``""`` otherwise.
        seconds: that it took.
        device: what the network ran on.
        notices: codes of the warnings.
        outputs: every file: its path relative to the folder of results, its kind, size and SHA-256.
        segments: a row for each segment, see ``SegmentStatistics``, with the ``part`` of the series that it is of.
    """

    scan: str
    study: str
    input: str
    state: State
    code: str = ""
    seconds: float = 0.0
    device: str = ""
    notices: tuple[str, ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = field(default=())
    segments: tuple[Mapping[str, Any], ...] = field(default=())


@contextmanager
def claimed_for_a_batch(folder: Path) -> Iterator[None]:
    """Makes the folder, makes sure that it can be written to, and keeps other batches away from it.

    Raises:
        MedDLError: BATCH_RUNNING, OUTPUT_UNWRITABLE, NO_SPACE.
    """
    check_folder(folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(claimed(folder, FILE_NAME))
        except MedDLError as error:
            if error.code is not Code.OUTPUT_EXISTS:
                raise
            raise MedDLError(Code.BATCH_RUNNING, "Another batch is writing into this folder.", error.hint) from error
        yield


class Ledger:
    """The ledger of a folder of results. Use as a context manager, in a folder that is claimed.

    Attributes:
        folder: of results.
    """

    def __init__(self, folder: Path, job: Job, started: datetime | None = None) -> None:
        """Opens or begins the ledger.

        Args:
            folder: of results; it exists.
            job: whose entries are read and written.
            started: the date of the job, if it is a new one; None: now.

        Raises:
            MedDLError: LEDGER_UNREADABLE, NO_SPACE, OUTPUT_UNWRITABLE; BATCH_RUNNING where it is open already.
        """
        self.folder = folder
        self._job = job.digest
        self._lock = threading.RLock()
        with self._lock, _named_errors():
            self._connection = sqlite3.connect(folder / FILE_NAME, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
                self._connection.execute(
                    "INSERT OR IGNORE INTO job VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        job.digest,
                        job.model_name,
                        job.model_version,
                        job.model_sha256,
                        job.settings,
                        (started or datetime.now()).isoformat(timespec="seconds"),
                    ),
                )
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = DELETE")
        run("PRAGMA synchronous = FULL")
        version = run("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise MedDLError(Code.LEDGER_UNREADABLE, "The ledger was written by a newer version of MedDL.")
        if version == 0:
            self._connection.executescript(f"BEGIN; {_TABLES} {_DELIVERED} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version == 1:
            self._connection.executescript(f"BEGIN; {_DELIVERED} PRAGMA user_version = {_VERSION}; COMMIT;")

    @property
    def date(self) -> datetime:
        """When the job was first started: the date that its results carry, however often it is resumed."""
        with self._lock, _named_errors():
            row = self._connection.execute("SELECT date FROM job WHERE digest = ?", (self._job,)).fetchone()
        return datetime.fromisoformat(row[0])

    def entries(self) -> dict[str, Entry]:
        """All entries of the job, by scan."""
        with self._lock, _named_errors():
            rows = self._connection.execute(
                "SELECT scan, study, input, state, code, seconds, device, notices, outputs, segments FROM entry"
                " WHERE job = ? ORDER BY rowid",
                (self._job,),
            ).fetchall()
            return {row[0]: _entry(row) for row in rows}

    def has_begun(self, scan: str) -> bool:
        """A job of this folder has begun the scan: files that have the names of its results are of this batch."""
        with self._lock, _named_errors():
            found = self._connection.execute("SELECT 1 FROM entry WHERE scan = ? LIMIT 1", (scan,)).fetchone()
        return found is not None

    def write(self, entry: Entry) -> None:
        """Writes an entry in place of the scan's earlier one. It is on the disk when this returns."""
        row = (
            self._job,
            entry.scan,
            entry.study,
            entry.input,
            entry.state.value,
            entry.code,
            entry.seconds,
            entry.device,
            *(json.dumps(list(items), allow_nan=False) for items in (entry.notices, entry.outputs, entry.segments)),
        )
        with self._lock, _named_errors():
            self._connection.execute(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, scan) DO UPDATE SET"
                " study = excluded.study, input = excluded.input, state = excluded.state, code = excluded.code,"
                " seconds = excluded.seconds, device = excluded.device, notices = excluded.notices,"
                " outputs = excluded.outputs, segments = excluded.segments",
                row,
            )

    def is_delivered(self, place: str, sha256: str) -> bool:
        """The file has been stored there."""
        with self._lock, _named_errors():
            query = "SELECT 1 FROM delivered WHERE place = ? AND sha256 = ?"
            return self._connection.execute(query, (place, sha256)).fetchone() is not None

    def note_delivered(self, place: str, sha256: str) -> None:
        """Keeps that it has. It is on the disk when this returns."""
        with self._lock, _named_errors():
            self._connection.execute("INSERT OR IGNORE INTO delivered VALUES (?, ?)", (place, sha256))


def _entry(row: Sequence[Any]) -> Entry:
    scan, study, digest, state, code, seconds, device, notices, outputs, segments = row
    return Entry(
        scan,
        study,
        digest,
        State(state),
        code,
        seconds,
        device,
        tuple(json.loads(notices)),
        tuple(json.loads(outputs)),
        tuple(json.loads(segments)),
    )


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _operational(error) from error
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise MedDLError(Code.LEDGER_UNREADABLE, f"{FILE_NAME} is damaged.") from error


def _operational(error: sqlite3.OperationalError) -> MedDLError:
    """By SQLite's own messages, for Python 3.10 does not tell its codes."""
    text = str(error)
    if "full" in text:
        return MedDLError(Code.NO_SPACE, "The disk is full: the ledger was not written.")
    if "readonly" in text or "unable to open" in text or "I/O" in text:
        return MedDLError(Code.OUTPUT_UNWRITABLE, f"The ledger cannot be written: {text}.")
    if "locked" in text:
        return MedDLError(Code.BATCH_RUNNING, "Another program has the ledger of this folder open.")
    return MedDLError(Code.LEDGER_UNREADABLE, f"{FILE_NAME} is no ledger: {text}.")
