"""The inputs of a case, where the folder of the cases names them itself. No Qt, no scene."""

from __future__ import annotations

from pathlib import Path

from MedDLCore.errors import MedDLError


def inputsNamedIn(folder: str) -> tuple[str, ...] | None:
    """The names in the folder's ``dataset.json``; none where they cannot be read. None: there is no such file."""
    from MedDLTraining.data.nnunet import channels_described

    try:
        channels = channels_described(Path(folder)) if folder else None
    except MedDLError:  # the check says what is wrong with it
        return ()
    return None if channels is None else tuple(channel.name for channel in channels)
