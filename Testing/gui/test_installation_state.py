"""What the page of the installation says, without Qt."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from packaging.requirements import Requirement

from gui.run import ROOT
from MedDLSegmentLib.installation_state import (
    Found,
    InstallationState,
    constraints,
    installButton,
    report,
    requirements,
    verdict,
)

ALL = {needed.name: "99.0" for needed in requirements()}


def state(python: str = "3.12.10", **libraries: str | None) -> InstallationState:
    return InstallationState(found=Found("/slicer/python", python, "Linux x86_64", {**ALL, **libraries}))


def test_the_worker_needs_what_the_project_needs_without_the_command_line() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.S | re.M)
    assert block is not None
    stated = {Requirement(line) for line in re.findall(r'"([^"]+)"', block.group(1))}
    assert {needed for needed in stated if needed.name not in ("click", "rich")} == set(requirements())


def test_what_is_missing_or_too_old_is_named() -> None:
    told = state(monai=None, torch="2.1.0", numpy="2.4.6")
    assert [needed.name for needed in told.missing] == ["monai", "torch"]
    assert "MISSING  monai (>=1.6.1)" in report(told) and "TOO OLD  torch 2.1.0 (>=2.10)" in report(told)
    assert "found  numpy 2.4.6" in report(told)
    assert "Results in the scene can be used all the same" in verdict(told)
    assert installButton(told).enabled and not installButton(state()).enabled
    assert verdict(state()) == "Everything that networks need is there."


@pytest.mark.parametrize("version", ["2.10.0+cpu", "2.13.0+cu128", "2.12.0a1"])
def test_a_build_of_torch_for_a_device_suffices(version: str) -> None:
    assert state(torch=version).missing == ()


def test_a_python_that_is_too_old_is_told() -> None:
    old = state("3.9.10", monai=None)
    assert verdict(old) == installButton(old).toolTip == "This Python is too old: choose one of 3.10 or newer."


def test_a_python_that_can_never_have_torch_is_told() -> None:
    mac = InstallationState(found=Found("/slicer/python", "3.12.10", "Darwin x86_64", {**ALL, "torch": None}))
    assert "choose one for arm64" in verdict(mac) and not installButton(mac).enabled
    there = InstallationState(found=Found("/slicer/python", "3.12.10", "Darwin x86_64", ALL))
    assert verdict(there) == "Everything that networks need is there."


def test_what_slicer_has_is_kept_as_it_is() -> None:
    kept = constraints({"numpy": "2.4.6", "torch": "2.10.0+cpu", "SimpleITK": "2.5.3", "monai": "1.6.1", "scipy": None})
    assert kept == "numpy==2.4.6\nSimpleITK==2.5.3\ntorch==2.10.0+cpu\n"
    assert constraints({"numpy": "2.4.6", "torch": "2.1.0"}, but=["torch"]) == "numpy==2.4.6\n"


def test_the_answer_is_found_among_what_a_start_up_file_prints() -> None:
    about: dict[str, Any] = {"executable": "p", "python": "3.12.1", "machine": "m", "libraries": {"torch": None}}
    assert Found.read("hello\n{}\n" + json.dumps(about) + "\n").libraries == {"torch": None}
    with pytest.raises(ValueError):
        Found.read("usage: true")
