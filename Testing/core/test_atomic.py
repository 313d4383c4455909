"""Files appear whole or not at all; what stands against writing has a name."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import filelock
import numpy as np
import pytest

from core.writers.phantoms import LIVER, Series, three_structures, write_series
from MedDLCore.atomic import TEMPORARY_PREFIX, atomic_group, atomic_path, check_folder, claimed, temporary_name
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, LabelMap
from MedDLCore.writers import (
    FORMATS,
    Algorithm,
    InputRecord,
    Manifest,
    segment_statistics,
    write_manifest,
    write_nifti,
    write_seg_nrrd,
    write_statistics,
)

NOISE = LabelMap(
    np.random.default_rng(0).integers(0, 256, (64, 128, 256)).astype(np.uint8),
    Geometry.from_parts((64, 128, 256), (1, 1, 1)),
    (LIVER,),
)
"""A label map that does not compress: two megabytes."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with less than a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"mounting a small tmpfs is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_file_appears_only_when_it_is_whole_and_keeps_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "liver.seg.nrrd"
    with atomic_path(path) as temporary:
        assert temporary.parent.parent == tmp_path
        assert temporary.parent.name.startswith(TEMPORARY_PREFIX)
        assert temporary.parent.stat().st_mode & 0o077 == 0
        assert temporary.name == path.name
        temporary.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "liver.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "liver.csv") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_killed_writer_leaves_no_file_with_a_final_name(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from MedDLCore.atomic import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as t, t.open('wb') as f:\n"
        "    f.write(b'half'); f.flush(); print('writing', flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "liver.seg.dcm"
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"writing"
    child.kill()
    child.wait()
    assert [file.name.startswith(TEMPORARY_PREFIX) for file in tmp_path.iterdir()] == [True]
    check_folder(tmp_path)  # the next run sweeps what the killed one left
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_seg_nrrd, write_nifti])
def test_a_disk_that_fills_up_meanwhile_is_named_and_nothing_is_left(write: Callable, small_disk: Path) -> None:
    with pytest.raises(MedDLError) as refused:
        write(NOISE, small_disk / "result.nii.gz")
    assert refused.value.code is Code.NO_SPACE
    assert not list(small_disk.iterdir())


