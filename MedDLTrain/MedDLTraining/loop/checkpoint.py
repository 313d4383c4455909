"""Checkpoints: whole or not there, vouched for by a SHA-256 beside them, the last two kept."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from MedDLCore.atomic import atomic_path, sweep
from MedDLCore.errors import Code, Notice
from MedDLCore.models.weights import sha256_of

KEPT = 2


def write_checkpoint(state: Mapping[str, Any], folder: Path, epoch: int) -> None:
    """Writes what is needed to go on after ``epoch``; older ones than the last ``KEPT`` go when it is whole.

    Args:
        state: tensors and plain types.
        folder: of this training's checkpoints; made if it is not there.
        epoch: epochs that are done.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE; the earlier checkpoints are untouched then.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"epoch_{epoch:06d}.pt"
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        save(state, file)
    with atomic_path(path.with_suffix(".json")) as unfinished:  # it vouches for the file that is there already
        unfinished.write_text(json.dumps({"sha256": sha256_of(path)}), encoding="utf-8")
    kept = set(_newest_first(folder)[:KEPT])
    for old in folder.glob("epoch_*"):
        if old.with_suffix(".pt") not in kept:
            old.unlink()
    sweep(folder)


def read_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, tuple[Notice, ...]]:
    """Reads the newest checkpoint that is whole.

    Returns:
        None where there is none; and a notice for each that is damaged and was passed over.
    """
    damaged: list[str] = []
    state = None
    for path in _newest_first(folder):
        state = _read(path)
        if state is not None:
            break
        damaged.append(path.name)
    then = "goes on from the one before" if state is not None else "begins anew, for no checkpoint is whole"
    message = "The checkpoint {} is damaged; the training {}."
    return state, tuple(Notice(Code.CHECKPOINT_DAMAGED, message.format(name, then)) for name in damaged)


def save(state: Mapping[str, Any], file: IO[bytes]) -> None:
    """``torch.save``, with the system's own error where the disk is full: torch's, on closing the archive, hides it."""
    try:
        torch.save(dict(state), file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _newest_first(folder: Path) -> list[Path]:
    """Checkpoints for which something vouches."""
    return sorted(_vouched(folder), reverse=True) if folder.is_dir() else []


def _vouched(folder: Path) -> Iterator[Path]:
    for note in folder.glob("epoch_*.json"):
        if re.fullmatch(r"epoch_\d{6}", note.stem):
            yield note.with_suffix(".pt")


def _read(path: Path) -> dict[str, Any] | None:
    """None for a file that is not what was written. Its content is looked at only once its SHA-256 is right."""
    try:
        wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        if sha256_of(path) != wanted:
            return None
        with path.open("rb") as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, pickle.UnpicklingError):
        return None
    return state if isinstance(state, dict) else None
