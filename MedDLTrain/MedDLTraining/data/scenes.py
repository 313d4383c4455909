"""Scans and segmentations of a Slicer scene. Slicer's own code is handed in, not imported.

``MedDLScene.annotated`` gives what is needed: ``annotatedScans(scene)`` for an open scene,
``annotatedScansOfFile(path)`` for a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.values import check_values
from MedDLCore.volume import LabelMap, Volume

from .case import Case, Unusable
from .files import segments_of_labels
from .found import Found, alone


class AnnotatedScan(Protocol):
    """A scan of a scene and what was drawn on it, as ``MedDLScene.annotated.AnnotatedScan`` is."""

    @property
    def name(self) -> str:
        """What the scan's node is called."""
        ...

    def volume(self) -> Volume:
        """The scan, in the world."""
        ...

    def labelMaps(self) -> Sequence[LabelMap]:  # noqa: N802 - Slicer's style, on its side
        """Each segmentation of the scan, on the scan's grid."""
        ...


OpenScene = Callable[[Path], Sequence[AnnotatedScan]]


@dataclass(frozen=True, eq=False)
class SceneScan:
    """The scan of an annotated scan."""

    scan: Callable[[], AnnotatedScan]

    def read(self) -> Volume:
        """Takes it out of the scene; its values are checked as those of files are."""
        volume = self.scan().volume()
        array, notices = check_values(volume.array, volume.modality)
        return replace(volume, array=array, notices=volume.notices + notices)


@dataclass(frozen=True, eq=False)
class SceneSegmentation:
    """One of the segmentations of an annotated scan."""

    source: Callable[[], AnnotatedScan]
    number: int
    own_grid: bool = True

    def read(self, scan: Volume) -> LabelMap:  # noqa: ARG002
        """Takes it out of the scene."""
        return self.source().labelMaps()[self.number]


def cases_of_scene(scans: Sequence[AnnotatedScan], name: str = "") -> Found:
    """Nodes of an open scene as cases. The scene must stay open while they are used.

    Args:
        scans: from ``MedDLScene.annotated.annotatedScans``.
        name: of the scene, where there are several.
    """
    return _cases([(scan, lambda scan=scan: scan) for scan in scans], name)  # type: ignore[misc]


def cases_of_scene_file(path: Path, open_scene: OpenScene, name: str) -> Found:
    """A scene file as cases. Each reading opens the file anew, unless ``open_scene`` keeps it.

    Args:
        path: ``.mrb`` or ``.mrml``.
        open_scene: ``MedDLScene.annotated.annotatedScansOfFile``.
        name: what the person calls the file.
    """
    try:
        scans = open_scene(path)
        found = _cases([(scan, lambda n=n: open_scene(path)[n]) for n, scan in enumerate(scans)], name)  # type: ignore[misc]
    except MedDLError as error:
        return Found(unusable=(Unusable("", name, error),))
    if found.cases or found.unusable:
        return found
    return Found(unusable=(Unusable("", name, MedDLError(Code.NO_IMAGES, f"{name} holds no scan.")),))


def _cases(scans: Sequence[tuple[AnnotatedScan, Callable[[], AnnotatedScan]]], scene: str) -> Found:
    cases: list[Case] = []
    unusable: list[Unusable] = []
    for scan, again in scans:
        name = f"{scene}/{scan.name}" if scene and len(scans) > 1 else scene or scan.name
        try:
            label_maps = scan.labelMaps()
        except MedDLError as error:
            unusable.append(Unusable("", name, error))
            continue
        if not label_maps:
            unusable.append(alone(name, "scan", "segmentation"))
            continue
        truths = tuple(SceneSegmentation(again, n) for n in range(len(label_maps)))
        segments = tuple(
            segment for n, label_map in enumerate(label_maps) for segment in segments_of_labels(label_map.labels, n)
        )
        cases.append(Case("", name, (SceneScan(again),), truths, segments))
    return Found(tuple(cases), tuple(unusable))
