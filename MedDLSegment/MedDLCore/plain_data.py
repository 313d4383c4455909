"""Frozen dataclasses from plain JSON types and back, with every key and type checked by its path."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union

from .errors import Code, MedDLError
from .text import shown

DEEPEST = 16
"""Objects within objects that ``texts_of`` goes through."""


def invalid(where: str, problem: str) -> MedDLError:
    """MODEL_INVALID at the path ``where`` of a description."""
    return MedDLError(Code.MODEL_INVALID, f"{where}: {problem}.")


def to_plain(value: Any) -> Any:
    """Dataclasses, mappings, lists and tuples as JSON's types; all keys present."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def without_nan(value: Any) -> Any:
    """The same, with None for NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def texts_of(value: Any, where: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text within a value, the keys of mappings too, each with its path.

    Raises:
        MedDLError: MODEL_INVALID where the value is nested deeper than ``DEEPEST``.
    """
    if depth > DEEPEST:
        raise invalid(where, "is nested too deeply")
    if isinstance(value, str):
        yield where, value
    elif dataclasses.is_dataclass(value):
        for f in dataclasses.fields(value):
            yield from texts_of(getattr(value, f.name), f"{where}.{f.name}", depth + 1)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield where, str(key)
            yield from texts_of(item, f"{where}[{shown(key)}]", depth + 1)
    elif isinstance(value, (list, tuple)):
        for n, item in enumerate(value):
            yield from texts_of(item, f"{where}[{n}]", depth + 1)


def from_plain(kind: Any, value: Any, where: str) -> Any:
    """Reads ``value`` as the annotation ``kind``: dataclasses, tuples, unions, literals and JSON scalars.

    Args:
        kind: what is wanted.
        value: what JSON gave.
        where: its path, for the message.

    Raises:
        MedDLError: MODEL_INVALID, naming the key that is missing, unknown or of the wrong type.
    """
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(typing.get_args(kind), value, where)
    if origin is Literal:
        if value not in typing.get_args(kind):
            raise invalid(where, f"{shown(value)} is not one of {', '.join(map(str, typing.get_args(kind)))}")
        return value
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), value, where)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > sys.float_info.max:
            raise invalid(where, "is out of all proportion")
        return float(value)
    plain = Mapping if origin is not None else kind
    if not isinstance(value, plain) or (isinstance(value, bool) and kind is not bool):
        raise invalid(where, f"{shown(value)} is not {getattr(plain, '__name__', plain)}")
    return value


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    options = [kind for kind in kinds if kind is not type(None)]
    if len(options) == 1:
        return from_plain(options[0], value, where)
    if not isinstance(value, Mapping):
        raise invalid(where, "is not an object")
    by_kind: dict[str, Any] = {kind.__dataclass_fields__["kind"].default: kind for kind in options}
    name = value.get("kind")
    if not isinstance(name, str) or name not in by_kind:
        raise invalid(f"{where}.kind", f"{shown(name)} is not one of {', '.join(by_kind)}")
    return from_plain(by_kind[name], value, where)


def _read_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise invalid(where, "is not a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(from_plain(kinds[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if len(value) != len(kinds):
        raise invalid(where, f"needs {len(kinds)} values, not {len(value)}")
    pairs = zip(kinds, value, strict=True)
    return tuple(from_plain(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(pairs))


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise invalid(where, "is not an object")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise invalid(where, f"{shown(key)} is not a known key")
    for name, f in fields.items():
        if name not in value and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise invalid(f"{where}.{name}", "is missing")
    return kind(**{name: from_plain(hints[name], item, f"{where}.{name}") for name, item in value.items()})
