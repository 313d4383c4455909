"""Which bundles a person lets run their own code: a small file in the folder of models.

A consent is for one folder and exactly the files that were shown. It ends when one byte changes, a file comes or goes,
or the folder moves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from ...atomic import atomic_path
from ...errors import MedDLError
from ...system_errors import named_errors
from ..description import read_json
from .file_set import FileSet

FILE = "trusted.json"
"""Its name in the folder of models. Deleting it takes every consent back."""


class Consents:
    """The consents of this person.

    Attributes:
        path: where they are kept.
    """

    def __init__(self, store: Path) -> None:
        """Takes the folder of models."""
        self.path = store / FILE

    def since(self, folder: Path, files: FileSet) -> str | None:
        """The day since which a folder with these files is trusted; None: it is not.

        Args:
            folder: where the bundle lies.
            files: what is there now.
        """
        entry = self._entries().get(_key(folder), {})
        return str(entry.get("since", "")) if entry.get("sha256") == files.sha256 else None

    def is_known(self, folder: Path) -> bool:
        """Whether a folder was trusted, as it is or as it was."""
        return _key(folder) in self._entries()

    def folders(self) -> tuple[Path, ...]:
        """The folders that were trusted, as they are or as they were."""
        return tuple(Path(folder) for folder in self._entries())

    def grant(self, folder: Path, shown: FileSet) -> None:
        """Records consent to the files that were shown.

        Raises:
            MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
        """
        entry = {"sha256": shown.sha256, "since": date.today().isoformat()}
        self._write({**self._entries(), _key(folder): entry})

    def revoke(self, folder: Path) -> bool:
        """Takes a consent back.

        Returns:
            Whether there was one.

        Raises:
            MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
        """
        entries = dict(self._entries())
        was_there = entries.pop(_key(folder), None) is not None
        if was_there:
            self._write(entries)
        return was_there

    def _entries(self) -> Mapping[str, dict[str, str]]:
        """What the file says; a file that is damaged says nothing, so that nothing is trusted by mistake."""
        try:
            folders = read_json(self.path).get("folders")
        except MedDLError:
            return {}
        return folders if isinstance(folders, dict) and all(isinstance(e, dict) for e in folders.values()) else {}

    def _write(self, entries: Mapping[str, dict[str, str]]) -> None:
        with named_errors(self.path.name):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as path:
            path.touch(mode=0o600)
            path.write_text(json.dumps({"folders": entries}, indent=2) + "\n", encoding="utf-8")


def _key(folder: Path) -> str:
    return str(folder.resolve())
