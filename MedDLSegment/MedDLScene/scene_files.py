"""Scene files of Slicer: ``.mrml`` with its data beside it, and ``.mrb``, a zip of both.

A bundle from elsewhere is data: VTK's own unpacker follows ``..`` and absolute names out of its folder, so bundles are
checked and unpacked here.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote
from xml.etree import ElementTree

from MedDLCore.atomic import atomic_path, private_folder
from MedDLCore.errors import Code, MedDLError
from MedDLCore.system_errors import named_errors
from MedDLCore.volume import Source, Volume

from .host import createScene
from .libraries import quiet, slicer
from .scene_nodes import nodesOfScene, scansOfScene
from .volume_node import volumeFromNode

MEMBERS_ACCEPTED = 10_000
BYTES_ACCEPTED = 20 * 2**30
RATIO_ACCEPTED = 200
"""A bundle with more files, more bytes, or a better compression than this is refused before anything is unpacked."""

NO_SPACE_BYTES = 2**20
"""Slicer's library does not say why it could not write; with less than this free, the disk is full."""

_NEEDED = ("VolumeArchetypeStorage", "NRRDStorage", "SegmentationStorage", "TransformStorage")
"""The elements of a scene file whose data volumes and segmentations cannot do without."""


def volumesOfScene(path: Path) -> list[tuple[str, Volume]]:
    """The scans of a scene file, in its order, with the names of their nodes (which can name a patient).

    Raises:
        MedDLError: as ``loadScene`` and ``volumeFromNode``; NO_IMAGES where there is none.
    """
    host = createScene()
    loadScene(path, host.scene)
    found = [(node.GetName(), volumeFromNode(node)) for node in scansOfScene(host.scene)]
    if not found:
        raise MedDLError(Code.NO_IMAGES, f"{path.name} holds no scan.", "Save a scene with a loaded scan.")
    parts = [f"volume{n + 1}" for n in range(len(found))] if len(found) > 1 else [""]
    return [
        (name, replace(volume, source=Source("scene", (path,), part=part)))
        for (name, volume), part in zip(found, parts, strict=True)
    ]


def loadScene(path: Path, scene: slicer.vtkMRMLScene) -> None:
    """Adds what a ``.mrml`` or ``.mrb`` file holds to a scene, with its data.

    Raises:
        MedDLError: FILE_NOT_FOUND for the scene or, by their names, for files of volumes, segmentations and transforms
            that it refers to; ARCHIVE_UNSAFE for a bundle that reaches out of itself or is not what a scene needs;
            FILE_UNREADABLE; NO_SPACE.
    """
    if not path.is_file():
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no scene {path.name}.")
    if path.suffix.lower() != ".mrb":
        _importScene(path, scene)
        return
    with named_errors(path.name), private_folder() as folder:
        _unpack(path, folder)
        scenes = sorted(folder.rglob("*.mrml"), key=lambda file: len(file.parts))
        if not scenes:
            raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} holds no scene file.")
        _checkConfined(scenes[0], folder)
        _importScene(scenes[0], scene)
        for node in nodesOfScene(scene, "vtkMRMLStorageNode"):
            if node.GetFileName() and Path(node.GetFileName()).is_relative_to(folder):
                node.ResetFileNameList()
                node.SetFileName("")


def saveScene(scene: slicer.vtkMRMLScene, path: Path) -> None:
    """Writes the whole scene as a bundle that Slicer opens by a double click. The file appears whole, or not at all.

    Args:
        scene: is not changed.
        path: ends in ``.mrb``; its folder exists.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    with atomic_path(path) as bundle:
        with quiet():
            written = scene.WriteToMRB(str(bundle.resolve()))  # it cannot write to a relative path
        if not written or not _isWhole(bundle):
            free = shutil.disk_usage(path.parent).free
            raise MedDLError(
                Code.NO_SPACE if free < NO_SPACE_BYTES else Code.OUTPUT_UNWRITABLE,
                f"Slicer's library could not write {path.name} ({free / 1e6:.0f} MB are free).",
            )


def _importScene(path: Path, scene: slicer.vtkMRMLScene) -> None:
    missing = [name for name, needed in _storedFiles(path) if needed and not (path.parent / name).is_file()]
    if missing:
        names = ", ".join(sorted({Path(name).name for name in missing})[:5])
        raise MedDLError(
            Code.FILE_NOT_FOUND,
            f"{path.name} refers to {len(missing)} files that are not there: {names}.",
            "Keep a .mrml file together with its data, or save the scene as .mrb.",
        )
    scene.SetURL(str(path))
    with quiet():
        read = scene.Import()
    if not read:
        raise MedDLError(Code.FILE_UNREADABLE, f"Slicer's library could not read {path.name}.")


def _storedFiles(path: Path) -> list[tuple[str, bool]]:
    """The names of the files that a scene file refers to, and whether its volumes and segmentations need them."""
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise MedDLError(Code.ARCHIVE_UNSAFE, f"{path.name} declares entities, which no scene needs.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no entities: see above
    except ElementTree.ParseError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} is no scene file: {error}.") from error
    return [
        (unquote(value), element.tag in _NEEDED)
        for element in root.iter()
        for key, value in element.attrib.items()
        if key == "fileName" or key.startswith("fileListMember")
    ]


def _checkConfined(scene: Path, folder: Path) -> None:
    """A bundle's scene may only refer to the bundle's own files: another path could be anybody's, or a server's."""
    for name, _ in _storedFiles(scene):
        if _leadsOut(name) and not (scene.parent / name).resolve().is_relative_to(folder.resolve()):
            raise MedDLError(Code.ARCHIVE_UNSAFE, f"The bundle refers to a file outside of it: {Path(name).name}.")


def _unpack(bundle: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(bundle) as archive:
            members = archive.infolist()
            _checkMembers(members, bundle)
            archive.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{bundle.name} is damaged or no scene bundle: {error}.") from error


def _checkMembers(members: list[zipfile.ZipInfo], bundle: Path) -> None:
    def refuse(problem: str) -> MedDLError:
        return MedDLError(Code.ARCHIVE_UNSAFE, f"{bundle.name} {problem}.", "Ask the sender for a bundle from Slicer.")

    if len(members) > MEMBERS_ACCEPTED:
        raise refuse(f"holds {len(members)} files")
    size, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if size > BYTES_ACCEPTED or size > RATIO_ACCEPTED * max(packed, 1) + 2**20:
        raise refuse(f"would grow from {packed} to {size} bytes")
    seen: set[str] = set()
    for member in members:
        name = member.filename.casefold().rstrip("/")
        if _leadsOut(member.filename):
            raise refuse("holds a file that would be written outside of it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise refuse("holds a link")
        if member.flag_bits & 1:
            raise refuse("is encrypted")
        if name in seen:
            raise refuse("holds the same file twice")
        seen.add(name)


def _leadsOut(name: str) -> bool:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.drive or windows.root) or ".." in posix.parts + windows.parts


def _isWhole(bundle: Path) -> bool:
    """Every file of the bundle can be read back."""
    try:
        with zipfile.ZipFile(bundle) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
