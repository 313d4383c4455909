"""The configuration in a checkpoint, a stranger's data: each value is taken by its name and of its type, or refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...errors import Code, MedDLError
from ...text import shown

Kind = TypeVar("Kind")


class Config:
    """Reads values of one mapping. A key that is None is as good as absent, as Auto3DSeg has it."""

    def __init__(self, values: Any, where: str) -> None:
        """Takes the mapping, and what a message calls it.

        Raises:
            MedDLError: MODEL_INVALID where it is none.
        """
        self._values, self._where = values, where
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise self.refused("", "is not a configuration")

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return self._get(key, default, lambda value: value if isinstance(value, bool) else None)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; needed unless there is a default."""
        return self._get(key, default, lambda value: value if isinstance(value, str) else None)

    def numbers(self, key: str, count: int, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """So many finite numbers; needed unless there is a default."""

        def read(value: Any) -> tuple[float, ...] | None:
            fits = isinstance(value, (list, tuple)) and len(value) == count and all(_is_number(n) for n in value)
            return tuple(float(n) for n in value) if fits else None

        return self._get(key, default, read)

    def mapping(self, key: str) -> Config:
        """A mapping within; an empty one where there is none."""
        value = self._values.get(key)
        return Config({} if value is None else value, f"{self._where}.{key}")

    def value(self, key: str) -> Any:
        """Whatever is there, or None."""
        return self._values.get(key)

    def items(self) -> list[tuple[str, Any]]:
        """All keys with their values."""
        return list(self._values.items())

    def refused(self, key: str, problem: str) -> MedDLError:
        """MODEL_INVALID, naming the key."""
        return MedDLError(Code.MODEL_INVALID, f"{self._where}{'.' if key else ''}{key} {problem}.")

    def _get(self, key: str, default: Kind | None, read: Callable[[Any], Kind | None]) -> Kind:
        value = self._values.get(key)
        if value is None:
            if default is None:
                raise self.refused(key, "is missing")
            return default
        result = read(value)
        if result is None:
            raise self.refused(key, f"is {shown(value)}, which it cannot be")
        return result


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
