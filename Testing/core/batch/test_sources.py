"""Where scans come from: Slicer's own database, folders of DICOM files, folders of volume files."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fixtures.batches import write_series
from fixtures.packages import threshold_spec
from MedDLCore.batch import Rules, choose, open_source, slicer_database
from MedDLCore.batch import folder as folders
from MedDLCore.batch.scan import input_digest
from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import read


def digests(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_slicers_own_database_is_read_and_nothing_of_it_changes(shared_data: Path, tmp_path: Path) -> None:
    database = shared_data / "ctk_database"
    before = digests(database)
    scans = open_source(database, tmp_path).scans()
    assert [(scan.modality, len(scan.files), scan.date, scan.patient) for scan in scans] == [
        ("CT", 3, "2003-04-17", "99000"),
        ("MR", 150, "2018-09-18", "DEV"),
    ]
    assert (scans[1].description, scans[1].body_part) == ("Axial EPI-FMRI (Interleaved I to S)", "BRAIN")
    assert scans[0].header.plane == "axial"
    assert scans[0].header.thickness == pytest.approx(1.25)
    assert read(scans[0].files)[0].array.shape == (3, 512, 512)
    assert digests(database) == before
    assert [scan.key for scan in open_source(database / "ctkDICOM.sql", tmp_path).scans()] == [s.key for s in scans]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """As the oldest schemas were: no SchemaInfo, no SOPInstanceUID, absolute paths."""
    write_series(tmp_path / "files", 3, slices=3)
    path = tmp_path / "db" / "ctkDICOM.sql"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE Images (Filename VARCHAR(1024) PRIMARY KEY, SeriesInstanceUID VARCHAR(255));
            CREATE TABLE Patients (UID INTEGER PRIMARY KEY, PatientsName TEXT, PatientID TEXT);
            CREATE TABLE Studies (StudyInstanceUID TEXT, PatientsUID INT, StudyDate DATE, StudyDescription TEXT);
            CREATE TABLE Series (SeriesInstanceUID TEXT, StudyInstanceUID TEXT, SeriesNumber INT, Modality TEXT,
                                 BodyPartExamined TEXT, SeriesDescription TEXT);
            INSERT INTO Patients VALUES (1, 'Canary^Name', 'CANARY-ID');
            INSERT INTO Studies VALUES ('1.1', 1, '2020-01-01', NULL);
            INSERT INTO Series VALUES ('1.1.1', '1.1', 1, 'CT', NULL, 'Thorax');
            INSERT INTO Series VALUES ('1.1.2', '1.1', 2, 'CT', NULL, 'Never fetched');
            """
        )
        names = [(str(file), "1.1.1") for file in sorted((tmp_path / "files").iterdir())]
        connection.executemany("INSERT INTO Images VALUES (?, ?)", names)
    return path


def test_an_old_database_with_absolute_paths_is_read(database: Path, tmp_path: Path) -> None:
    here, absent = open_source(database, tmp_path).scans()
    assert (len(here.files), here.instances, here.patient) == (3, (), "CANARY-ID")
    assert read(here.files)[0].array.shape[0] == 3
    [_, choice] = choose([here, absent], Rules(), threshold_spec())
    assert choice.code is Code.FILE_NOT_FOUND


