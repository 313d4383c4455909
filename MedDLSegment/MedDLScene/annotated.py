"""Scans of a scene and the segmentations that were drawn on them: what a network can be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import LabelMap, Volume

from .host import Host, createScene
from .libraries import slicer
from .scene_files import loadScene
from .scene_nodes import FOUND, VARIATIONS, nodesOfScene, scansOfScene
from .segmentation_node import referredVolume, wholeLabelMapFromSegmentationNode
from .volume_node import volumeFromNode


@dataclass(frozen=True, eq=False)
class AnnotatedScan:
    """A scan and its segmentations.

    Attributes:
        node: the scan.
        segmentations: what was drawn on it; empty: nothing.
        host: keeps the scene of a file alive; None for a scene of the caller's.
    """

    node: slicer.vtkMRMLScalarVolumeNode
    segmentations: tuple[slicer.vtkMRMLSegmentationNode, ...]
    host: Host | None = None

    @property
    def name(self) -> str:
        """What the scan's node is called; it can name a patient."""
        return str(self.node.GetName() or "")

    @property
    def isAnnotated(self) -> bool:
        """Whether something was drawn on it."""
        return bool(self.segmentations)

    def volume(self) -> Volume:
        """The scan in the world, as ``volumeFromNode`` gives it."""
        return volumeFromNode(self.node)

    def labelMaps(self) -> Sequence[LabelMap]:
        """Each segmentation, whole: on the scan's grid, extended where segments reach beyond the scan."""
        return [wholeLabelMapFromSegmentationNode(drawn, self.node) for drawn in self.segmentations]


def annotatedScans(scene: slicer.vtkMRMLScene, host: Host | None = None) -> list[AnnotatedScan]:
    """The scans of a scene, with the segmentations that refer to them.

    A segmentation that refers to no scan belongs to the scene's only one. What only shows a case of a training, varied
    or as a model found it, nobody drew.

    Args:
        scene: is not changed.
        host: what keeps the scene alive, where the caller does not.

    Raises:
        MedDLError: PAIR_AMBIGUOUS where a segmentation refers to no scan and there are several.
    """
    scans = scansOfScene(scene)
    drawn: dict[str, list[slicer.vtkMRMLSegmentationNode]] = {scan.GetID(): [] for scan in scans}
    for node in nodesOfScene(scene, "vtkMRMLSegmentationNode"):
        if node.GetAttribute(VARIATIONS) or node.GetAttribute(FOUND):
            continue
        reference = referredVolume(node) or (scans[0] if len(scans) == 1 else None)
        if reference is None or reference.GetID() not in drawn:
            raise MedDLError(
                Code.PAIR_AMBIGUOUS,
                f"The scene has {len(scans)} scans, and a segmentation does not say which of them it was drawn on.",
                "In Slicer's Segment Editor, choose the segmentation and its source volume, and save the scene.",
            )
        drawn[reference.GetID()].append(node)
    return [AnnotatedScan(scan, tuple(drawn[scan.GetID()]), host) for scan in scans]


def annotatedScansOfFile(path: Path) -> tuple[AnnotatedScan, ...]:
    """The same for a ``.mrml`` or ``.mrb`` file. The last scene is kept, for who asks again before the file changes.

    Raises:
        MedDLError: as ``annotatedScans`` and ``loadScene``.
    """
    if not path.is_file():
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no scene {path.name}.")
    state = path.stat()
    return _opened(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _opened(path: Path, _: int, __: int) -> tuple[AnnotatedScan, ...]:
    host = createScene()
    loadScene(path, host.scene)
    return tuple(annotatedScans(host.scene, host))
