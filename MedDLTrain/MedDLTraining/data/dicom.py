"""DICOM series with DICOM SEG: which segmentation belongs to which series, by what the headers refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.dicom_files import DicomFile, open_dicom
from MedDLCore.readers.dicom_left_out import left_out
from MedDLCore.readers.dicom_tags import silent_pydicom
from MedDLCore.readers.file_names import listed, named_like_slices, patterns_of
from MedDLCore.spec import Channel

from .case import Case, Unusable
from .dicom_seg import DicomSegFile, segments_of_dicom_seg
from .files import VolumeFile
from .found import Found, patient_digest

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage."""

STRUCTURE_SETS = ("1.2.840.10008.5.1.4.1.1.481.3",)
"""RT Structure Set Storage."""

Series = list[DicomFile]


class _Study(NamedTuple):
    series: dict[str, Series]
    segmentations: list[DicomFile]


def read_dicom_cases(
    folder: Path,
    files: Sequence[Path],
    others: Sequence[Path] = (),
    channels: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Finds series that have a segmentation.

    A SEG belongs to the series that it refers to, or else to the one series of its frame of reference. Series without a
    segmentation are left aside where another series of their study has one; else the study is reported.

    Args:
        folder: the data set's.
        files: DICOM files below it.
        others: the other files: those that are named like slices go with them, so that the reader can doubt the series.
        channels: modalities (``PT``) or ends of series descriptions, in order: a study with a series of each is a case.
            Empty: each series is.
        on_progress: told how many files were looked at.
    """
    series: dict[str, Series] = defaultdict(list)
    segmentations: list[DicomFile] = []
    contours: list[DicomFile] = []
    unusable: list[Unusable] = []
    with silent_pydicom():
        for n, path in enumerate(sorted(files), start=1):
            name = path.relative_to(folder).as_posix()
            try:
                file = open_dicom(path, path.name)
                if file.refusal is not None and not _is_of_a_series(file):
                    raise file.refusal
                if file.sop_class in SEGMENTATIONS:
                    segmentations.append(file)
                elif file.sop_class in STRUCTURE_SETS:
                    contours.append(file)
                elif left_out(file) is None:
                    series[file.tags.text("SeriesInstanceUID")].append(file)
            except MedDLError as error:
                unusable.append(Unusable("", name, error))
            if on_progress is not None:
                on_progress(n, len(files))
        names = _names(series, folder)
        truths: dict[str, list[DicomFile]] = defaultdict(list)
        for file in segmentations:
            found = _series_of(file, series, names)
            if isinstance(found, MedDLError):
                unusable.append(Unusable("", file.path.relative_to(folder).as_posix(), found))
            else:
                truths[found].append(file)
        if channels:
            cases = [_study_case(one, channels, names, others) for one in _studies(series, truths)]
        else:
            cases = [_case(names[uid], [series[uid]], its, others) for uid, its in truths.items()]
    unusable += [case for case in cases if isinstance(case, Unusable)]
    unusable += _with_contours_only(contours, series, truths, names)
    unusable += _without_any(series, truths, contours, names)
    whole = tuple(case for case in cases if isinstance(case, Case))
    return Found(whole, tuple(unusable), tuple(map(Channel, channels)) or (Channel("image"),))


def _names(series: dict[str, Series], folder: Path) -> dict[str, str]:
    """What each series is called: its folder, and its number where the folder holds several."""
    folders = {uid: files[0].path.relative_to(folder).parent.as_posix() for uid, files in series.items()}
    names = {}
    for uid, its in folders.items():
        together = [other for other in folders if folders[other] == its]
        number = series[uid][0].tags.text("SeriesNumber") or str(together.index(uid) + 1)
        name = "" if its == "." else its
        names[uid] = name if name and len(together) == 1 else f"{name}/series {number}".lstrip("/")
    return names


def _series_of(file: DicomFile, series: dict[str, Series], names: dict[str, str]) -> str | MedDLError:
    """The series that a segmentation belongs to."""
    referred = {item.text("SeriesInstanceUID") for item in file.tags.items("ReferencedSeriesSequence")} & set(series)
    if not referred:
        frame = file.tags.text("FrameOfReferenceUID")
        referred = {uid for uid, its in series.items() if frame and its[0].tags.text("FrameOfReferenceUID") == frame}
    if len(referred) == 1:
        return referred.pop()
    if not referred:
        return MedDLError(Code.PAIR_MISSING, f"The series that {file.name} was drawn on is not among the files.")
    may = listed(sorted(names[uid] for uid in referred))
    return MedDLError(
        Code.PAIR_AMBIGUOUS,
        f"{file.name} does not say on which of these series it was drawn: {may}.",
        "Keep the series that was segmented, and leave the others out of the folder.",
    )


def _studies(series: dict[str, Series], truths: dict[str, list[DicomFile]]) -> Iterator[_Study]:
    """Studies in which a series has a segmentation."""
    studies: dict[str, _Study] = {}
    for uid, files in series.items():
        one = studies.setdefault(_study(files[0]), _Study({}, []))
        one.series[uid] = files
        one.segmentations.extend(truths.get(uid, ()))
    return (one for one in studies.values() if one.segmentations)


def _study_case(
    study: _Study, channels: Sequence[str], names: dict[str, str], others: Sequence[Path]
) -> Case | Unusable:
    """A study as a case of several channels."""
    first = next(uid for uid in study.series)
    chosen = []
    for channel in channels:
        fitting = [uid for uid, files in study.series.items() if _is_channel(files[0], channel)]
        if len(fitting) != 1:
            are = ", ".join(names[uid] for uid in fitting) or "none"
            message = f"One series of the study must be the channel {channel}; there are: {are}."
            return Unusable("", names[first], MedDLError(Code.CHANNELS_MISMATCH, message))
        chosen.append(study.series[fitting[0]])
    return _case(names[first], chosen, study.segmentations, others)


def _is_channel(file: DicomFile, channel: str) -> bool:
    wanted = channel.casefold()
    return file.tags.text("Modality").casefold() == wanted or file.tags.text("SeriesDescription").casefold().endswith(
        wanted
    )


def _case(
    name: str, channels: Sequence[Series], segmentations: list[DicomFile], others: Sequence[Path]
) -> Case | Unusable:
    try:
        truths = tuple(DicomSegFile(file.path) for file in segmentations)
        segments = tuple(
            segment for n, file in enumerate(segmentations) for segment in segments_of_dicom_seg(file.tags, source=n)
        )
    except MedDLError as error:
        return Unusable("", name, error)
    tags = channels[0][0].tags
    patient = tags.text("PatientID") or tags.text("PatientName") + tags.text("PatientBirthDate")
    images = tuple(VolumeFile(_with_damaged([file.path for file in files], others)) for files in channels)
    return Case("", name, images, truths, segments, patient_digest(patient))


def _is_of_a_series(file: DicomFile) -> bool:
    """A cut image goes with its series, which then is refused: it must not be a slice shorter."""
    return bool(file.tags.text("SeriesInstanceUID")) and file.sop_class not in (*SEGMENTATIONS, *STRUCTURE_SETS)


def _with_damaged(slices: Sequence[Path], others: Sequence[Path]) -> tuple[Path, ...]:
    """The slices, and what lies beside them under such a name and is no DICOM file any more."""
    folders, patterns = {path.parent for path in slices}, patterns_of(slices)
    return (*slices, *(path for path in others if path.parent in folders and named_like_slices(path, patterns)))


def _with_contours_only(
    contours: list[DicomFile], series: dict[str, Series], truths: dict[str, list[DicomFile]], names: dict[str, str]
) -> list[Unusable]:
    """Structure sets of studies in which no series has a SEG."""
    annotated = {series[uid][0].tags.text("StudyInstanceUID") for uid in truths}
    return [
        Unusable(
            "",
            next((names[uid] for uid, its in series.items() if _study(its[0]) == _study(file)), file.name),
            MedDLError(Code.CONTOURS_ONLY, f"{file.name} holds contours (RTSTRUCT), not voxels."),
        )
        for file in contours
        if _study(file) not in annotated
    ]


def _without_any(
    series: dict[str, Series], truths: dict[str, list[DicomFile]], contours: list[DicomFile], names: dict[str, str]
) -> list[Unusable]:
    """One entry for each study without any segmentation."""
    spoken_of = {_study(series[uid][0]) for uid in truths} | {_study(file) for file in contours}
    first: dict[str, str] = {}
    for uid, files in series.items():
        if _study(files[0]) not in spoken_of:
            first.setdefault(_study(files[0]), names[uid])
    message = "No series of the study has a segmentation (DICOM SEG)."
    return [Unusable("", name, MedDLError(Code.PAIR_MISSING, message)) for name in first.values()]


def _study(file: DicomFile) -> str:
    return file.tags.text("StudyInstanceUID")
