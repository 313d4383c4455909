"""A module that has what is put into it, and says so where it does not have something."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class StrictModule(ModuleType):
    """What ``import qt`` and ``import ctk`` give."""

    def __init__(self, name: str, members: dict[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no stand-in for {self.__name__}.{name}")
