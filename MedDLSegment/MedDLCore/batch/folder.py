"""A folder of scans: DICOM series anywhere below it, whatever their files are called, and NIfTI, NRRD and MetaImage."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import MedDLError
from ..readers.file_names import named_like_slices, patterns_of
from ..readers.open import format_of
from ..text import printable
from ..writers import safe_name
from .headers import dicom_header, volume_header
from .index import Index, Looked
from .scan import Scan, iso_date, key_of
from .sources import OnLook

RESULTS = (".seg.nrrd", ".seg.nhdr")
"""How the names of segmentations end, which are no scans."""

UNPLACED = ("cut", "loose")
"""Kinds of DICOM files of which it is not known to which series they belong."""

Files = dict[Path, Looked]


class Folder:
    """A folder of scans."""

    def __init__(self, folder: Path, but: Path) -> None:
        """Takes the folder, and the folder of results, which may lie in it."""
        self.name = "folder"
        self._folder = folder.absolute()
        self._but = but.absolute()

    def scans(self, on_look: OnLook | None = None) -> Sequence[Scan]:
        """Series by patient, study and number; then volume files by name."""
        files = self._look(on_look)
        return [*self._series(files), *self._volumes(files)]

    def _look(self, on_look: OnLook | None) -> Files:
        """Looks at every file that has not been looked at as it is now."""
        index = Index(self._folder)
        known = index.load()
        paths = list(self._walk())
        looked: Files = {}
        for n, (path, state) in enumerate(paths, start=1):
            name = path.relative_to(self._folder).as_posix()
            found = known.pop(name, None)
            if found is None or found.state != state:
                found = look(path, state)
                index.note(name, found)
            looked[path] = found
            if on_look is not None:
                on_look(n, len(paths))
        index.save(gone=known)
        return looked

    def _walk(self) -> Iterator[tuple[Path, str]]:
        for parent, folders, names in os.walk(self._folder):
            here = Path(parent)
            folders[:] = sorted(name for name in folders if here / name != self._but and not name.startswith("."))
            for name in sorted(names):
                try:
                    about = (here / name).stat()
                except OSError:  # a link to nowhere
                    continue
                if (here / name).is_file():
                    yield here / name, f"{about.st_size} {about.st_mtime_ns} {about.st_ino}"

    def _series(self, files: Files) -> list[Scan]:
        series: dict[str, list[Path]] = defaultdict(list)
        doubtful: dict[Path, list[Path]] = defaultdict(list)
        for path, looked in files.items():
            if looked.kind == "DICOM":
                series[looked.series].append(path)
            elif looked.kind in ("", *UNPLACED):
                doubtful[path.parent].append(path)
        scans = [_series_scan(uid, paths, files, doubtful) for uid, paths in series.items()]
        alone = doubtful.keys() - {path.parent for paths in series.values() for path in paths}
        unplaced = {folder: [path for path in doubtful[folder] if files[path].kind in UNPLACED] for folder in alone}
        loose = [self._loose_scan(folder, paths, files) for folder, paths in sorted(unplaced.items()) if paths]
        return [*(scan for _, scan in sorted(scans, key=lambda item: item[0])), *loose]

    def _volumes(self, files: Files) -> list[Scan]:
        paths = [path for path, looked in files.items() if looked.kind == "volume"]
        return [self._file_scan(path) for path in paths if not path.name.lower().endswith(RESULTS)]

    def _file_scan(self, path: Path) -> Scan:
        name = path.relative_to(self._folder).as_posix()
        return Scan(
            key_of("file", name),
            self._results_of(path.parent),
            (path,),
            name=printable(name),
            open_header=volume_header,
        )

    def _loose_scan(self, folder: Path, paths: Sequence[Path], files: Files) -> Scan:
        """The DICOM images of a folder that do not say which series they are of: what a person laid together."""
        name = folder.relative_to(self._folder).as_posix()
        return Scan(
            key=key_of("folder", name),
            folder=self._results_of(folder),
            files=tuple(paths),
            modality=files[paths[0]].modality,
            description=files[paths[0]].description,
            name="" if name == "." else printable(name),
            is_dicom=True,
            open_header=dicom_header,
        )

    def _results_of(self, folder: Path) -> str:
        name = folder.relative_to(self._folder).as_posix()
        return "" if name == "." else safe_name(name)


def look(path: Path, state: str) -> Looked:
    """What a file is. A DICOM file that is cut belongs to its series all the same, which then is refused."""
    try:
        kind = format_of(path)
    except MedDLError:
        return Looked(state, "")
    if kind != "DICOM":
        return Looked(state, "" if kind is None else "volume")
    from ..readers.dicom_files import open_dicom
    from ..readers.dicom_left_out import MODALITY_OF_CLASS
    from ..readers.dicom_tags import silent_pydicom

    with silent_pydicom():
        try:
            file = open_dicom(path, path.name)
            tags = file.tags
            named = bool(tags.text("SeriesInstanceUID"))
            if not named and file.pixels is None:
                return Looked(state, "none" if file.refusal is None else "cut")
            return Looked(
                state,
                "DICOM" if named else "loose",
                instance=tags.text("SOPInstanceUID"),
                series=tags.text("SeriesInstanceUID"),
                study=tags.text("StudyInstanceUID"),
                patient=tags.text("PatientID"),
                number=tags.text("SeriesNumber"),
                modality=tags.text("Modality") or MODALITY_OF_CLASS.get(file.sop_class, ""),
                body_part=tags.text("BodyPartExamined"),
                description=tags.text("SeriesDescription"),
                study_description=tags.text("StudyDescription"),
                date=iso_date(tags.text("StudyDate")),
            )
        except MedDLError:
            return Looked(state, "cut")


def _series_scan(
    uid: str, paths: Sequence[Path], files: Files, doubtful: Mapping[Path, Sequence[Path]]
) -> tuple[tuple[object, ...], Scan]:
    """The series, and by what it is sorted. With it goes what may have been a slice of it."""
    patterns = patterns_of(paths)
    more = [
        path
        for folder in sorted({path.parent for path in paths})
        for path in doubtful.get(folder, ())
        if files[path].kind == "cut" or named_like_slices(path, patterns)
    ]
    first = files[paths[0]]
    study = next((files[path].study for path in paths if files[path].study), "")
    together = (*paths, *more)
    known = not more and all(files[path].instance for path in paths)
    number = int(first.number) if first.number.lstrip("-").isdecimal() else 0
    scan = Scan(
        key=key_of("series", uid),
        folder=key_of("study", study),
        files=together,
        instances=tuple(files[path].instance for path in paths) if known else (),
        series_uid=uid,
        study_uid=study,
        patient=first.patient,
        modality=first.modality,
        body_part=first.body_part,
        description=first.description,
        study_description=first.study_description,
        date=first.date,
        is_dicom=True,
        open_header=lambda _: dicom_header(paths),
    )
    return (first.patient, first.date, study, number, uid), scan
