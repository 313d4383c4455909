"""Values of a stranger's JSON, checked as they are taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...text import one_line, shown
from .refusal import refused

LARGEST = 2**31

LONGEST_KEY = 80
"""Characters of a key that a message names."""


class Table:
    """A JSON object of a file, whose values are taken with their types.

    Every method raises MODEL_INVALID where the key is missing or its value is another one, naming the file and the key.
    """

    def __init__(self, values: Any, file: str, where: str = "") -> None:
        """Takes the object, and the file and the keys by which it was reached."""
        if not isinstance(values, Mapping):
            raise refused(file, f"{where or 'the content'} is {shown(values)}, not an object")
        self.values, self.file, self.where = values, file, where

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def path(self, key: str) -> str:
        """The key with those above it."""
        return f"{self.where}.{one_line(key, LONGEST_KEY)}".lstrip(".")

    def get(self, key: str) -> Any:
        """The value as it is, unchecked; None where there is none."""
        return self.values.get(key)

    def wrong(self, key: str, problem: str) -> Exception:
        """The refusal of a value."""
        return refused(self.file, f"{self.path(key)} {problem}")

    def table(self, key: str) -> Table:
        """An object."""
        return Table(self.values.get(key), self.file, self.path(key))

    def text(self, key: str) -> str:
        """A string."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, f"is {shown(value)}, not a text")
        return value

    def numbers(self, key: str, count: int | None = None) -> list[float]:
        """A list of finite numbers, as many as ``count`` says."""
        value = self.values.get(key)
        if not isinstance(value, list) or not all(_is_number(item) for item in value):
            raise self.wrong(key, f"is {shown(value)}, not a list of numbers")
        if count is not None and len(value) != count:
            raise self.wrong(key, f"has {len(value)} values, not {count}")
        return [float(item) for item in value]

    def whole_numbers(self, key: str, count: int | None = None) -> list[int]:
        """A list of whole numbers."""
        values = self.numbers(key, count)
        if any(not value.is_integer() for value in values):
            raise self.wrong(key, f"is {shown(self.values.get(key))}, not a list of whole numbers")
        return [int(value) for value in values]

    def number(self, key: str) -> float:
        """A finite number."""
        value: Any = self.values.get(key)
        if not _is_number(value):
            raise self.wrong(key, f"is {shown(value)}, not a number")
        return float(value)

    def list(self, key: str, kind: type, count: int) -> list[Any]:
        """A list of ``count`` values of one type."""
        value = self.values.get(key)
        if not isinstance(value, list) or len(value) != count or not all(isinstance(item, kind) for item in value):
            raise self.wrong(key, f"is {shown(value)}, not a list of {count} {kind.__name__}")
        return value


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < LARGEST
        and math.isfinite(value)
    )
