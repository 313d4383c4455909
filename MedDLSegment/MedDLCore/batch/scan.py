"""A scan that a source offers: which files it is of, and what is known of it before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ..models.weights import sha256_of
from .headers import UNKNOWN, Header


class Remote(Protocol):
    """A series that another machine keeps."""

    @property
    def instances(self) -> tuple[str, ...]:
        """The SOPInstanceUID of each image, sorted."""
        ...

    def fetch(self, folder: Path, check: Callable[[], None]) -> tuple[Path, ...]:
        """Brings all its files into a folder. ``check`` is called now and then, and ends it by what it raises."""
        ...


@dataclass(frozen=True, eq=False)
class Scan:
    """A DICOM series, or a file that holds a volume.

    Attributes:
        key: what the ledger and the reports call it: a hash, which names nobody.
        folder: where its results go, relative to the folder of results.
        files: what is read.
        instances: the SOPInstanceUID of each file; empty where it is no DICOM series.
        series_uid, study_uid, patient: SeriesInstanceUID, StudyInstanceUID and PatientID, or ``""``.
        modality, body_part, description, study_description: DICOM's terms and texts, or ``""``.
        date: of the study, ``YYYY-MM-DD``, or ``""``.
        name: the path within its source, of a volume file or of a folder of images without a series; else ``""``.
        is_dicom: its result can be DICOM SEG.
        open_header: reads what only a file of the scan says; see ``header``.
        remote: where its files are, which are on another machine; None: ``files`` are here.
    """

    key: str
    folder: str
    files: tuple[Path, ...]
    instances: tuple[str, ...] = ()
    series_uid: str = ""
    study_uid: str = ""
    patient: str = ""
    modality: str = ""
    body_part: str = ""
    description: str = ""
    study_description: str = ""
    date: str = ""
    name: str = ""
    is_dicom: bool = False
    open_header: Callable[[Sequence[Path]], Header] = field(default=lambda _: UNKNOWN, repr=False)
    remote: Remote | None = None

    @cached_property
    def header(self) -> Header:
        """What the headers of a few of its files say, which is not looked up before a rule asks."""
        return self.open_header(self.files)

    @property
    def slices(self) -> int | None:
        """Slices, or frames, or None where that is not known."""
        count = len(self.files if self.remote is None else self.remote.instances)
        return count if self.is_dicom and count > 1 else self.header.slices


def key_of(kind: str, *parts: str) -> str:
    """``series-`` and 16 digits of a hash, as output files are named; ``kind`` is the word before the dash."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass"))
    return f"{kind}-{digest.hexdigest()[:16]}"


def iso_date(text: str) -> str:
    """``20200131`` or ``2020-01-31`` as ``2020-01-31``; ``""`` where it is no date."""
    digits = text.replace("-", "").replace(".", "")[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else ""


def input_digest(scan: Scan) -> str:
    """SHA-256 of what a scan is of. It changes when the scan does, and never with a clock.

    An instance is known by its SOPInstanceUID, which no other content may have (PS3.5 9), and by its size, which a
    copy that was cut does not have; on another machine, by its UID alone. Other files are known by their content. A
    file that is missing counts as such.
    """
    digest = hashlib.sha256()
    if scan.remote is not None:
        for uid in scan.remote.instances:
            digest.update(f"{uid}\n".encode())
    elif scan.instances:
        for uid, path in sorted(zip(scan.instances, scan.files, strict=True)):
            digest.update(f"{uid} {_size(path)}\n".encode())
    else:
        for path in sorted(scan.files):
            digest.update(f"{_content(path)}\n".encode())
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _content(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""
