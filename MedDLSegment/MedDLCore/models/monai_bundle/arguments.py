"""The arguments of one component: each taken once, checked, and none left over unseen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .config import Component
from .refusal import OutsideError

TRUE_TEXTS = ("True", "true")
"""Texts that stand for true in published bundles."""


class Arguments:
    """Reads the arguments of a component.

    Attributes:
        component: whose arguments.
    """

    def __init__(self, component: Component) -> None:
        self.component = component
        self._left = set(component.raw)

    def value(self, name: str, default: Any = None) -> Any:
        """The resolved argument, or the default where it is absent or null."""
        self._left.discard(name)
        value = self.component[name] if name in self.component.raw else None
        return default if value is None else value

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        value = self.value(name, default)
        if isinstance(value, bool):
            return value
        if value in TRUE_TEXTS:
            return True
        raise self.outside(name, value, "is not true or false")

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number; must be there if there is no default."""
        value = self.value(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.outside(name, value, "is not a number", invalid=isinstance(value, (bool, str)))
        return float(value)

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """So many positive numbers; one stands for all."""
        value = self.value(name)
        items = value if isinstance(value, list) else [value] * count
        if len(items) == 1:
            items = items * count
        plain = all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items)
        if len(items) != count or not plain or any(not 0 < item < math.inf for item in items):
            invalid = any(isinstance(item, (bool, str)) for item in items)  # MONAI has a meaning for those below 1
            raise self.outside(name, value, f"is not {count} positive numbers", invalid)
        return tuple(float(item) for item in items)

    def sizes(self, name: str, count: int) -> tuple[int, ...]:
        """So many positive whole numbers; one stands for all."""
        values = self.numbers(name, count)
        if any(value != int(value) for value in values):
            raise self.outside(name, list(values), "is not a size in voxels", invalid=True)
        return tuple(int(value) for value in values)

    def count(self, name: str, default: int) -> int:
        """A whole number from 1."""
        value = self.value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.outside(name, value, "is not a whole number from 1", invalid=True)
        return value

    def one_of(self, name: str, known: Sequence[Any], default: Any = None) -> Any:
        """One of the values that MedDL knows; a list of equal ones stands for it."""
        value = self.value(name, default)
        single = value[0] if isinstance(value, list) and value and all(item == value[0] for item in value) else value
        if any(single == item and isinstance(single, bool) == isinstance(item, bool) for item in known):
            return single
        raise self.outside(name, value, f"is not {' or '.join(repr(item) for item in known)}, which is what MedDL does")

    def names(self, name: str = "keys") -> tuple[str, ...]:
        """Names of what the component works on."""
        value = self.value(name, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise self.outside(name, value, "is not a list of names")
        return tuple(items)

    def expression(self, name: str) -> str | None:
        """An argument that is code, as it is written; it is not resolved."""
        self._left.discard(name)
        raw = self.component.raw.get(name)
        if raw is not None and not isinstance(raw, str):
            raise self.outside(name, raw, "is not an expression")
        return raw

    def ignore(self, names: Iterable[str]) -> None:
        """Arguments that change nothing of the result, or that are ours to choose."""
        self._left -= set(names)

    def done(self) -> None:
        """Refuses what nobody asked for: an argument that is not understood may change the result."""
        for name in sorted(self._left):
            raise self.outside(name, self.component.raw[name], f"{self.component.target} with {name!r} is not read")

    def outside(self, name: str, what: Any, why: str, invalid: bool = False) -> OutsideError:
        """The error for an argument; ``invalid``: MONAI could not work with it either."""
        written = self.component.raw.get(name)
        if isinstance(written, str) and written[:1] in "$@":
            what = written
        shown = what.target if isinstance(what, Component) else repr(what)
        return OutsideError(self.component.place(name), f"{name}: {shown}", why, invalid)
