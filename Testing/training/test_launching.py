"""Several processes of one command: they end together, whatever ends one of them, and one message says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from MedDLCore.errors import Code, MedDLError
from MedDLTraining.launching import SILENT, launch, member

WAITING = "import time; time.sleep(100)"
TOLD = (
    "import os, pathlib, sys; rank = os.environ['RANK']; pathlib.Path(sys.argv[1], rank).write_text(str(os.getpid()))"
)


def in_two(script: str, folder: Path) -> int:
    return launch(["-c", f"{TOLD}; {script}", str(folder)], 2)


def pids(folder: Path) -> list[int]:
    """Of both, once they are there."""
    for _ in range(1000):
        found = [int(path.read_text() or 0) for path in folder.iterdir()]
        if len(found) == 2 and all(found):
            return found
        time.sleep(0.05)
    raise AssertionError("they did not start")


def test_each_knows_its_rank_and_how_many_they_are_and_all_meet_in_a_private_file(tmp_path: Path) -> None:
    script = (
        "from MedDLTraining.launching import member, neighbours, together; import stat;"
        "assert member() == (int(rank), 2) and neighbours() == together() == 2;"
        "place = pathlib.Path(os.environ['MEDDL_MEETING']).parent; assert stat.S_IMODE(place.stat().st_mode) == 0o700;"
        "pathlib.Path(sys.argv[1], rank).write_text(str(place))"
    )
    assert in_two(script, tmp_path) == 0
    places = {Path(path.read_text()) for path in tmp_path.iterdir()}
    assert len(places) == 1 and not places.pop().exists()
    assert member() is None


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (f"sys.exit(5 if rank == '1' else {SILENT})", 5),
        (f"sys.exit(6) if rank == '0' else None; {WAITING}", 6),
        (f"sys.exit(7) if rank == '1' else None; {WAITING}", 7),
    ],
    ids=["others say nothing", "the first", "another one"],
)
def test_the_status_is_that_of_the_one_that_failed_and_all_end(script: str, status: int, tmp_path: Path) -> None:
    assert in_two(script, tmp_path) == status
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path))


def test_one_that_is_killed_takes_the_others_with_it_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as lost:
        in_two(f"os.kill(os.getpid(), 9) if rank == '1' else None; {WAITING}", tmp_path)
    assert lost.value.code is Code.PROCESS_LOST and "Process 2 of 2" in lost.value.message
    assert "signal 9" in lost.value.message and "--resume" in lost.value.hint
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path))


def test_those_that_were_interrupted_leave_it_to_the_launcher_to_say_so(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        in_two(f"sys.exit({SILENT})", tmp_path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_none_outlives_its_launcher(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    script = f"{TOLD}; from MedDLTraining.launching import end_with_launcher; end_with_launcher(); {WAITING}"
    command = f"from MedDLTraining.launching import launch; launch(['-c', {script!r}, {str(tmp_path / 'pids')!r}], 2)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    launcher = subprocess.Popen([sys.executable, "-c", command], env=environment, stderr=subprocess.PIPE)
    waiting = pids(tmp_path / "pids")
    launcher.send_signal(how)
    launcher.communicate()
    for _ in range(600):
        if not any(psutil.pid_exists(pid) for pid in waiting):
            break
        time.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in waiting)


def test_what_a_killed_launcher_left_is_swept_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from MedDLCore.atomic import temporary_name

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)  # no process has this number
    left = temporary_name(tmp_path)
    monkeypatch.undo()
    left.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert launch(["-c", "pass"], 1) == 0
    assert not list(tmp_path.iterdir())