def test_a_database_of_another_kind_or_time_is_refused(database: Path, tmp_path: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.executescript("CREATE TABLE SchemaInfo (Version TEXT); INSERT INTO SchemaInfo VALUES ('1.0.0');")
    other, damaged = tmp_path / "other.sql", tmp_path / "damaged.sql"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE Images (x)")
    damaged.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    for path in (database, other, damaged):
        with pytest.raises(MedDLError) as refused:
            open_source(path, tmp_path / "out").scans()
        assert refused.value.code is Code.DATABASE_UNREADABLE
    with pytest.raises(MedDLError) as missing:
        open_source(tmp_path / "nowhere", tmp_path / "out")
    assert missing.value.code is Code.FILE_NOT_FOUND


def test_a_text_that_is_no_utf8_costs_its_characters_and_not_the_database(database: Path, tmp_path: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE Series SET SeriesDescription = CAST(x'5363686164656CFC' AS TEXT)")
    assert [scan.description for scan in open_source(database, tmp_path).scans()] == ["Schadel\ufffd"] * 2


def test_a_database_that_slicer_is_writing_into_is_not_read_half(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read without its locks then, as on a medium that takes none."""
    monkeypatch.setattr(slicer_database, "LOCK_SECONDS", 0.1)
    writing = sqlite3.connect(database, isolation_level=None)
    writing.execute("BEGIN EXCLUSIVE")
    with pytest.raises(MedDLError, match="writing") as refused:
        open_source(database, tmp_path).scans()
    assert refused.value.code is Code.DATABASE_UNREADABLE
    writing.execute("ROLLBACK")
    writing.close()
    assert len(open_source(database, tmp_path).scans()) == 2


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "scans"
    write_series(source / "Canary^Name" / "a", 1)
    write_series(source / "b", 2, "MR", slices=3, BodyPartExamined="HEAD")
    (source / "readme.txt").write_text("not DICOM")
    looked: list[Path] = []
    look = folders.look
    monkeypatch.setattr(folders, "look", lambda path, state: looked.append(path) or look(path, state))
    first = open_source(source, tmp_path / "out").scans()
    assert [(scan.modality, len(scan.files), scan.body_part) for scan in first] == [("CT", 8, ""), ("MR", 3, "HEAD")]
    assert len(looked) == 12
    second = open_source(source, tmp_path / "out").scans()
    assert len(looked) == 12
    assert [(s.key, s.files, s.instances) for s in second] == [(s.key, s.files, s.instances) for s in first]
    (source / "b" / "IM0001.dcm").unlink()
    write_series(source / "c", 3, slices=2)
    assert [len(scan.files) for scan in open_source(source, tmp_path / "out").scans()] == [8, 2, 2]
    assert len(looked) == 14


def test_links_are_followed_and_a_loop_of_them_ends(tmp_path: Path) -> None:
    """A study that is laid together of links was not there at all."""
    source = tmp_path / "scans"
    write_series(tmp_path / "elsewhere" / "a", 1)
    source.mkdir()
    (source / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (source / "again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "loop").symlink_to(source, target_is_directory=True)
    (source / "nowhere").symlink_to(tmp_path / "nothing")
    [scan] = open_source(source, tmp_path / "out").scans()
    assert len(scan.files) == 8


def test_what_cannot_be_opened_is_not_left_out_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another person's, and files of one: the rights are played, as root may read everything."""
    source = tmp_path / "scans"
    for number, name in enumerate(("open", "closed", "closed files"), start=1):
        write_series(source / name, number)
    walk, opened = os.scandir, Path.open

    def scandir(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return walk(path)

    def refused(self: Path, *arguments: object, **more: object) -> object:
        if self.parent.name == "closed files":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *arguments, **more)  # type: ignore[call-overload]

    with monkeypatch.context() as played:
        played.setattr(os, "scandir", scandir)
        played.setattr(Path, "open", refused)
        here, files, folder = scans = open_source(source, tmp_path / "out").scans()
        assert (files.name, folder.name) == ("closed files", "closed")
        choices = choose(scans, Rules(), threshold_spec())
        assert [(choice.scan, choice.code) for choice in choices if not choice.runs] == [(folder, Code.FILE_UNREADABLE)]
        with pytest.raises(MedDLError) as unread:
            read(files.files)
        assert unread.value.code is Code.FILE_UNREADABLE
    assert here.files
    assert [len(scan.files) for scan in open_source(source, tmp_path / "out").scans()] == [8, 8, 8]


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    write_series(tmp_path / "scans", 1)
    before = open_source(tmp_path / "scans", tmp_path / "out").scans()
    [index] = (tmp_path / "index").iterdir()
    assert index.stat().st_mode & 0o77 == 0
    index.write_bytes(b"no database at all" * 1000)
    after = open_source(tmp_path / "scans", tmp_path / "out").scans()
    assert [scan.files for scan in after] == [scan.files for scan in before]


def test_a_slice_that_is_cut_stays_with_its_series(tmp_path: Path) -> None:
    """Never a shorter stack: the series is refused where it is read."""
    for n, bytes_left in enumerate((0, 100, 700, 3000)):
        folder = tmp_path / f"scans{n}"
        write_series(folder, 1)
        last = folder / "IM0007.dcm"
        last.write_bytes(last.read_bytes()[:bytes_left])
        [scan] = open_source(folder, tmp_path / "out").scans()
        assert last in scan.files
        if bytes_left:
            with pytest.raises(MedDLError) as refused:
                read(scan.files)
            assert refused.value.code is Code.FILE_TRUNCATED


def test_images_that_do_not_name_their_series_are_one_scan_of_their_folder(tmp_path: Path) -> None:
    """As publishers leave them who blank identifiers: never a scan for each slice, and never left out in silence."""
    write_series(tmp_path / "scans" / "a", 1, SeriesInstanceUID="", StudyInstanceUID="")
    write_series(tmp_path / "scans" / "b", 2)
    named, loose = open_source(tmp_path / "scans", tmp_path / "out").scans()
    assert (len(named.files), len(loose.files), loose.name, loose.modality) == (8, 8, "a", "CT")
    [volume] = read(loose.files)
    assert volume.array.shape[0] == 8
    [_, choice] = choose([named, loose], Rules(), threshold_spec())
    assert choice.runs


def test_a_folder_of_volume_files_leaves_out_segmentations_and_its_own_results(tmp_path: Path) -> None:
    source = tmp_path / "scans"
    for name in ("a/ct.nii.gz", "b/ct.nii.gz", "out/ct_model.nii.gz", ".hidden/ct.nii.gz"):
        (source / name).parent.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7), np.int16), np.diag([1, 1, 2.5, 1])), source / name)
    (source / "a" / "ct.seg.nrrd").write_bytes(b"NRRD0004\n")
    scans = open_source(source, source / "out").scans()
    assert [(scan.name, scan.folder, scan.slices, scan.header.thickness) for scan in scans] == [
        ("a/ct.nii.gz", "a", 7, 2.5),
        ("b/ct.nii.gz", "b", 7, 2.5),
    ]
    choices = choose(scans, Rules.parse(["name ~ ^a/", "modality = CT"]), threshold_spec(), modality="CT")
    assert [choice.runs for choice in choices] == [True, False]


