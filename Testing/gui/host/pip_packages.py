"""``slicer.packaging``: remembers what it was asked to install, and installs nothing.

The parameters are those of Slicer 5.12; what a person declines is a ``RuntimeError`` there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

asked: list[dict[str, Any]] = []
"""Requirements, and what the file of constraints held."""

declines = False
"""The person says no."""


def pip_ensure(
    requirements: list[str],
    constraints: Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    """Asks the person, and installs what is missing."""
    _remember(requirements, constraints)


def pip_install(
    requirements: list[str],
    constraints: Path | None = None,
    no_deps_requirements: list[str] | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
) -> None:
    """Passes its requirements on to ``pip install``."""
    _remember(requirements, constraints)


def _remember(requirements: list[str], constraints: Path | None) -> None:
    if declines:
        raise RuntimeError("User declined package installation")
    asked.append({"requirements": requirements, "constraints": Path(str(constraints)).read_text().split()})
