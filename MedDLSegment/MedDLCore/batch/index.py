"""What is known of the files of a folder, so that the second run need not open them all again.

A SQLite file in the person's own cache, not beside the results, which others may be given: it holds what DICOM headers
say. It only saves time: a file is looked at again where its size, time or inode is another one, and the index is begun
anew where it is damaged. Whether a scan is done does not depend on it.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

ENVIRONMENT = "MEDDL_INDEX"
"""Environment variable that names another folder."""

_VERSION = 2
_COMMITTED = 2000
"""Files after which what was learnt is kept, however the run ends."""


@dataclass(frozen=True)
class Looked:
    """One file, as it was when it was looked at.

    Attributes:
        state: what tells whether it has changed since.
        kind: ``DICOM``; ``cut``: DICOM whose series is not known; ``loose``: an image that does not name its series;
            ``locked``: what cannot be opened; ``none``: DICOM of no series; ``volume``: NIfTI, NRRD or MetaImage;
            ``""``: none of them.
        instance, series, study, patient: SOPInstanceUID, SeriesInstanceUID, StudyInstanceUID, PatientID.
        number: SeriesNumber.
        modality, body_part, description, study_description, date: see ``Scan``.
    """

    state: str
    kind: str
    instance: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""
    number: str = ""
    modality: str = ""
    body_part: str = ""
    description: str = ""
    study_description: str = ""
    date: str = ""


_NAMES = [f.name for f in fields(Looked)]
_TABLE = f"CREATE TABLE file (path TEXT PRIMARY KEY, {', '.join(f'{name} TEXT' for name in _NAMES)})"
_INSERT = f"INSERT OR REPLACE INTO file VALUES ({', '.join('?' * (1 + len(_NAMES)))})"  # noqa: S608


class Index:
    """The index of one folder. Paths are relative to it."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder that is indexed. Where no cache can be kept, nothing is."""
        self._path = _place() / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]}.sqlite"
        self._new: dict[str, Looked] = {}

    def load(self) -> dict[str, Looked]:
        """All that is known, by path."""
        try:
            with closing(self._opened()) as connection:
                return {row[0]: Looked(*row[1:]) for row in connection.execute("SELECT * FROM file")}
        except (sqlite3.Error, OSError):
            return {}

    def note(self, path: str, looked: Looked) -> None:
        """Keeps what was learnt of a file."""
        self._new[path] = looked
        if len(self._new) >= _COMMITTED:
            self.save()

    def save(self, gone: Iterable[str] = ()) -> None:
        """Writes what was learnt, and forgets the files that are gone."""
        new, self._new = self._new, {}
        with suppress(sqlite3.Error, OSError), closing(self._opened()) as connection, connection:
            connection.executemany(_INSERT, [(path, *astuple(looked)) for path, looked in _storable(new).items()])
            connection.executemany("DELETE FROM file WHERE path = ?", [(path,) for path in gone])

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _prepared(self._path)
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return _prepared(self._path)


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            connection.execute("DROP TABLE IF EXISTS file")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.commit()
            path.chmod(0o600)
    except BaseException:
        connection.close()
        raise
    return connection


def _storable(new: Mapping[str, Looked]) -> dict[str, Looked]:
    """Names that are no text cannot be kept; those files are looked at each time."""
    return {path: looked for path, looked in new.items() if path.isascii() or _is_text(path)}


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place() -> Path:
    """``MEDDL_INDEX``, else where the system keeps what programs can make again."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "MedDL" / "index"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  it never raises
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "MedDL" / "index"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "meddl" / "index"
