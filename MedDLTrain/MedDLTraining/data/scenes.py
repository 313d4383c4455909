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
from MedDLCore.spec import Channel
from MedDLCore.volume import LabelMap, Volume

from .case import Case, Segment, Unusable
from .files import segments_of_labels
from .found import Found, alone


class AnnotatedScan(Protocol):
    """A scan of a scene and what was drawn on it, as ``MedDLScene.annotated.AnnotatedScan`` is."""

    @property
    def name(self) -> str:
        """What the scan's node is called."""
        ...

    @property
    def isAnnotated(self) -> bool:  # noqa: N802 - Slicer's style, on its side
        """Whether something was drawn on it."""
        ...

    def volume(self) -> Volume:
        """The scan, in the world."""
        ...

    def labelMaps(self) -> Sequence[LabelMap]:  # noqa: N802
        """Each segmentation of the scan, also what of it reaches beyond the scan."""
        ...


OpenScene = Callable[[Path], Sequence[AnnotatedScan]]


@dataclass(frozen=True, eq=False)
class SceneScan:
    """The scan of an annotated scan."""

    scan: Callable[[], AnnotatedScan]
    files: tuple[Path, ...] = ()

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
    files: tuple[Path, ...] = ()

    def read(self, scan: Volume) -> LabelMap:  # noqa: ARG002
        """Takes it out of the scene."""
        return self.source().labelMaps()[self.number]


def cases_of_scene(scans: Sequence[AnnotatedScan], name: str = "", channels: Sequence[str] = ()) -> Found:
    """Nodes of an open scene as cases. The scene must stay open while they are used.

    Args:
        scans: from ``MedDLScene.annotated.annotatedScans``.
        name: of the scene, where there are several.
        channels: how the names of the channels' nodes end, in order: the scene is one case. Empty: each scan on which
            something was drawn is a case.

    Raises:
        MedDLError: NO_IMAGES; CHANNELS_MISMATCH; what ``MedDLScene`` refuses.
    """
    return _cases([(scan, lambda scan=scan: scan) for scan in scans], name, channels)  # type: ignore[misc]


def cases_of_scans(cases: Sequence[Sequence[AnnotatedScan]], channels: Sequence[str] = ()) -> Found:
    """Cases of which it is known what belongs together.

    Args:
        cases: of each, one scan for each channel, in order; the first one's name is the case's. What was drawn on any
            of them belongs to the case.
        channels: names; empty: one scan for each case.
    """
    kinds = tuple(map(Channel, channels)) or (Channel("image"),)
    return Found(tuple(map(_case_of_scans, cases)), (), kinds)


def _case_of_scans(scans: Sequence[AnnotatedScan]) -> Case:
    images: list[Again] = [lambda scan=scan: scan for scan in scans]  # type: ignore[misc]
    drawn = [again for scan, again in zip(scans, images, strict=True) if scan.isAnnotated]
    return _case(scans[0].name, images, drawn)


def cases_of_scene_file(path: Path, open_scene: OpenScene, name: str, channels: Sequence[str] = ()) -> Found:
    """A scene file as cases. Each reading opens the file anew, unless ``open_scene`` keeps it.

    Args:
        path: ``.mrb`` or ``.mrml``.
        open_scene: ``MedDLScene.annotated.annotatedScansOfFile``.
        name: what the person calls the file.
        channels: as for ``cases_of_scene``.
    """
    try:
        scans = [(scan, lambda n=n: open_scene(path)[n]) for n, scan in enumerate(open_scene(path))]
        return _cases(scans, name, channels)
    except MedDLError as error:
        return Found(unusable=(Unusable("", name, error),))


Again = Callable[[], AnnotatedScan]
"""Gives a scan once more."""


def _cases(scans: Sequence[tuple[AnnotatedScan, Again]], scene: str, channels: Sequence[str]) -> Found:
    if not scans:
        raise MedDLError(Code.NO_IMAGES, f"{scene or 'The scene'} holds no scan.")
    kinds = tuple(map(Channel, channels)) or (Channel("image"),)
    if not any(scan.isAnnotated for scan, _ in scans):
        return Found(unusable=(alone(scene or scans[0][0].name, "scan", "segmentation"),), channels=kinds)
    drawn = [(scan.name, again) for scan, again in scans if scan.isAnnotated]
    if channels:
        images = [_channel(scans, name) for name in channels]
        return Found((_case(scene or drawn[0][0], images, [again for _, again in drawn]),), (), kinds)
    several = bool(scene) and len(drawn) > 1
    cases = [_case(f"{scene}/{name}" if several else scene or name, [again], [again]) for name, again in drawn]
    return Found(tuple(cases), (), kinds)


def _channel(scans: Sequence[tuple[AnnotatedScan, Again]], channel: str) -> Again:
    fitting = [again for scan, again in scans if scan.name.casefold().endswith(channel.casefold())]
    if len(fitting) != 1:
        message = f"One scan of the scene must be the channel {channel}; there are {len(fitting)} whose name ends so."
        raise MedDLError(Code.CHANNELS_MISMATCH, message)
    return fitting[0]


def _case(name: str, images: Sequence[Again], drawn: Sequence[Again]) -> Case:
    truths: list[SceneSegmentation] = []
    segments: list[Segment] = []
    for again in drawn:
        for n, label_map in enumerate(again().labelMaps()):
            segments += segments_of_labels(label_map.labels, len(truths))
            truths.append(SceneSegmentation(again, n))
    return Case("", name, tuple(SceneScan(again) for again in images), tuple(truths), tuple(segments))
