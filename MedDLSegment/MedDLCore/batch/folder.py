"""A folder of scans: DICOM series anywhere below it, whatever their files are called, and NIfTI, NRRD and MetaImage."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import Code, MedDLError
from ..readers.file_names import named_like_slices, patterns_of
from ..readers.open import format_of
from ..text import printable
from ..writers import safe_name
from .headers import Header, dicom_header, volume_header
from .index import Index, Looked
from .scan import Scan, iso_date, key_of
from .sources import OnLook

RESULTS = (".seg.nrrd", ".seg.nhdr")
"""How the names of segmentations end, which are no scans."""

UNPLACED = ("cut", "loose", "locked")
"""Kinds of files of which it is not known to which series they belong."""

Files = dict[Path, Looked]


class Folder:
    """A folder of scans."""

    def __init__(self, folder: Path, but: Path) -> None:
        """Takes the folder, and the folder of results, which may lie in it."""
        self.name = "folder"
        self._folder = folder.absolute()
        self._but = but.absolute()

    def scans(self, on_look: OnLook | None = None) -> Sequence[Scan]:
        """Series by patient, study and number; then volume files by name; then folders that cannot be opened."""
        locked: list[Path] = []
        files = self._look(on_look, locked)
        return [*self._series(files), *self._volumes(files), *map(self._locked_scan, locked)]

    def _look(self, on_look: OnLook | None, locked: list[Path]) -> Files:
        """Looks at every file that has not been looked at as it is now; ``locked`` gets folders that do not open."""
        index = Index(self._folder)
        known = index.load()
        paths = list(self._walk(locked))
        looked: Files = {}
        for n, (path, state) in enumerate(paths, start=1):
            name = path.relative_to(self._folder).as_posix()
            found = known.pop(name, None)
            if found is None or found.state != state:
                found = look(path, state)
                if found.kind != "locked":
                    index.note(name, found)
            looked[path] = found
            if on_look is not None:
                on_look(n, len(paths))
        index.save(gone=known)
        return looked

    def _walk(self, locked: list[Path]) -> Iterator[tuple[Path, str]]:
        """Every file with what tells whether it has changed; links are followed, each folder is gone through once."""

        def cannot_open(error: OSError) -> None:
            locked.append(Path(error.filename))

        seen = {_identity(self._but)} - {_identity(self._folder)}
        for parent, folders, names in os.walk(self._folder, onerror=cannot_open, followlinks=True):
            here = Path(parent)
            if _identity(here) in seen:
                folders.clear()
                continue
            seen.add(_identity(here))
            shown = [name for name in folders if not name.startswith(".")]
            folders[:] = sorted(shown, key=lambda name: ((here / name).is_symlink(), name))
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

    def _locked_scan(self, folder: Path) -> Scan:
        """In the place of whatever a folder holds that cannot be opened, so that it is not left out in silence."""
        name = folder.relative_to(self._folder).as_posix()
        why = Header(left_out=(Code.FILE_UNREADABLE, "the folder cannot be opened"))
        return Scan(
            key=key_of("folder", name),
            folder=self._results_of(folder),
            files=(),
            name=printable(name),
            is_dicom=True,
            open_header=lambda _: why,
        )

    def _results_of(self, folder: Path) -> str:
        name = folder.relative_to(self._folder).as_posix()
        return "" if name == "." else safe_name(name)


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for every path of a folder; None: it is not there."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def look(path: Path, state: str) -> Looked:
    """What a file is. A DICOM file that is cut belongs to its series all the same, which then is refused."""
    try:
        kind = format_of(path)
    except MedDLError as error:
        return Looked(state, "locked" if error.code is Code.FILE_UNREADABLE else "")
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