def test_no_output_is_left_half_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    volume = write_series(tmp_path / "scan", Series(slices=3))
    label_map = three_structures(volume.geometry)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    job = (Algorithm("phantom-net", "2.1", "5f" * 32), datetime(2024, 5, 6))
    manifest = Manifest((InputRecord.of(volume),), "phantom-net", "2.1", "5f" * 32, "cpu", {})
    writes: list[Callable] = [
        *(partial(each.write, label_map, volume, small_disk / f"r{each.suffix}", *job) for each in FORMATS.values()),
        partial(write_statistics, segment_statistics(label_map, volume), small_disk / "r.csv"),
        partial(write_manifest, manifest, small_disk / "r.json"),
    ]
    for write in writes:
        with pytest.raises(MedDLError) as refused:
            write()
        assert refused.value.code is Code.NO_SPACE
        assert list(small_disk.iterdir()) == [filler]
    filler.unlink()
    for write in writes:
        write()
    assert len(list(small_disk.iterdir())) == len(writes) + 1  # the NIfTI file has its table beside it


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, Code.NO_SPACE),
        (errno.EDQUOT, Code.NO_SPACE),
        (errno.EACCES, Code.OUTPUT_UNWRITABLE),
        (errno.EROFS, Code.OUTPUT_UNWRITABLE),
        (errno.EIO, Code.OUTPUT_UNWRITABLE),
    ],
)
@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_every_step_of_writing_may_fail(
    step: str, number: int, code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    if step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(MedDLError) as refused, atomic_path(tmp_path / "liver.csv") as temporary:
        temporary.write_text("half")
        if step == "write":
            fail()
    assert refused.value.code is code
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_and_a_folder_in_place_of_the_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    for path in (tmp_path / "file" / "a.csv", tmp_path / "folder.csv", tmp_path / "missing" / "a.csv"):
        with pytest.raises(MedDLError) as refused, atomic_path(path) as temporary:
            temporary.write_text("text")
        assert refused.value.code is Code.OUTPUT_UNWRITABLE
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.csv"]


def test_an_error_that_is_not_about_writing_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), atomic_path(tmp_path / "a.csv"):
        raise ConnectionError(errno.ECONNRESET, "reset")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_file_has_the_rights_that_the_persons_umask_gives(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a.csv") as temporary:
            temporary.write_text("text")
    finally:
        os.umask(old)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o640


def test_the_preflight_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b", needed_bytes=1)
    assert not list((tmp_path / "a" / "b").iterdir())


def test_what_killed_runs_left_is_swept_files_too_and_what_others_work_on_stays(tmp_path: Path) -> None:
    """Files stayed for ever: they were removed as folders are, which files refuse in silence."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = temporary_name(tmp_path)
    theirs = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-"))
    elsewhere = mine.with_name(theirs.name.replace("meddl-", "meddl-0", 1))
    for path in (mine, theirs, elsewhere):
        path.with_suffix(".csv").touch()
        path.mkdir()
        (path / "inside").touch()
    check_folder(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, mine.with_suffix(".csv"), elsewhere, elsewhere.with_suffix(".csv")}


def test_the_preflight_finds_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(MedDLError) as refused:
            check_folder(folder)
        assert refused.value.code is Code.OUTPUT_UNWRITABLE


def test_the_preflight_finds_a_folder_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(MedDLError) as refused:
        check_folder(tmp_path)
    assert refused.value.code is Code.OUTPUT_UNWRITABLE


def test_the_preflight_finds_a_read_only_disk(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(MedDLError) as refused:
        check_folder(small_disk)
    assert refused.value.code is Code.OUTPUT_UNWRITABLE


def test_the_preflight_finds_too_little_space(tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refused:
        check_folder(tmp_path, needed_bytes=10**18)
    assert refused.value.code is Code.NO_SPACE


def test_the_files_of_a_group_appear_together_and_replace_what_they_should(tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("old")
    with atomic_group(tmp_path, "a_manifest.json", [old]) as staging:
        (staging / "a_manifest.json").write_text("{}")
        (staging / "z.csv").write_text("1")
        assert old.exists()
        assert not (tmp_path / "z.csv").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_manifest.json", "z.csv"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no"), OSError(errno.ENOSPC, "full")])
def test_of_a_group_that_fails_nothing_is_left_and_nothing_is_replaced(tmp_path: Path, error: BaseException) -> None:
    old = tmp_path / "old.csv"
    old.write_text("old")
    expected = MedDLError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), atomic_group(tmp_path, "m.json", [old]) as staging:
        (staging / "new.csv").write_text("new")
        raise error
    assert list(tmp_path.iterdir()) == [old]


def test_of_a_group_whose_move_fails_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "b" / "inside").mkdir(parents=True)
    with pytest.raises(MedDLError) as caught, atomic_group(tmp_path, "b") as staging:
        (staging / "a").write_text("a")
        (staging / "b").write_text("b")
    assert caught.value.code is Code.OUTPUT_UNWRITABLE
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b" / "inside").is_dir()


def test_a_result_is_claimed_by_one_run_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path, "liver"):
        with claimed(tmp_path, "spleen"):
            pass
        with pytest.raises(MedDLError) as caught, claimed(tmp_path, "liver"):
            pass
        assert caught.value.code is Code.OUTPUT_EXISTS
    with claimed(tmp_path, "liver"):
        pass
    assert not list(tmp_path.iterdir())


def test_the_claim_of_a_killed_run_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from MedDLCore.atomic import claimed\n"
        "with claimed(Path(sys.argv[1]), 'liver'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1  # the file of the lock
    with claimed(tmp_path, "liver"):
        pass
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_is_a_loop_of_links_is_one_message(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(MedDLError) as caught:
        check_folder(loop / "out")
    assert caught.value.code is Code.OUTPUT_UNWRITABLE


def test_a_little_space_is_not_called_none(small_disk: Path) -> None:
    """The message was: needs 0 MB, has 0 MB."""
    (small_disk / "filler").write_bytes(b"x" * 500_000)
    with pytest.raises(MedDLError) as caught:
        check_folder(small_disk, 400_000)
    assert "needs 400 kB" in caught.value.message


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network share that knows no locks."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)


@pytest.mark.usefixtures("no_locks")
def test_where_there_are_no_locks_a_result_is_claimed_all_the_same(tmp_path: Path) -> None:
    with claimed(tmp_path, "liver"):
        with claimed(tmp_path, "spleen"):
            pass
        with pytest.raises(MedDLError) as caught, claimed(tmp_path, "liver"):
            pass
        assert caught.value.code is Code.OUTPUT_EXISTS
        [left] = tmp_path.iterdir()
        assert left.name in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("owner", ["a process that was killed", "a later process of the same number", "elsewhere"])
def test_a_claim_without_locks_is_taken_over_from_the_dead_of_this_machine_only(owner: str, tmp_path: Path) -> None:
    with claimed(tmp_path, "liver"):
        [path] = tmp_path.iterdir()
        machine, pid, started = path.read_text().split()
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    texts = {
        "a process that was killed": f"{machine} {dead.stdout.strip()} {started}",
        "a later process of the same number": f"{machine} {pid} 12.34",
        "elsewhere": f"0123abcd {pid} 12.34",
    }
    path.write_text(texts[owner])
    if owner == "elsewhere":
        with pytest.raises(MedDLError), claimed(tmp_path, "liver"):
            pass
        assert path.exists()
    else:
        with claimed(tmp_path, "liver"):
            assert path.read_text() == f"{machine} {pid} {started}"
        assert list(tmp_path.iterdir()) == []
