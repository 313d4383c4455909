"""From an entry of the catalogue to a model in the store: downloaded, or from files that were copied by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ..errors import Code, MedDLError
from ..system_errors import named_errors
from .about import write_about
from .archive import unpack
from .bundle import write_description
from .catalogue import Entry, RemoteFile
from .download import compare, digest_of, download
from .inside import path_inside
from .pins import check_pin, pin, pins_of
from .staging import scratch_folder
from .store import ModelStore, StoredModel

Progress = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all if known)."""


def get(
    entry: Entry,
    store: ModelStore,
    accept_licence: bool,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    overwrite: bool = False,
    source: Path | None = None,
) -> StoredModel:
    """Brings a model into the store, where it appears only when it is whole.

    Args:
        entry: of the catalogue.
        store: where it goes.
        accept_licence: the person has read ``entry.licence`` and accepts it.
        progress: told of the bytes.
        cancelled: asked between pieces; True ends the download, and the next one goes on there.
        overwrite: replace a model of this name.
        source: a folder with the files, copied by hand; nothing is downloaded then.

    Raises:
        MedDLError: LICENCE_NOT_ACCEPTED, with the licence; MODEL_EXISTS; DOWNLOAD_FAILED, with the reason;
            DOWNLOAD_TAMPERED; FILE_NOT_FOUND, with the files that ``source`` lacks; CANCELLED; ARCHIVE_UNSAFE,
            MODEL_INVALID, MODEL_UNSAFE, MODEL_CORRUPT; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    if not accept_licence:
        raise MedDLError(
            Code.LICENCE_NOT_ACCEPTED, f"The licence of {entry.name} must be accepted first:\n\n{entry.licence}"
        )
    with store.placing(entry.name, overwrite) as folder, store.unfinished(entry.name) as parts:
        if shutil.disk_usage(folder).free < (entry.size or 0):
            raise MedDLError(Code.NO_SPACE, f"{entry.name} needs {(entry.size or 0) / 1e6:.1f} MB on the disk.")
        final = store.path / entry.name
        files = _Files(entry, parts, _Report(entry, progress, cancelled), source, final)
        _fill(folder, files)
        if entry.spec is not None:
            write_description(entry.spec, folder, str(entry.licence))
        else:
            write_about(entry, folder)
    pin(final, files.pins)
    store.forget_unfinished(entry.name)
    return store.stored(entry.name)


def _fill(folder: Path, files: _Files) -> None:
    """Puts all files of an entry into a folder."""
    placed: list[tuple[Path, Path]] = []
    for file in files.entry.files:
        target = None if file.file is None else path_inside(folder, file.file)
        if target is not None and _is_published(target, file):
            files.done(file)
            continue
        path = files.obtained(file)
        if path is not None and target is None:
            _unpack(path, folder)
        elif path is not None and target is not None:
            placed.append((path, target))
    files.check_complete()
    with named_errors(folder.name):
        for path, target in placed:  # not before all are there: until then a next attempt finds them
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _is_published(target: Path, file: RemoteFile) -> bool:
    """An archive of the entry already held this file, with the digest that its publisher gives."""
    given = file.digests
    return bool(given) and target.is_file() and all(digest_of(target, a) == digest for a, digest in given.items())


def _unpack(archive: Path, folder: Path) -> None:
    with scratch_folder(folder) as scratch, named_errors(folder.name):
        for item in sorted(unpack(archive, scratch).iterdir()):
            item.rename(folder / item.name)


class _Files:
    """Where the files of an entry come from: the network, or a folder of files that were copied by hand.

    Attributes:
        pins: SHA-256 by address, those of earlier downloads and those of the files that were obtained.
    """

    def __init__(self, entry: Entry, parts: Path, report: _Report, source: Path | None, final: Path) -> None:
        self.entry, self.pins = entry, pins_of(final)
        self._parts, self._report, self._source, self._final = parts, report, source, final
        self._missing: list[RemoteFile] = []

    def obtained(self, file: RemoteFile) -> Path | None:
        """The file, compared with its digests and its pin; None where the folder lacks it."""
        path = self._parts / file.name
        if self._source is None:
            download(file, self._parts, lambda here, total: self._report(file, here, total))
        elif (self._source / file.name).is_file():
            with named_errors(file.name):
                shutil.copyfile(self._source / file.name, path)
        else:
            self._missing.append(file)
            return None
        try:
            compare(path, file)
            if file.sha256 is None:
                sha256 = digest_of(path, "sha256")
                check_pin(file, sha256, self.pins, self._final)
                self.pins[file.url] = sha256
        except MedDLError:
            path.unlink()
            raise
        return path

    def done(self, file: RemoteFile) -> None:
        """The file need not be obtained."""
        self._report(file, file.size or 0, file.size or 0)

    def check_complete(self) -> None:
        """Raises FILE_NOT_FOUND, naming every file that the folder lacks and its address."""
        if self._missing and self._source is not None:
            lines = "".join(f"\n  {file.name} from {file.url}" for file in self._missing)
            raise MedDLError(
                Code.FILE_NOT_FOUND,
                f"The folder {self._source.name} lacks {len(self._missing)} of the files of {self.entry.name}:{lines}",
                "Download them on another machine with a browser, without unpacking them, and copy them there.",
            )


class _Report:
    """Tells the progress over all files, and asks whether to go on."""

    def __init__(self, entry: Entry, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress, self._cancelled = progress, cancelled
        self._here = dict.fromkeys(entry.files, 0)
        self._total = {file: file.size for file in entry.files}

    def __call__(self, file: RemoteFile, here: int, total: int | None) -> None:
        if self._cancelled is not None and self._cancelled():
            raise MedDLError(
                Code.CANCELLED, "The download was cancelled. No model was added; the next download goes on here."
            )
        self._here[file], self._total[file] = here, total
        if self._progress is not None:
            sizes = [size for size in self._total.values() if size is not None]
            known = len(sizes) == len(self._total)
            self._progress(sum(self._here.values()), sum(sizes) if known else None)
