"""A bundle's configuration: ids, references and components, resolved when they are asked for.

MONAI's notation (docs/source/config_syntax.md): ``@id`` is what stands under an id, ``%id`` is its text, ``$`` begins
an expression, ``_target_`` names a class whose arguments stand beside it, ``_disabled_`` takes something out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .expressions import MOST_ITEMS, REFERENCE, Meaning, evaluate
from .refusal import OutsideError
from .stored_arrays import StoredArrays

MOST_REFERENCES = 50
"""References that lead to references."""

ROOT = "bundle_root"
"""The id of the bundle's own folder. Paths within are relative to it, whatever a configuration says."""


@dataclass(frozen=True, eq=False)
class Component:
    """A class by its name, and arguments that are resolved when they are asked for.

    Attributes:
        where: its place.
        target: what ``_target_`` says.
        raw: the arguments as they are written.
    """

    where: str
    target: str
    raw: Mapping[str, Any]
    config: Config

    def __getitem__(self, name: str) -> Any:
        """The resolved argument."""
        return self.config.resolve(self.raw[name], f"{self.where}::{name}")

    def place(self, name: str) -> str:
        """Where an argument stands, for a message."""
        return f"{self.config.file}: {self.where}::{name}"


class Config:
    """The configuration of one bundle.

    Attributes:
        file: the file's name, for messages.
    """

    def __init__(self, file: str, raw: Mapping[str, Any], folder: Path) -> None:
        self.file = file
        self._raw = {**raw, ROOT: "."}
        self._folder = folder
        self._known: dict[str, Any] = {}
        self._active: list[str] = []

    def __contains__(self, id: str) -> bool:
        return self._raw.get(id) is not None

    def __getitem__(self, id: str) -> Any:
        """What stands under an id, resolved. The same object each time.

        Raises:
            OutsideError: for what the grammar does not have; a reference to nothing, to itself, or through too many.
        """
        id = id.replace("#", "::")
        if id not in self._known:
            if id in self._active or len(self._active) > MOST_REFERENCES:
                raise OutsideError(
                    self._place(self._active[-1]), f"@{id}", "refers to itself or through too many others"
                )
            self._active.append(id)
            try:
                self._known[id] = self.resolve(self._raw_at(id), id)
            finally:
                self._active.pop()
        return self._known[id]

    def component(self, id: str) -> Component | None:
        """The class under an id, without resolving its arguments; None where there is none."""
        found = self.written(id)
        return self._component(found[0][1], id) if len(found) == 1 and "_target_" in found[0][1] else None

    def written(self, id: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The objects under an id (one, or those of a list) as they are written, each with its place."""
        raw = self._raw.get(id)
        items = [(f"{id}::{n}", item) for n, item in enumerate(raw)] if isinstance(raw, list) else [(id, raw)]
        return [(place, item) for place, item in items if isinstance(item, Mapping)]

    def resolve(self, raw: Any, where: str) -> Any:
        """Resolves a value as it is written at ``where``.

        Returns:
            Plain data, ``Component`` and ``StoredArrays``.
        """
        value = self._resolve(raw, where)
        if _more_items_than(value, MOST_ITEMS):
            raise OutsideError(self._place(where), raw if isinstance(raw, str) else "...", "gives too much data")
        return value

    def _resolve(self, raw: Any, where: str) -> Any:
        if isinstance(raw, str):
            return self._text(raw, where)
        if isinstance(raw, list):
            items = ((item, f"{where}::{n}") for n, item in enumerate(raw))
            return [self._resolve(item, place) for item, place in items if not self._disabled(item, place)]
        if not isinstance(raw, Mapping):
            return raw
        if "_target_" in raw:
            return self._component(raw, where)
        places = ((key, item, f"{where}::{key}") for key, item in raw.items())
        return {key: self._resolve(item, place) for key, item, place in places if not self._disabled(item, place)}

    def _text(self, raw: str, where: str) -> Any:
        if raw.startswith("$"):
            return evaluate(raw[1:], self._place(where), Meaning(self.__getitem__, self._stored))
        if REFERENCE.fullmatch(raw):
            return self[raw[1:]]
        if raw.startswith(("%", "@")) and len(raw) > 1:
            if not re.fullmatch(r"%\w+(?:(?:#|::)\w+)*", raw):
                raise OutsideError(self._place(where), raw, "is a reference to another file, or a relative one")
            return self[raw[1:]]
        return raw

    def _stored(self, path: str) -> StoredArrays:
        return StoredArrays(self._folder, path)

    def _component(self, raw: Mapping[str, Any], where: str) -> Component:
        target = raw["_target_"]
        if not isinstance(target, str) or not re.fullmatch(r"\w+(?:\.\w+)*", target):
            raise OutsideError(self._place(where), target, "is not the name of a class")
        if raw.get("_mode_", "default") != "default":
            raise OutsideError(self._place(where), raw["_mode_"], "is a _mode_ that MedDL does not read")
        if raw.get("_requires_"):
            raise OutsideError(self._place(where), raw["_requires_"], "would run before this part is made")
        arguments = {key: item for key, item in raw.items() if not (key[:1] == "_" == key[-1:])}
        kept = {key: item for key, item in arguments.items() if not self._disabled(item, f"{where}::{key}")}
        return Component(where, target, kept, self)

    def _disabled(self, raw: Any, where: str) -> bool:
        if not isinstance(raw, Mapping) or "_disabled_" not in raw:
            return False
        value = self._resolve(raw["_disabled_"], f"{where}::_disabled_")
        return value.strip().lower() == "true" if isinstance(value, str) else bool(value)

    def _raw_at(self, id: str) -> Any:
        value: Any = self._raw
        for part in id.split("::"):
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                where = self._active[-2] if len(self._active) > 1 else id
                raise OutsideError(self._place(where), f"@{id}", "refers to nothing")
        return value

    def _place(self, where: str) -> str:
        return f"{self.file}: {where}"


def _more_items_than(value: Any, limit: int) -> bool:
    """Whether a value, written out, has more items. Stops counting there: lists can hold each other many times."""
    return any(n >= limit for n, _ in enumerate(_items(value)))


def _items(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, (list, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _items(item)
