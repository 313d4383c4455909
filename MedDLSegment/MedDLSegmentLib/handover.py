"""Volumes of the scene in the worker's folder: given once, and again when they have changed or the worker is new."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import Notice
from MedDLCore.worker.messages import Scan


@dataclass(frozen=True)
class Given:
    """A volume that the worker has.

    Attributes:
        folder: the worker's.
        state: of the node and its voxels, when they were given.
        scan: what a job says of it.
        notices: warnings of reading the node.
    """

    folder: Path
    state: tuple[object, ...]
    scan: Scan
    notices: tuple[Notice, ...]


class Handover:
    """What the worker has been given, by node."""

    def __init__(self) -> None:
        """Nothing has been given."""
        self._given: dict[str, Given] = {}

    def give(self, volumeNode: Any, folder: Path) -> Given:
        """Writes the voxels, if the worker does not have them as they are now.

        Raises:
            MedDLError: as ``volumeFromNode`` and ``give_volume``.
        """
        from MedDLCore.worker.arrays import give_volume
        from MedDLScene.volume_node import volumeFromNode

        state, known = stateOf(volumeNode), self._given.get(volumeNode.GetID())
        if known is not None and (known.folder, known.state) == (folder, state):
            return known
        if known is not None:
            self._delete(known)
        volume = volumeFromNode(volumeNode)
        given = Given(folder, state, give_volume(volume, folder), volume.notices)
        self._given[volumeNode.GetID()] = given
        return given

    def take(self, volumeNode: Any) -> None:
        """Deletes what was given of a node that is about to go."""
        known = self._given.pop(volumeNode.GetID(), None)
        if known is not None:
            self._delete(known)

    def forget(self) -> None:
        """Deletes all of it: the scene is closed."""
        for given in self._given.values():
            self._delete(given)
        self._given = {}

    @staticmethod
    def _delete(given: Given) -> None:
        with suppress(OSError):  # with the worker, its folder went
            (given.folder / given.scan.array).unlink()


def stateOf(volumeNode: Any) -> tuple[object, ...]:
    """Changes with the voxels, where they lie, and what the node says of itself. No two objects share a time in VTK."""
    image, parent = volumeNode.GetImageData(), volumeNode.GetParentTransformNode()
    voxels = None if image is None else image.GetMTime()
    return voxels, volumeNode.GetMTime(), None if parent is None else parent.GetTransformToWorldMTime()
