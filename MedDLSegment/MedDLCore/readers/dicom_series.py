"""Files into series: what is an image of a scan, which series are there, and which one is meant."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import Code, MedDLError, Notice
from .dicom_files import DicomFile
from .dicom_slices import Slice, is_localizer, slices_of
from .dicom_stacks import is_scout
from .options import ReadOptions

_STORAGE = "1.2.840.10008.5.1.4.1.1."
MODALITY_OF_CLASS = {
    **{_STORAGE + suffix: "CT" for suffix in ("2", "2.1", "2.2")},
    **{_STORAGE + suffix: "MR" for suffix in ("4", "4.1", "4.4")},
    **{_STORAGE + suffix: "PT" for suffix in ("128", "130", "128.1")},
}
"""The image classes that are read: classic, enhanced and legacy converted enhanced."""

_MODALITIES = frozenset(MODALITY_OF_CLASS.values())
_MUST_AGREE = {
    "PatientID": "patients",
    "PatientName": "patients",
    "PatientBirthDate": "patients",
    "StudyInstanceUID": "studies",
    "FrameOfReferenceUID": "frames of reference",
    "Modality": "modalities",
    "PhotometricInterpretation": "photometric interpretations",
}
_REFUSED_FIRST = (Code.NOT_3D, Code.LOCALIZER, Code.NOT_SCALAR, Code.NOT_CT_MR)
_LISTED = 40


@dataclass(frozen=True)
class LeftOut:
    """A file that is no slice of a scan, and why.

    Attributes:
        name: of the file.
        code: with which it is refused where there is nothing else.
        reason: completes "<name> is ...".
    """

    name: str
    code: Code
    reason: str

    @property
    def notice(self) -> Notice:
        """What is said of it where there is a scan."""
        return Notice(Code.FILE_SKIPPED, f"{self.name} is {self.reason}.")


@dataclass(frozen=True, eq=False)
class Series:
    """The images of one SeriesInstanceUID.

    Attributes:
        uid: SeriesInstanceUID; ``""`` where it is missing.
        files: its images.
        slices: what their headers describe; empty where ``refusal`` says why that cannot be.
        refusal: what is wrong with the series.
        notices: about its files.
    """

    uid: str
    files: tuple[DicomFile, ...]
    slices: tuple[Slice, ...] = ()
    refusal: MedDLError | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def modality(self) -> str | None:
        """As stated, or as its SOP class implies."""
        first = self.files[0]
        return first.tags.text("Modality") or MODALITY_OF_CLASS.get(first.sop_class)

    def __str__(self) -> str:
        images = f"{self.modality or 'unknown modality'}, {len(self.slices) or len(self.files)} images"
        if not self.slices:
            return f"{images}, not readable ({self.refusal.code.value if self.refusal else 'empty'})"
        first = self.slices[0]
        lengths = [*first.spacing, *([] if first.thickness is None else [first.thickness])]
        size = f"{first.pixels.columns} x {first.pixels.rows} at {' x '.join(f'{mm:.4g}' for mm in lengths)} mm"
        return f"{images}, {size}"


def check_has_pixels(file: DicomFile) -> None:
    """Refuses an image without pixel data: what is left of a file that was cut between two attributes.

    Raises:
        MedDLError: FILE_TRUNCATED.
    """
    if file.pixels is None and (not file.sop_class or file.sop_class in MODALITY_OF_CLASS):
        raise MedDLError(Code.FILE_TRUNCATED, f"{file.name} ends before its pixel data.")


def left_out(file: DicomFile) -> LeftOut | None:
    """Why a file is no slice of a CT, MR or PET scan, or None: it may be one."""
    tags = file.tags
    modality = tags.text("Modality")
    color = tags.text("PhotometricInterpretation") not in ("", "MONOCHROME1", "MONOCHROME2")
    if file.pixels is not None and (color or (tags.integer("SamplesPerPixel") or 1) > 1):
        return LeftOut(file.name, Code.NOT_SCALAR, "in colour")
    if file.sop_class and file.sop_class not in MODALITY_OF_CLASS:
        kind = modality if modality and modality not in _MODALITIES else "secondary capture or other derived object"
        return LeftOut(file.name, Code.NOT_CT_MR, f"not a CT, MR or PET image ({kind})")
    if modality and modality not in _MODALITIES:
        return LeftOut(file.name, Code.NOT_CT_MR, f"not a CT, MR or PET image ({modality})")
    if "MOSAIC" in tags.texts("ImageType"):
        return LeftOut(file.name, Code.NOT_3D, "a mosaic, a whole volume tiled into one image, and cannot be read")
    return LeftOut(file.name, Code.LOCALIZER, "a localizer") if is_localizer(file) else None


def series_of(files: Sequence[DicomFile]) -> list[Series]:
    """Groups images by SeriesInstanceUID, in the order of SeriesNumber. A series that is wrong carries its refusal."""
    groups: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        groups[file.tags.text("SeriesInstanceUID")].append(file)
    return [_series(uid, group) for uid, group in sorted(groups.items(), key=_series_order)]


def _series_order(item: tuple[str, list[DicomFile]]) -> tuple[float, str]:
    uid, files = item
    numbers = [number for file in files if (number := file.tags.number("SeriesNumber")) is not None]
    return (min(numbers, default=float("inf")), uid)


def _series(uid: str, files: list[DicomFile]) -> Series:
    series = Series(uid, tuple(files))
    try:
        kept, notices = _without_copies(files)
        series = replace(series, files=tuple(kept), notices=tuple(notices))
        _check_consistent(kept)
        return replace(series, slices=tuple(item for file in kept for item in slices_of(file)))
    except MedDLError as refusal:
        return replace(series, refusal=refusal)


def _without_copies(files: list[DicomFile]) -> tuple[list[DicomFile], list[Notice]]:
    """Drops files that are there twice; refuses two different ones with the same SOPInstanceUID."""
    first: dict[str, DicomFile] = {}
    kept, notices = [], []
    for file in files:
        uid = file.tags.text("SOPInstanceUID")
        other = first.setdefault(uid, file) if uid else file
        if other is file:
            kept.append(file)
        elif _digest(file) == _digest(other):
            notices.append(Notice(Code.FILE_SKIPPED, f"{file.name} is a copy of {other.name}."))
        else:
            raise MedDLError(
                Code.SERIES_INCONSISTENT, f"{other.name} and {file.name} differ but have the same SOPInstanceUID."
            )
    return kept, notices


def _digest(file: DicomFile) -> bytes:
    try:
        return hashlib.sha256(file.path.read_bytes()).digest()
    except OSError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{file.name}: {error.strerror or error}.") from error


def _check_consistent(files: Sequence[DicomFile]) -> None:
    for keyword, what in _MUST_AGREE.items():
        found = {" ".join(file.tags.text(keyword).replace("^", " ").split()).casefold() for file in files} - {""}
        if len(found) > 1:
            raise MedDLError(
                Code.SERIES_INCONSISTENT, f"Files with one SeriesInstanceUID come from {len(found)} different {what}."
            )


def choose(
    series: Sequence[Series], rest: Sequence[LeftOut], options: ReadOptions
) -> tuple[list[Series], list[Notice]]:
    """Takes the series that is meant, and says what else there is.

    Args:
        series: the image series.
        rest: files that are no images.
        options: which series.

    Raises:
        MedDLError: MANY_SERIES with the list; NOT_3D, LOCALIZER, NOT_SCALAR, NOT_CT_MR or NO_IMAGES where no image is
            left.
    """
    scouts = [one for one in series if is_scout(one.slices)]
    scans = [one for one in series if one not in scouts]
    rest = [*rest, *(LeftOut(f.name, Code.LOCALIZER, "a localizer") for one in scouts for f in one.files)]
    if not scans:
        raise _nothing(rest)
    notices = [item.notice for item in rest]
    if options.series == "all":
        return scans, notices
    if options.series is None:
        if len(scans) == 1:
            return scans, notices
        raise MedDLError(Code.MANY_SERIES, f"There are {len(scans)} series:{_list(scans)}")
    for number, one in enumerate(scans, 1):
        if options.series in (str(number), one.uid):
            return [one], notices
    raise MedDLError(Code.MANY_SERIES, f"The series that was named is not among these {len(scans)}:{_list(scans)}")


def _list(scans: Sequence[Series]) -> str:
    lines = [f"\n  {number}: {one}" for number, one in enumerate(scans[:_LISTED], 1)]
    return "".join(lines) + ("" if len(scans) <= _LISTED else f"\n  and {len(scans) - _LISTED} more")


def _nothing(rest: Sequence[LeftOut]) -> MedDLError:
    codes = {item.code for item in rest}
    code = next((code for code in _REFUSED_FIRST if code in codes), Code.NO_IMAGES)
    reasons = sorted({item.reason for item in rest if item.code is code})
    hint = "Export the series as an enhanced multi-frame file or one slice per file." if code is Code.NOT_3D else ""
    return MedDLError(code, f"None of the {len(rest)} files is a slice of a scan: {'; '.join(reasons)}.", hint)