def test_volume_files_among_dicom_series_run_only_when_they_are_named(tmp_path: Path) -> None:
    write_series(tmp_path / "scans" / "dicom", 1)
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7), np.int16), np.eye(4)), tmp_path / "scans" / "label.nii.gz")
    scans = open_source(tmp_path / "scans", tmp_path / "out").scans()
    assert [choice.runs for choice in choose(scans, Rules(), threshold_spec())] == [True, False]
    named = choose(scans, Rules.parse(["name ~ nii"]), threshold_spec(), modality="CT")
    assert [choice.runs for choice in named] == [False, True]


def test_a_localizer_and_a_picture_are_told_by_their_headers(tmp_path: Path) -> None:
    write_series(tmp_path / "s" / "scout", 1, slices=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(tmp_path / "s" / "dose", 2, slices=1, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    write_series(tmp_path / "s" / "scan", 3)
    choices = choose(open_source(tmp_path / "s", tmp_path / "o").scans(), Rules(), threshold_spec())
    assert [choice.code for choice in choices] == [Code.LOCALIZER, Code.NOT_CT_MR, None]


def test_the_input_changes_with_its_content_and_not_with_its_times(tmp_path: Path) -> None:
    write_series(tmp_path / "s", 1)
    [scan] = open_source(tmp_path / "s", tmp_path / "o").scans()
    before = input_digest(scan)
    shutil.copytree(tmp_path / "s", tmp_path / "copy", copy_function=shutil.copyfile)
    [copy] = open_source(tmp_path / "copy", tmp_path / "o").scans()
    assert input_digest(copy) == before
    scan.files[0].unlink()
    assert input_digest(scan) != before
