"""3D Slicer's own DICOM database, read and never written.

Slicer's library (CTK) keeps patients, studies, series and files in ``ctkDICOM.sql`` (SQLite). The tables and columns
that are used here are in all of its schemas up to 0.8; the oldest ones have no SchemaInfo and no SOPInstanceUID.
Source: Libs/DICOM/Core/Resources/dicom-schema.sql of https://github.com/commontk/CTK.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import Code, MedDLError
from .headers import dicom_header
from .scan import Scan, iso_date, key_of
from .sources import OnLook

FILE_NAME = "ctkDICOM.sql"
KNOWN_MAJOR = "0"

LOCK_SECONDS = 5.0
"""How long is waited while Slicer writes."""

_SERIES = """
SELECT Series.SeriesInstanceUID, Series.StudyInstanceUID, Patients.PatientID, Series.Modality, Series.BodyPartExamined,
       Series.SeriesDescription, Studies.StudyDescription, Studies.StudyDate
FROM Series LEFT JOIN Studies ON Studies.StudyInstanceUID = Series.StudyInstanceUID
            LEFT JOIN Patients ON Patients.UID = Studies.PatientsUID
ORDER BY Patients.UID, Studies.StudyDate, Series.StudyInstanceUID, Series.SeriesNumber, Series.SeriesInstanceUID
"""


class SlicerDatabase:
    """A DICOM database of 3D Slicer. Slicer may be using it meanwhile: it is read at once, and then closed."""

    def __init__(self, path: Path) -> None:
        """Takes the path of ``ctkDICOM.sql``."""
        self.name = "DICOM database"
        self._path = path.absolute()

    def scans(self, on_look: OnLook | None = None) -> Sequence[Scan]:
        """Every series, by patient, study and number.

        Raises:
            MedDLError: DATABASE_UNREADABLE.
        """
        with self._connection() as connection:
            _check_version(connection)
            files = self._files(connection)
            rows = connection.execute(_SERIES).fetchall()
        if on_look is not None:
            on_look(len(rows), len(rows))
        return [self._scan(row, files.get(str(row[0]), [])) for row in rows]

    def _scan(self, row: Sequence[object], files: list[tuple[str, Path]]) -> Scan:
        series, study, patient, modality, body_part, description, study_description, date = (
            "" if value is None else str(value).strip() for value in row
        )
        has_uids = all(uid for uid, _ in files)
        return Scan(
            key=key_of("series", series),
            folder=key_of("study", study),
            files=tuple(path for _, path in files),
            instances=tuple(uid for uid, _ in files) if has_uids else (),
            series_uid=series,
            study_uid=study,
            patient=patient,
            modality=modality,
            body_part=body_part,
            description=description,
            study_description=study_description,
            date=iso_date(date),
            is_dicom=True,
            open_header=dicom_header,
        )

    def _files(self, connection: sqlite3.Connection) -> dict[str, list[tuple[str, Path]]]:
        """The files of each series that are on this machine: of what a PACS only listed, there is no name."""
        columns = {row[1] for row in connection.execute("PRAGMA table_info(Images)")}
        uid = "SOPInstanceUID" if "SOPInstanceUID" in columns else "''"
        rows = connection.execute(f"SELECT SeriesInstanceUID, {uid}, Filename FROM Images ORDER BY Filename")  # noqa: S608
        files: dict[str, list[tuple[str, Path]]] = defaultdict(list)
        for series, instance, name in rows:
            if name:
                files[series].append((instance or "", self._path.parent / str(name)))  # an absolute name stays as it is
        return files

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._opened()) as connection:
                yield connection
        except sqlite3.Error as error:
            raise MedDLError(
                Code.DATABASE_UNREADABLE, f"{self._path.name} could not be read as a DICOM database: {error}."
            ) from error

    def _opened(self) -> sqlite3.Connection:
        """Read-only. On a medium that takes no locks, as what nobody changes, unless somebody is changing it.

        Raises:
            MedDLError: DATABASE_UNREADABLE while Slicer writes, or where it was ended while it wrote.
        """
        changing = any(self._path.with_name(self._path.name + end).exists() for end in ("-journal", "-wal"))
        for options in ("mode=ro", "mode=ro&immutable=1"):
            connection = sqlite3.connect(f"{self._path.as_uri()}?{options}", timeout=LOCK_SECONDS, uri=True)
            connection.text_factory = _text
            try:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            except sqlite3.OperationalError as error:
                connection.close()
                if changing or "locked" in str(error):
                    raise MedDLError(
                        Code.DATABASE_UNREADABLE,
                        "Slicer is writing into its DICOM database, or was ended while it did.",
                        "Wait until its import is done; otherwise open the database in Slicer once.",
                    ) from error
                if "immutable" in options:
                    raise
            else:
                return connection
        raise AssertionError


def _text(raw: bytes) -> str:
    """One text that is no UTF-8 costs its odd characters, and not the database."""
    return raw.decode("utf-8", "replace")


def _check_version(connection: sqlite3.Connection) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"Images", "Series", "Studies", "Patients"} <= tables:
        raise MedDLError(Code.DATABASE_UNREADABLE, "The file is a database, but not a DICOM database of Slicer.")
    if "SchemaInfo" not in tables:
        return
    row = connection.execute("SELECT Version FROM SchemaInfo").fetchone()
    version = "" if row is None else str(row[0])
    if version.split(".")[0] != KNOWN_MAJOR:
        raise MedDLError(
            Code.DATABASE_UNREADABLE,
            f"The DICOM database has version {version[:20] or 'unknown'}; versions {KNOWN_MAJOR}.x are known.",
        )
