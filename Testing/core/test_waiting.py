"""Threads that compute let the processor go while they wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from MedDLCore.waiting import BRIEF, POLICY, SPINS, wait_briefly


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [({}, BRIEF), ({SPINS: "5"}, "5"), ({POLICY: "active"}, None)],
    ids=["none", "spins", "policy"],
)
def test_threads_wait_briefly_unless_the_person_has_chosen(
    chosen: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (SPINS, POLICY):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    assert os.environ.get(SPINS) == expected


def test_the_command_line_says_so_before_torch_is_imported(tmp_path: Path) -> None:
    program = (
        "import os, sys; from MedDLCore.cli.main import run; assert 'torch' not in sys.modules; "
        f"run(['codes', 'NO_MEMORY']); assert os.environ[{SPINS!r}] == {BRIEF!r}"
    )
    outside = {name: value for name, value in os.environ.items() if name not in (SPINS, POLICY)}
    subprocess.run([sys.executable, "-c", program], env=outside, check=True, stdout=subprocess.DEVNULL)
