"""One way to name a model: a folder, a model of the store, or one that comes with MedDL."""

from __future__ import annotations

import difflib
import os.path
from pathlib import Path

from ..errors import Code, MedDLError
from .catalogue import catalogue
from .nnunet.totalsegmentator import installed_names, read_installed
from .package import ModelPackage, holds_package, open_folder, packaged
from .store import ModelStore
from .trusted import open_trusted

SHIPPED = Path(__file__).with_name("shipped")
"""The models that come with MedDL, one folder each."""


def open_model(name_or_path: str | Path, store: ModelStore | None = None) -> ModelPackage:
    """Opens a model.

    Args:
        name_or_path: a folder that holds a model; else the name of a model in the store; else of one that comes with
            MedDL; else of one that TotalSegmentator has on this machine.
        store: the person's own if None.

    Raises:
        MedDLError: MODEL_NOT_FOUND, with near matches; MODEL_INVALID.
    """
    name, path = str(name_or_path), Path(name_or_path)  # os.path knows names that are too long to be a file's
    store = store or ModelStore()
    named = store.find(name) or next((folder for folder in shipped_models() if folder.name == name), None)
    if os.path.isdir(path) and name and (holds_package(path) or named is None):  # results may lie in a folder named so
        return open_or_trusted(path, store)
    if named is not None:
        return open_or_trusted(named, store)
    if os.path.isfile(path):
        raise MedDLError(
            Code.MODEL_INVALID,
            f"{path.name} is a file; a model is a folder.",
            "Add a zip first: meddl models add FILE. Of weights, give the folder that also holds their description.",
        )
    installed = read_installed(name)
    if installed is not None:
        return packaged(installed)
    raise _not_found(name, store)


def open_or_trusted(folder: Path, store: ModelStore) -> ModelPackage:
    """Opens a folder as data, or, where that is not enough and the person has agreed to its files, to run its own code.

    Raises:
        MedDLError: as ``open_folder``; MODEL_UNTRUSTED where files have changed since the person agreed.
    """
    try:
        return open_folder(folder)
    except MedDLError as error:
        if error.code is not Code.MODEL_UNTRUSTED:
            raise
        if (package := open_trusted(folder, store.path)) is None:
            raise
        return package


def shipped_models() -> list[Path]:
    """The folders of the models that come with MedDL."""
    return sorted(folder for folder in SHIPPED.glob("*") if folder.is_dir()) if SHIPPED.is_dir() else []


def _not_found(name: str, store: ModelStore) -> MedDLError:
    here = {*store.names()} | {folder.name for folder in shipped_models()}
    here |= set(installed_names())
    near_here = difflib.get_close_matches(name, here, cutoff=0.5)
    near_there = difflib.get_close_matches(name, set(catalogue()) - here, cutoff=0.5)
    hints = []
    if near_here:
        hints.append(f"There is: {', '.join(near_here)}.")
    if near_there:
        hints.append(f"To download: meddl models get {near_there[0]}.")
    shown = name if len(name) <= 200 else name[:200] + "..."
    return MedDLError(Code.MODEL_NOT_FOUND, f"There is no model named {shown!r} and no such folder.", " ".join(hints))
