"""The checkpoint's path."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from ..inside import path_inside
from .config import Component, Config
from .refusal import OutsideError

LOADER = "CheckpointLoader"

USUAL = "models/model.pt"
"""Where the bundle specification has the weights."""


def read_checkpoint(config: Config, folder: Path) -> str:
    """The weights file, relative to the bundle's folder, with ``/``.

    It is what the configuration's ``CheckpointLoader`` loads, wherever that stands; the usual one where there is none.

    Raises:
        OutsideError: for a path that the grammar does not have, or that is none.
        MedDLError: MODEL_INVALID for a path out of the folder.
    """
    loader = _loader(config)
    if loader is None:
        return USUAL
    path = loader["load_path"]
    if not isinstance(path, str) or not path:
        raise OutsideError(loader.place("load_path"), path, "is not a path")
    path_inside(folder, path)
    return PureWindowsPath(path).as_posix()


def _loader(config: Config) -> Component | None:
    """Handlers themselves are never resolved: only the loader among them is looked at."""
    for id in ("checkpointloader", "handlers"):
        for place, raw in config.written(id):
            target = raw.get("_target_")
            if isinstance(target, str) and target.rpartition(".")[2] == LOADER and "load_path" in raw:
                return Component(place, target, raw, config)
    return None
