"""Images into series: which there are, what is wrong with them, and which one is meant."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import Code, MedDLError
from .dicom_files import DicomFile
from .dicom_left_out import MODALITY_OF_CLASS, LeftOut, nothing_left
from .dicom_slices import Slice, slices_of
from .dicom_stacks import is_scout
from .options import ReadOptions

_MUST_AGREE = {
    "PatientID": "patients",
    "PatientName": "patients",
    "PatientBirthDate": "patients",
    "StudyInstanceUID": "studies",
    "FrameOfReferenceUID": "frames of reference",
    "Modality": "modalities",
    "PhotometricInterpretation": "photometric interpretations",
}
_LISTED = 40


@dataclass(frozen=True, eq=False)
class Series:
    """The images of one SeriesInstanceUID.

    Attributes:
        uid: SeriesInstanceUID; ``""`` where it is missing.
        files: its images.
        slices: what their headers describe; empty where ``refusal`` says why that cannot be.
        refusal: what is wrong with the series.
        copies: files that are among them twice.
    """

    uid: str
    files: tuple[DicomFile, ...]
    slices: tuple[Slice, ...] = ()
    refusal: MedDLError | None = None
    copies: tuple[LeftOut, ...] = ()

    @property
    def modality(self) -> str | None:
        """As stated, or as its SOP class implies."""
        first = self.files[0]
        return first.tags.text("Modality") or MODALITY_OF_CLASS.get(first.sop_class)

    @property
    def number(self) -> float:
        """SeriesNumber, by which viewers call it; infinite where it is missing."""
        numbers = [number for file in self.files if (number := file.tags.number("SeriesNumber")) is not None]
        return min(numbers, default=math.inf)

    def __str__(self) -> str:
        count = len(self.slices) or len(self.files)
        images = f"{self.modality or 'unknown modality'}, {count} {'image' if count == 1 else 'images'}"
        if not self.slices:
            return f"{images}, not readable ({self.refusal.code.value if self.refusal else 'empty'})"
        first = self.slices[0]
        lengths = [*first.spacing, *([] if first.thickness is None else [first.thickness])]
        size = f"{first.pixels.columns} x {first.pixels.rows} at {' x '.join(f'{mm:.4g}' for mm in lengths)} mm"
        return f"{images}, {size}"


def check_whole(file: DicomFile) -> None:
    """Refuses an image that is cut, or has no pixel data: what is left of a file that was cut between two attributes.

    Raises:
        MedDLError: FILE_TRUNCATED.
    """
    if file.refusal is not None:
        raise file.refusal
    if file.pixels is None:
        raise MedDLError(Code.FILE_TRUNCATED, f"{file.name} ends before its pixel data.")


def series_of(files: Sequence[DicomFile]) -> list[Series]:
    """Groups images by SeriesInstanceUID, in the order of SeriesNumber. A series that is wrong carries its refusal."""
    groups: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        groups[file.tags.text("SeriesInstanceUID")].append(file)
    return sorted(itertools.starmap(_series, groups.items()), key=lambda series: (series.number, series.uid))


def _series(uid: str, files: list[DicomFile]) -> Series:
    series = Series(uid, tuple(files))
    try:
        for file in files:
            check_whole(file)
        kept, copies = _without_copies(files)
        series = replace(series, files=tuple(kept), copies=tuple(copies))
        _check_consistent(kept)
        return replace(series, slices=tuple(item for file in kept for item in slices_of(file)))
    except MedDLError as refusal:
        return replace(series, refusal=refusal)


def _without_copies(files: list[DicomFile]) -> tuple[list[DicomFile], list[LeftOut]]:
    """Drops files that are there twice; refuses two different ones with the same SOPInstanceUID."""
    first: dict[str, DicomFile] = {}
    kept, copies = [], []
    for file in files:
        uid = file.tags.text("SOPInstanceUID")
        other = first.setdefault(uid, file) if uid else file
        if other is file:
            kept.append(file)
        elif _digest(file) == _digest(other):
            copies.append(LeftOut(file.name, Code.SERIES_INCONSISTENT, "a copy of another"))
        else:
            raise MedDLError(
                Code.SERIES_INCONSISTENT, f"{other.name} and {file.name} differ but have the same SOPInstanceUID."
            )
    return kept, copies


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
) -> tuple[list[Series], list[LeftOut]]:
    """Takes the series that is meant.

    Args:
        series: the image series.
        rest: files that are no images.
        options: which series.

    Returns:
        The series, and all files that are of no scan.

    Raises:
        MedDLError: MANY_SERIES and SERIES_UNKNOWN with the list; NOT_3D, LOCALIZER, NOT_SCALAR, NOT_CT_MR or NO_IMAGES
            where no image is left.
    """
    scouts = [one for one in series if is_scout(one.slices)]
    scans = [one for one in series if one not in scouts]
    rest = [*rest, *(LeftOut(f.name, Code.LOCALIZER, "a localizer") for one in scouts for f in one.files)]
    if not scans:
        raise nothing_left(rest)
    if options.series == "all" or (options.series is None and len(scans) == 1):
        return scans, rest
    names = _names(scans)
    if options.series is None:
        raise MedDLError(Code.MANY_SERIES, f"There are {len(scans)} series:{_list(scans)}")
    for name, one in zip(names, scans, strict=True):
        if options.series in (name, one.uid):
            return [one], rest
    what = f"these {len(scans)}" if len(scans) > 1 else "what there is"
    hint = "Name one as the list does, or take all with --series all." if len(scans) > 1 else "Leave out --series."
    raise MedDLError(Code.SERIES_UNKNOWN, f"The series that was named is not among {what}:{_list(scans)}", hint)


def _names(scans: Sequence[Series]) -> list[str]:
    """What ``--series`` takes: SeriesNumber, as viewers show it, or where that does not tell all apart, 1, 2, ..."""
    numbers = [one.number for one in scans]
    own = len(set(numbers)) == len(numbers) and all(number.is_integer() and number >= 0 for number in numbers)
    return [str(int(number)) for number in numbers] if own else [str(n + 1) for n in range(len(scans))]


def _list(scans: Sequence[Series]) -> str:
    """A line for each series, with what to pass to ``--series``; of series that look alike also with a file."""
    lines = [str(one) for one in scans]
    alike = Counter(lines)
    lines = [
        f"\n  --series {name}: {line}" + (f", first file {one.files[0].name}" if alike[line] > 1 else "")
        for name, line, one in zip(_names(scans), lines, scans, strict=True)
    ]
    return "".join(lines[:_LISTED]) + ("" if len(lines) <= _LISTED else f"\n  and {len(lines) - _LISTED} more")
