"""Files that are no slice of a scan: why, and what is said of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Code, MedDLError, Notice
from ..volume import Volume
from .dicom_files import DicomFile
from .dicom_slices import is_localizer
from .file_names import listed, named_like_slices

_STORAGE = "1.2.840.10008.5.1.4.1.1."
MODALITY_OF_CLASS = {
    **{_STORAGE + suffix: "CT" for suffix in ("2", "2.1", "2.2")},
    **{_STORAGE + suffix: "MR" for suffix in ("4", "4.1", "4.4")},
    **{_STORAGE + suffix: "PT" for suffix in ("128", "130", "128.1")},
}
"""The image classes that are read: classic, enhanced and legacy converted enhanced."""

_DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory: the DICOMDIR of a disc."""

_MODALITIES = frozenset(MODALITY_OF_CLASS.values())
_REFUSED_FIRST = (Code.NOT_3D, Code.LOCALIZER, Code.NOT_SCALAR, Code.NOT_CT_MR)


@dataclass(frozen=True)
class LeftOut:
    """A file that is no slice of a scan, and why.

    Attributes:
        name: of the file, for messages.
        code: with which it is refused where there is nothing else; FILE_DAMAGED where it may have been a slice.
        reason: completes "<name> is ...".
    """

    name: str
    code: Code
    reason: str


def left_out(file: DicomFile) -> LeftOut | None:
    """Why a file is no slice of a CT, MR or PET scan, or None: it may be one."""
    tags = file.tags
    modality = tags.text("Modality")
    color = tags.text("PhotometricInterpretation") not in ("", "MONOCHROME1", "MONOCHROME2")
    if file.pixels is not None and (color or (tags.integer("SamplesPerPixel") or 1) > 1):
        return LeftOut(file.name, Code.NOT_SCALAR, "in colour")
    if file.sop_class == _DIRECTORY:
        return LeftOut(file.name, Code.NO_IMAGES, "the index of a disc (DICOMDIR), which names images and holds none")
    if file.sop_class and file.sop_class not in MODALITY_OF_CLASS:
        kind = modality if modality and modality not in _MODALITIES else "secondary capture or other derived object"
        return LeftOut(file.name, Code.NOT_CT_MR, f"not a CT, MR or PET image ({kind})")
    if modality and modality not in _MODALITIES:
        return LeftOut(file.name, Code.NOT_CT_MR, f"not a CT, MR or PET image ({modality})")
    if "MOSAIC" in tags.texts("ImageType"):
        return LeftOut(file.name, Code.NOT_3D, "a mosaic: a whole volume tiled into one image, which cannot be read")
    return LeftOut(file.name, Code.LOCALIZER, "a localizer") if is_localizer(file) else None


def not_dicom(path: Path, name: str, patterns: frozenset[str]) -> LeftOut:
    """A file that does not begin as DICOM does. Named like the slices (their ``patterns``), it may have been one."""
    reason = "empty" if path.stat().st_size == 0 else "not a DICOM file"
    return LeftOut(name, Code.FILE_DAMAGED if named_like_slices(path, patterns) else Code.NO_IMAGES, reason)


def notices_of(files: Iterable[LeftOut]) -> list[Notice]:
    """What is said of files that were left out beside a scan: one warning for each reason, doubtful ones first."""
    names: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for file in files:
        names[file.code is not Code.FILE_DAMAGED, file.reason].append(file.name)
    return [_notice(members, reason, not harmless) for (harmless, reason), members in sorted(names.items())]


def _notice(names: Sequence[str], reason: str, damaged: bool) -> Notice:
    if len(names) == 1:
        text = f"{names[0]} is {reason}; it was left out"
    else:
        text = f"{len(names)} files were left out, each of them {reason}: {listed(names)}"
    if damaged:
        doubt = "By the name it may have been a slice: the scan may end too early"
        return Notice(Code.FILE_DAMAGED, f"{text}. {doubt}.")
    return Notice(Code.FILE_SKIPPED, f"{text}.")


def nothing_left(files: Sequence[LeftOut]) -> MedDLError:
    """The refusal of an input in which every file is left out, by what most deserves to be said."""
    codes = {file.code for file in files}
    code = next((code for code in _REFUSED_FIRST if code in codes), Code.NO_IMAGES)
    reasons = sorted({file.reason for file in files if file.code is code})
    hint = "Export the series as an enhanced multi-frame file or one slice per file." if code is Code.NOT_3D else ""
    none = f"None of the {len(files)} files is" if len(files) > 1 else "The file is not"
    return MedDLError(code, f"{none} a slice of a scan: {'; '.join(reasons)}.", hint)


def said_once(volumes: Sequence[Volume]) -> list[Volume]:
    """The same volumes; a file that was left out is named with the first only, not with each of 200 frames."""
    said: set[Notice] = set()
    result = []
    for volume in volumes:
        new = tuple(item for item in volume.notices if item.code is not Code.FILE_SKIPPED or item not in said)
        said.update(new)
        result.append(replace(volume, notices=new))
    return result
