"""What the page of the installation knows, and what follows from it. No Qt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .button import Button
from .translation import _

if TYPE_CHECKING:
    from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "MedDL-requirements.txt"

KEPT = ("numpy", "pillow", "pydicom", "highdicom", "requests", "scipy", "SimpleITK", "torch", "torchvision")
"""What Slicer or other extensions rely on: an installation must keep these as they are, or fail."""

TORCH = "torch"

OF_TORCH = (TORCH, "torchvision")
"""What the PyTorch extension installs together."""

OLDEST_PYTHON = "3.10"

WITHOUT_TORCH = "Darwin x86_64"
"""Torch ended there with 2.2. Slicer's own Python is such a one on every Mac whose Slicer is translated by Rosetta."""


@cache
def requirements() -> tuple[Requirement, ...]:
    """What the worker needs."""
    from packaging.requirements import Requirement

    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return tuple(Requirement(line) for line in lines if line and not line.startswith("#"))


def constraints(found: Mapping[str, str | None], but: Sequence[str] = ()) -> str:
    """A file for pip that keeps what is there: ``KEPT``, at the versions that were found, ``but`` for some."""
    return "".join(f"{name}=={found[name]}\n" for name in KEPT if found.get(name) and name not in but)


@dataclass(frozen=True)
class Found:
    """What a Python has.

    Attributes:
        executable: the interpreter.
        python: its version.
        machine: system and processor.
        libraries: versions by name; None: it is not there.
    """

    executable: str
    python: str
    machine: str
    libraries: Mapping[str, str | None]

    @classmethod
    def read(cls, output: str) -> Found:
        """What ``MedDLCore/found_libraries.py`` printed; other lines, which a start-up file may print, are left out.

        Raises:
            ValueError: it printed something else.
        """
        answers = [line for line in output.splitlines() if line.startswith("{") and '"libraries"' in line]
        if not answers:
            raise ValueError("no answer")
        about = json.loads(answers[-1])
        return cls(about["executable"], about["python"], about["machine"], dict(about["libraries"]))


@dataclass(frozen=True)
class InstallationState:
    """All that the page shows.

    Attributes:
        python: the interpreter that the person chose; empty: Slicer's own.
        found: None: not looked yet.
        problem: why nothing was found.
        busy: what goes on; empty: nothing does.
        said: how the last installation ended.
        devices: what the worker can run networks on; empty until it has told.
        cannotInstall: why this Slicer cannot install; empty: it can.
    """

    python: str = ""
    found: Found | None = None
    problem: str = ""
    busy: str = ""
    said: str = ""
    devices: tuple[str, ...] = ()
    cannotInstall: str = ""

    def with_(self, **changes: Any) -> InstallationState:
        """The state after a change."""
        return replace(self, **changes)

    @property
    def needed(self) -> tuple[Requirement, ...]:
        """What the worker needs."""
        return requirements()

    @property
    def missing(self) -> tuple[Requirement, ...]:
        """What is not there, or too old."""
        if self.found is None:
            return ()
        return tuple(needed for needed in self.needed if not _suffices(self.found.libraries.get(needed.name), needed))


def report(state: InstallationState) -> str:
    """What was found, a line for each library."""
    if state.problem:
        return state.problem
    if state.found is None:
        return _("Looking ...")
    found = state.found
    about = {"version": found.python, "machine": found.machine, "where": found.executable}
    lines = [_("Python {version} ({machine}): {where}").format(**about), ""]
    byName = sorted(state.needed, key=lambda needed: needed.name.casefold())
    lines += [_line(needed, found.libraries.get(needed.name)) for needed in byName]
    if state.devices:
        lines += ["", _("Networks can run on: {devices}").format(devices=", ".join(state.devices))]
    return "\n".join(lines)


def _line(needed: Requirement, version: str | None) -> str:
    about = {"name": needed.name, "version": version, "wanted": needed.specifier}
    if version is None:
        return _("MISSING  {name} ({wanted})").format(**about)
    if not _suffices(version, needed):
        return _("TOO OLD  {name} {version} ({wanted})").format(**about)
    return _("found  {name} {version}").format(**about)


def unfit(state: InstallationState) -> str:
    """Why this Python can never run networks; empty: it can, or will once what is missing is there."""
    if state.found is None:
        return ""
    from packaging.version import Version

    if Version(state.found.python) < Version(OLDEST_PYTHON):
        return _("This Python is too old: choose one of {oldest} or newer.").format(oldest=OLDEST_PYTHON)
    lacksTorch = any(needed.name == TORCH for needed in state.missing)
    if state.found.machine == WITHOUT_TORCH and lacksTorch:
        return _("There is no PyTorch of today for this Python (Mac, x86_64): choose one for arm64.")
    return ""


def verdict(state: InstallationState) -> str:
    """The report in a sentence."""
    if state.busy:
        return state.busy
    if state.found is None:
        return ""
    if why := unfit(state):
        return why
    if not state.missing:
        return state.said or _("Everything that networks need is there.")
    names = ", ".join(needed.name for needed in state.missing)
    text = _("Networks cannot run yet: {names} must be installed. Results in the scene can be used all the same.")
    return f"{state.said} {text.format(names=names)}".strip()


def installButton(state: InstallationState) -> Button:
    """Install what is missing, into Slicer's own Python."""
    text = _("Install what is missing")
    if state.busy:
        return Button(text, False, state.busy)
    if state.python:
        return Button(text, False, _("Another Python is chosen: install there, with the command that is shown."))
    if state.found is None:
        return Button(text, False, _("It is not known yet what is missing."))
    if not state.missing:
        return Button(text, False, _("Nothing is missing."))
    if why := unfit(state) or state.cannotInstall:
        return Button(text, False, why)
    return Button(text, True, _("Downloads and installs it into Slicer's Python, after asking."))


def command(state: InstallationState) -> str:
    """What a person types to install what is missing into another Python; empty where nothing is."""
    if not state.python or not state.missing:
        return ""
    wanted = " ".join(f'"{needed}"' for needed in state.missing)
    return f'"{state.python}" -m pip install {wanted}'


def _suffices(version: str | None, needed: Requirement) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return version is not None and needed.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def withoutTorch(missing: Sequence[Requirement]) -> list[str]:
    """What pip installs; torch comes from the PyTorch extension."""
    return [str(needed) for needed in missing if needed.name != TORCH]
