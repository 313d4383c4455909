"""The models of this person: one folder, with one folder in it for each model.

The folder itself is the truth. It can be looked at, moved and emptied with any file manager. There is no index:
the notes in ``.opened`` only save time, and can be deleted.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import Code, MedDLError
from ..spec_rules import is_plain_name
from ..system_errors import named_errors
from ..text import shown
from .archive import RESERVED, copy_folder, unpack
from .cache import forget
from .finding import the_model_in
from .loading import check_networks
from .opened import opened
from .package import ModelPackage, open_folder
from .staging import remove_folder, scratch_folder, settle, staged_folder, tidy
from .unfinished import NOTE, claimed_folder

ENVIRONMENT = "MEDDL_MODELS"
"""Environment variable that names another folder."""

LONGEST_NAME = 100

UNFINISHED = ".downloads"
"""Folder of the store with what came of unfinished downloads, one folder each."""

OPENED = ".opened"
"""Folder of the store with what is noted of its models."""


@dataclass(frozen=True)
class StoredModel:
    """One folder of the store.

    Attributes:
        name: the folder's name, by which the model is opened.
        folder: where it lies.
        size: bytes of all its files.
        package: the model, or None where it cannot be opened.
        error: why it cannot.
    """

    name: str
    folder: Path
    size: int
    package: ModelPackage | None
    error: MedDLError | None = None


def default_folder() -> Path:
    """``MEDDL_MODELS``, else where the system keeps a person's data of programs.

    Raises:
        MedDLError: MODEL_NOT_FOUND where that is in the home folder of a person who has none.
    """
    named = os.environ.get(ENVIRONMENT)
    try:
        return Path(named).expanduser() if named else _folder_of_the_system()
    except RuntimeError as error:  # pathlib's way to say that a person has no home folder
        where = f"{ENVIRONMENT} names {shown(named)}" if named else "It lies in the home folder by default"
        raise MedDLError(
            Code.MODEL_NOT_FOUND,
            f"There is no folder of models. {where}; that person has no home folder on this machine.",
            f"Name an existing folder in the environment variable {ENVIRONMENT}.",
        ) from error


def _folder_of_the_system() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "MedDL" / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "MedDL" / "models"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "meddl" / "models"


class ModelStore:
    """The folder of models.

    Attributes:
        path: the folder. It need not exist until something is added.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        """Takes a folder; the person's own if None."""
        self.path = Path(folder) if folder is not None else default_folder()

    def list(self) -> list[StoredModel]:
        """All models by name; a broken one with its error. See ``opened``: a model may not be read anew."""
        return [_stored(folder, lambda here: opened(here, self.path / OPENED)) for folder in self._folders()]

    def names(self) -> tuple[str, ...]:
        """The names of all models, without opening one."""
        return tuple(folder.name for folder in self._folders())

    def find(self, name: str) -> Path | None:
        """The folder of the model of this name; case does not matter."""
        folders = list(self._folders())
        exact = [folder for folder in folders if folder.name == name]
        return next(iter(exact or [f for f in folders if f.name.casefold() == name.casefold()]), None)

    def add(self, source: str | Path, name: str | None = None, overwrite: bool = False) -> StoredModel:
        """Adds a model: copied or unpacked, its weights loaded into its network, and there only when it is whole.

        Args:
            source: a folder that holds a model, or a zip with one model anywhere in it.
            name: what to call it; the model's own name if None.
            overwrite: replace a model of this name.

        Raises:
            MedDLError: FILE_NOT_FOUND; ARCHIVE_UNSAFE; MODEL_EXISTS; as ``open_folder`` and ``load_networks``;
                NO_SPACE, OUTPUT_UNWRITABLE.
        """
        path = Path(source)
        if not os.path.exists(path):  # also where the name is too long to be a file's
            raise MedDLError(Code.FILE_NOT_FOUND, f"There is no folder or zip {path.name[:200]!r}.")
        if path.is_file() and not zipfile.is_zipfile(path):
            raise MedDLError(Code.ARCHIVE_UNSAFE, f"{path.name} is not a zip.", "Add a model's folder, or a zip of it.")
        if path.is_dir():
            open_folder(path)  # before anything of it is copied
        self._make()
        with scratch_folder(self.path) as scratch:
            content = scratch / _plain_stem(path)  # the name that the person knows, for messages and descriptions
            content.mkdir()
            if path.is_file():
                content = the_model_in(unpack(path, content))
            else:
                copy_folder(path, content)
            package = open_folder(content)
            check_networks(package)
            final = self._free_name(package.spec.name if name is None else name, overwrite)
            settle(content, final, overwrite)
        return _stored(final)

    def stored(self, name: str) -> StoredModel:
        """The model of this name.

        Raises:
            MedDLError: MODEL_NOT_FOUND.
        """
        folder = self.find(name)
        if folder is None:
            raise MedDLError(Code.MODEL_NOT_FOUND, f"The store has no model named {shown(name)}.")
        return _stored(folder)

    def remove(self, name: str) -> None:
        """Removes a model, what came of an unfinished download of it, and what this machine keeps of its networks.

        Of a linked folder, only the link is removed.

        Raises:
            MedDLError: MODEL_NOT_FOUND; OUTPUT_UNWRITABLE.
        """
        folder, unfinished = self.find(name), self.unfinished_bytes(name)
        if folder is None and not unfinished:
            raise MedDLError(Code.MODEL_NOT_FOUND, f"The store has no model named {shown(name)}.")
        if folder is not None:
            package = _stored(folder, lambda here: opened(here, self.path / OPENED)).package
            remove_folder(folder)
            if package is not None:
                forget(package, self.path)
            with suppress(OSError):
                (self.path / OPENED / f"{folder.name}.json").unlink()
                (self.path / OPENED).rmdir()  # others are noted
        if unfinished:
            self.forget_unfinished(name)

    @contextmanager
    def unfinished(self, name: str) -> Iterator[Path]:
        """Gives the folder in which the files of a download lie until the model is whole, to one process at a time.

        Raises:
            MedDLError: DOWNLOAD_FAILED where another process has it; OUTPUT_UNWRITABLE, NO_SPACE.
        """
        with claimed_folder(self.path / UNFINISHED / name.casefold()) as folder:
            try:
                yield folder
            finally:
                if not self.unfinished_bytes(name):
                    self.forget_unfinished(name)

    def unfinished_bytes(self, name: str) -> int:
        """Bytes that came of an unfinished download."""
        folder = self._find_unfinished(name)
        return 0 if folder is None else sum(path.stat().st_size for path in folder.iterdir() if path.suffix != NOTE)

    def forget_unfinished(self, name: str) -> None:
        """Deletes what came of an unfinished download."""
        folder = self._find_unfinished(name)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # others are under way
                folder.parent.rmdir()

    def _find_unfinished(self, name: str) -> Path | None:
        return next((path for path in (self.path / UNFINISHED).glob("*") if path.name == name.casefold()), None)

    @contextmanager
    def placing(self, name: str, overwrite: bool = False) -> Iterator[Path]:
        """Gives an empty folder to fill with a model, which is checked and then takes its place.

        Raises:
            MedDLError: MODEL_EXISTS; as ``open_folder`` and ``load_networks`` where what was filled in is no model;
                NO_SPACE, OUTPUT_UNWRITABLE.
        """
        self._make()
        with staged_folder(self._free_name(name, overwrite), overwrite) as staged:
            yield staged
            check_networks(open_folder(staged))

    def _make(self) -> None:
        with named_errors(self.path.name):
            self.path.mkdir(parents=True, exist_ok=True)
        tidy(self.path)

    def _folders(self) -> Iterator[Path]:
        if not self.path.is_dir():
            return
        for folder in sorted(self.path.iterdir(), key=lambda item: item.name.casefold()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder

    def _free_name(self, name: str, overwrite: bool) -> Path:
        """The folder for a model of this name."""
        _check_name(name)
        there = self.find(name)
        if there is not None and not overwrite:
            raise MedDLError(Code.MODEL_EXISTS, f"The store already has a model named {there.name!r}.")
        return there or self.path / name


def _stored(folder: Path, read: Callable[[Path], ModelPackage] = open_folder) -> StoredModel:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    try:
        return StoredModel(folder.name, folder, size, read(folder))
    except MedDLError as error:
        return StoredModel(folder.name, folder, size, None, error)


def _plain_stem(path: Path) -> str:
    """The name of a folder, or of a zip without its suffix, as a folder can have it everywhere."""
    whole = path.resolve()
    return (whole.stem if whole.is_file() else whole.name).strip(". ") or "model"


def _check_name(name: str) -> None:
    if not is_plain_name(name, LONGEST_NAME) or name[-1] == ".":
        raise MedDLError(
            Code.MODEL_INVALID,
            f"{shown(name)} is not a name for a model.",
            f"Use a letter or digit, then up to {LONGEST_NAME - 1} letters, digits and . _ -",
        )
    if name.split(".")[0].upper() in RESERVED:
        raise MedDLError(Code.MODEL_INVALID, f"{name!r} is the name of a device on Windows.", "Choose another name.")
