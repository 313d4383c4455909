"""What a command says can be lost: a closed pipe, a full disk, closed streams. It has a status of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from MedDLCore.errors import Exit

MEDDL = f"{sys.executable} -m MedDLCore.cli"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120)


def test_a_reader_that_has_gone_ends_the_command_without_a_word() -> None:
    done = shell(f"{MEDDL} codes | true; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == Exit.OUTPUT
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", ["codes", "--help", "segment --help", "models list --json"])
def test_a_full_disk_behind_standard_output_is_one_message(arguments: str) -> None:
    done = shell(f"{MEDDL} {arguments} > /dev/full")
    assert done.returncode == Exit.OUTPUT
    assert done.stderr.startswith("OUTPUT_UNWRITABLE: Standard output cannot be written")
    assert len(done.stderr.splitlines()) == 2


def test_a_closed_standard_output_is_no_error() -> None:
    done = shell(f"{MEDDL} codes >&-")
    assert (done.returncode, done.stderr) == (Exit.OK, "")


@pytest.mark.parametrize("arguments", ["segment '' -m phantom -o out", "segment scan.nii -m phantom -o ''"])
def test_an_empty_path_is_wrong_usage_and_not_the_current_folder(arguments: str, tmp_path: Path) -> None:
    done = shell(f"cd {tmp_path} && {MEDDL} {arguments}")
    assert done.returncode == Exit.USAGE
    assert "The path is empty" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("box", ["nan,1,0,1,0,1", "0,inf,0,1,0,1", "5,5,0,1,0,1", "a,b,c,d,e,f"])
def test_a_region_that_is_none_is_wrong_usage(box: str, tmp_path: Path) -> None:
    done = shell(f"{MEDDL} segment scan.nii -m phantom -o {tmp_path} --roi {box}")
    assert done.returncode == Exit.USAGE
    assert "--roi" in done.stderr


def test_nothing_but_messages_is_said_where_no_terminal_is(tmp_path: Path) -> None:
    done = shell(f"{MEDDL} segment {tmp_path}/no.nii -m phantom -o {tmp_path}/out")
    assert done.returncode == Exit.INPUT
    assert all(line.strip() for line in done.stderr.splitlines())
