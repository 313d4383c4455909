"""Where a scan is segmented: on this machine, or on another one that sees the same files.

A site reads a scan, runs the network on it and writes its files; while the network runs, it reads the next one. What
it gives back are paths, tables and codes, never voxels. It knows nothing of the ledger.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from ..atomic import private_folder
from ..case import Beside, CaseResult, Outputs, carry_out
from ..clock import OnProgress
from ..errors import Code, MedDLError, Notice
from ..pipeline import Segmentation
from ..readers import read
from ..volume import Volume
from ..writers import OutputRecord
from .centres import centre_columns, centres
from .job import Job
from .outcome import ends_the_batch
from .scan import Scan, input_digest
from .segmenters import Segmenter

LOOK_SECONDS = 0.2
"""How often is looked whether the batch is cancelled while a scan is read."""


@dataclass(frozen=True)
class Order:
    """What a site is asked to do with one scan.

    Attributes:
        scan: the scan.
        job: what is done to it.
        folder: of all results.
        date: that results carry.
        overwrite: an earlier run of this batch has begun the scan; what it left is replaced.
        kept: files of other scans of the study, which are never replaced.
        beside: further files of each result, such as a picture.
    """

    scan: Scan
    job: Job
    folder: Path
    date: datetime
    overwrite: bool = False
    kept: frozenset[Path] = frozenset()
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True)
class Part:
    """The result of one volume of a scan.

    Attributes:
        notices: everything that the person should know.
        outputs: as in ``Entry``.
        segments: as in ``Entry``.
        device: what the network ran on.
        is_warned: a warning is of this scan; those of the model come with every one.
    """

    notices: tuple[Notice, ...]
    outputs: tuple[Mapping[str, Any], ...]
    segments: tuple[Mapping[str, Any], ...]
    device: str
    is_warned: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a scan.

    Attributes:
        input: see ``input_digest``; ``""`` where the scan could not be read.
        parts: those that have a result.
        error: the first thing that went wrong.
        seconds: that it took.
    """

    input: str
    parts: tuple[Part, ...]
    error: Exception | None
    seconds: float


class SiteLostError(Exception):
    """A machine is gone. What it was at can be done elsewhere."""


class Site(Protocol):
    """Segments scans, one after the other."""

    def run(self, order: Order, ahead: Scan | None, tell: OnProgress) -> Outcome:
        """Segments a scan.

        Args:
            order: what to do.
            ahead: the scan that comes next, which may be read already.
            tell: told of progress; what it raises ends the scan, and is the outcome's error.

        Raises:
            SiteLostError: nothing can be done here any more.
        """
        ...


Reading = Future[tuple[str, list[Volume]]]


class LocalSite:
    """This machine. Use as a context manager."""

    def __init__(self, segmenter: Segmenter) -> None:
        """Takes what runs the model."""
        self._segmenter = segmenter
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._stack = ExitStack()
        self._place: Path | None = None
        self._ahead: dict[str, Reading] = {}
        self._closed = False

    def __enter__(self) -> LocalSite:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._stack.close()

    def run(self, order: Order, ahead: Scan | None, tell: OnProgress) -> Outcome:
        """See ``Site``."""
        started = time.monotonic()
        reading = self._ahead.pop(order.scan.key, None) or self._pool.submit(self._read, order.scan, order.job)
        if ahead is not None:
            self._ahead[ahead.key] = self._pool.submit(self._read, ahead, order.job)
        digest, parts = "", list[Part]()
        error: Exception | None = None
        try:
            digest, volumes = _read_now(reading, tell)
            for volume in volumes:
                part = self._part(order, volume, tell)
                if isinstance(part, Part):
                    parts.append(part)
                else:
                    error = error or part
                    if ends_the_batch(part):
                        break
        except Exception as failure:  # noqa: BLE001  one bad scan never stops the rest; it is told, and stands in the ledger
            error = failure
        finally:
            if self._place is not None:
                shutil.rmtree(self._place / order.scan.key, ignore_errors=True)
        return Outcome(digest, tuple(parts), error, round(time.monotonic() - started, 3))

    def _read(self, scan: Scan, job: Job) -> tuple[str, list[Volume]]:
        here = scan if scan.remote is None else self._fetched(scan)
        return input_digest(scan), read(here.files, job.reading)

    def _fetched(self, scan: Scan) -> Scan:
        assert scan.remote is not None  # noqa: S101
        if self._place is None:
            self._place = self._stack.enter_context(private_folder())
        folder = self._place / scan.key
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return replace(scan, files=scan.remote.fetch(folder, self._check))

    def _check(self) -> None:
        """A transfer ends with the batch."""
        if self._closed:
            raise InterruptedError("the batch has ended")

    def _part(self, order: Order, volume: Volume, tell: OnProgress) -> Part | MedDLError:
        """The result of one part, or why there is none; the other parts have theirs.

        Headers that allow no DICOM SEG, as publishers leave them who blank identifiers, cost that file and not the
        result, unless nothing else is wanted.
        """
        formats, others = order.job.formats_for(order.scan.is_dicom), order.job.formats_for(is_dicom=False)
        try:
            return self._made(order, volume, formats, tell)
        except MedDLError as refusal:
            if refusal.code is not Code.SEG_REFUSED or others == formats:
                return refusal
            warned = volume.with_notices(Notice(refusal.code, f"{refusal.message} No DICOM SEG was written."))
        try:
            return self._made(order, warned, others, tell)
        except MedDLError as refusal:
            return refusal

    def _made(self, order: Order, volume: Volume, formats: tuple[str, ...], tell: OnProgress) -> Part:
        def run(on_progress: OnProgress) -> Segmentation:
            return self._segmenter.segment(volume, order.job.options, on_progress)

        outputs = Outputs(
            folder=order.folder / order.scan.folder,
            formats=formats,
            overwrite=order.overwrite,
            anonymous=order.job.anonymous,
            beside=order.beside,
            kept=order.kept,
        )
        package = self._segmenter.package
        result = carry_out([volume], package, run, outputs, order.job.options, tell, order.date)
        return Part(
            result.notices,
            tuple(_records(result, order.folder)),
            tuple(_rows(volume, result)),
            result.segmentation.device,
            any(n.code is not Code.LABEL_UNCODED and n not in package.notices for n in result.notices),
        )


def _read_now(reading: Reading, tell: OnProgress) -> tuple[str, list[Volume]]:
    tell("read", 0, 1)
    while not wait([reading], LOOK_SECONDS).done:
        tell("read", 0, 1)
    return reading.result()


def _rows(volume: Volume, result: CaseResult) -> Iterator[Mapping[str, Any]]:
    label_map = result.segmentation.label_map
    places = centres(label_map)
    for label, row in zip(label_map.labels, result.statistics, strict=True):
        yield {"part": volume.source.part, **asdict(row), **centre_columns(label, places)}


def _records(result: CaseResult, folder: Path) -> Iterator[Mapping[str, Any]]:
    for kind, path in result.files.items():
        yield {"path": path.relative_to(folder).as_posix(), **asdict(OutputRecord.of(kind, path))}
