"""Names of a package that are imported when they are first asked for (PEP 562).

A window needs a few plain classes of packages that do much more: it opens without waiting for the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package.

    A name must not be that of a module of the package, too: which of both is found would depend on what was imported
    before.

    Args:
        package: its ``__name__``.
        homes: its modules, and the names that each of them gives, separated by spaces.

    Raises:
        AttributeError: asked for a name that it does not have.
    """
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
