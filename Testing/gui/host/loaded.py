"""The modules that the host has loaded: what Slicer's module manager knows of them."""

from __future__ import annotations

from collections.abc import Callable

paths: dict[str, str] = {}
"""Name of a module -> its file."""

reloaders: list[Callable[[str], None]] = []
"""The host's ``reload``, for the developer's button."""
