"""DICOM SEG back to the server that the scans came from."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from ..errors import Code, MedDLError
from .dicomweb import DicomWeb
from .ledger import Entry, Ledger


class StoredOnServer:
    """Stores what has not been stored yet (STOW-RS). A SEG that the server does not take stops no other one.

    Attributes:
        refused: what was not taken: the file, and why. The next run tries again.
    """

    def __init__(self, server: DicomWeb, ledger: Ledger, check: Callable[[], None]) -> None:
        """Takes the server, the ledger, and what is asked while the server is away."""
        self._server = server
        self._place = hashlib.sha256(server.address.encode()).hexdigest()
        self._ledger = ledger
        self._check = check
        self._lock = threading.Lock()
        self.refused: dict[str, MedDLError] = {}

    def __call__(self, entry: Entry) -> None:
        """Stores the SEG of an entry.

        Raises:
            MedDLError: SERVER_AWAY, ACCESS_DENIED.
        """
        for output in entry.outputs:
            path = self._ledger.folder / output["path"]
            if output["kind"] != "dicomseg" or not path.exists():  # what was deleted is made again, and then stored
                continue
            with self._lock:
                if self._ledger.is_delivered(self._place, output["sha256"]):
                    continue
                try:
                    self._server.store(path, self._check)
                except MedDLError as error:
                    if error.code is not Code.SERVER_FAULTY:
                        raise
                    self.refused[output["path"]] = error
                else:
                    self._ledger.note_delivered(self._place, output["sha256"])
