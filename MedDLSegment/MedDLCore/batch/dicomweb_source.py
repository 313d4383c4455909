"""The scans of a DICOMweb server. What it says of a series comes at once, its files only when the series is read."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..atomic import private_folder
from ..errors import Code, MedDLError
from .dicomweb import SERIES, STUDY, Check, DicomWeb, text
from .headers import UNKNOWN, Header, dicom_header
from .rules import Condition, Rules
from .scan import Scan, iso_date, key_of
from .sources import OnLook

PATIENT, MODALITY, BODY_PART = "00100020", "00080060", "00180015"
DESCRIPTION, STUDY_DESCRIPTION, DATE, NUMBER = "0008103E", "00081030", "00080020", "00200011"

STUDY_FIELDS = ("StudyDescription",)
SERIES_FIELDS = ("BodyPartExamined", "SeriesDescription")
"""What QIDO-RS does not return unless it is asked for (PS3.18 10.6.3.3)."""

_INCOMPLETE = 2
"""Times that a series is fetched anew where images are missing."""


class DicomWebSource:
    """A server as a source. The rules narrow what it is asked for; which scans run is decided as for every source."""

    def __init__(self, server: DicomWeb, rules: Rules) -> None:
        """Takes the server, and what is wanted of it."""
        self.name = "DICOMweb server"
        self._server = server
        self._filters = filters_of(rules)

    def scans(self, on_look: OnLook | None = None) -> Sequence[Scan]:
        """Series by patient, study and number.

        Raises:
            MedDLError: SERVER_AWAY, ACCESS_DENIED, SERVER_FAULTY.
        """
        studies = self._server.studies(self._filters, STUDY_FIELDS, _go_on)
        found: list[tuple[tuple[object, ...], Scan]] = []
        for n, study in enumerate(studies, start=1):
            for series in self._server.series(text(study, STUDY), SERIES_FIELDS, _go_on):
                scan = self._scan(study, series)
                number = text(series, NUMBER)
                order = int(number) if number.lstrip("-").isdecimal() else 0
                found.append(((scan.patient, scan.date, scan.study_uid, order, scan.series_uid), scan))
            if on_look is not None:
                on_look(n, len(studies))
        return [scan for _, scan in sorted(found, key=lambda item: item[0])]

    def _scan(self, study: Mapping[str, Any], series: Mapping[str, Any]) -> Scan:
        uid, study_uid = text(series, SERIES), text(study, STUDY)
        remote = RemoteSeries(self._server, study_uid, uid)
        return Scan(
            key=key_of("series", uid),
            folder=key_of("study", study_uid),
            files=(),
            series_uid=uid,
            study_uid=study_uid,
            patient=text(study, PATIENT),
            modality=text(series, MODALITY),
            body_part=text(series, BODY_PART),
            description=text(series, DESCRIPTION),
            study_description=text(study, STUDY_DESCRIPTION),
            date=iso_date(text(study, DATE)),
            is_dicom=True,
            open_header=lambda _: remote.header(),
            remote=remote,
        )


@dataclass(frozen=True, eq=False)
class RemoteSeries:
    """A series that a server keeps. See ``scan.Remote``."""

    server: DicomWeb
    study: str
    series: str

    @cached_property
    def instances(self) -> tuple[str, ...]:
        """Asked for once."""
        return tuple(self.server.instances(self.study, self.series, _go_on))

    def fetch(self, folder: Path, check: Check) -> tuple[Path, ...]:
        """All files of the series, or none: a transfer that ended early is no shorter scan."""
        for _ in range(_INCOMPLETE):
            files = self.server.retrieve(self.study, self.series, folder, check)
            if set(files) == set(self.instances):
                return tuple(files[uid] for uid in self.instances)
        raise MedDLError(
            Code.SERVER_FAULTY,
            f"Of {len(self.instances)} images of the series the server sent {len(set(files) & set(self.instances))}.",
        )

    def header(self) -> Header:
        """What its middle image says."""
        if not self.instances:
            return UNKNOWN
        with private_folder() as folder:
            middle = self.instances[len(self.instances) // 2]
            path = self.server.retrieve_one(self.study, self.series, middle, folder, _go_on)
            return dicom_header((path,))


def filters_of(rules: Rules) -> dict[str, str]:
    """What of the rules a server can be asked for (QIDO-RS matching): it never leaves out what they would take."""
    filters: dict[str, str] = {}
    for condition in rules.conditions:
        if condition.sign == "=" and condition.field == "modality" and condition.value.isalpha():
            filters["ModalitiesInStudy"] = condition.value.upper()
        elif condition.sign == "=" and condition.field == "patient" and condition.value.isdecimal():
            filters["PatientID"] = condition.value  # letters may differ in case, which a server may mind
        elif condition.field == "date" and "," not in condition.value:
            _narrow(filters, *_range(condition))
    return filters


def _range(condition: Condition) -> tuple[str, str]:
    """The first and the last day, ``YYYYMMDD``; ``""`` where it is open."""
    low, dots, high = (part.strip() for part in condition.value.partition(".."))
    if condition.sign == "=":
        return _day(low, last=False), _day(high if dots else low, last=True)
    if condition.sign in (">", ">="):
        return _day(low, last=False), ""
    return ("", _day(low, last=True)) if condition.sign in ("<", "<=") else ("", "")


def _day(text: str, last: bool) -> str:
    if not text:
        return ""
    year, *rest = (int(part) for part in text.split("-"))
    month = rest[0] if rest else 12 if last else 1
    day = rest[1] if len(rest) > 1 else calendar.monthrange(year, month)[1] if last else 1
    return f"{year:04}{month:02}{day:02}"


def _narrow(filters: dict[str, str], first: str, last: str) -> None:
    known_first, _, known_last = filters.get("StudyDate", "-").partition("-")
    first = max(first, known_first)
    last = min(filter(None, (last, known_last)), default="")
    if first or last:
        filters["StudyDate"] = f"{first}-{last}"


def _go_on() -> None:
    """While scans are looked for, Ctrl-C ends it."""
