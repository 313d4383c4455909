"""A model's description on disk: ModelSpec as strict JSON with the number of its format."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from ..errors import Code, MedDLError
from ..spec import ModelSpec
from ..text import shown

FORMAT = 1
"""Raised when an older MedDL could no longer read the description right."""

FORMAT_KEY = "meddl_format"

MOST_BYTES = 16 * 2**20
"""A description larger than this is none."""


def read_json(path: Path, strict: bool = True) -> dict[str, Any]:
    """Reads a JSON object: no repeated keys, at most ``MOST_BYTES``.

    Args:
        path: the file.
        strict: NaN and infinity are refused, as JSON does not have them; otherwise they become None, for a file of
            which a person reads more than a program does.

    Raises:
        MedDLError: MODEL_INVALID, naming the file.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _invalid(path, f"is larger than {MOST_BYTES >> 20} MiB")
        data = json.loads(
            path.read_text(encoding="utf-8-sig"),
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_constant if strict else _nothing,
            parse_float=_finite if strict else _finite_or_nothing,
        )
    except OSError as error:
        raise _invalid(path, f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _invalid(path, f"is not valid JSON ({error})") from error
    if not isinstance(data, dict):
        raise _invalid(path, "does not hold a JSON object")
    return data


def spec_from_description(data: Mapping[str, Any], file: str) -> ModelSpec:
    """Reads what ``description_of`` gives.

    Args:
        data: the JSON object.
        file: the file's name, for the message.

    Raises:
        MedDLError: MODEL_INVALID, naming the file and the key.
    """
    content = dict(data)
    number = content.pop(FORMAT_KEY, None)
    if number != FORMAT or isinstance(number, bool):
        raise MedDLError(
            Code.MODEL_INVALID,
            f"{file}: {FORMAT_KEY} is {shown(number)}; this MedDL reads {FORMAT}.",
            "A newer MedDL may be needed, or the description lacks its format's number.",
        )
    try:
        return ModelSpec.from_json(content)
    except MedDLError as error:
        raise MedDLError(error.code, f"{file}: {error.message}", error.hint) from error


def description_of(spec: ModelSpec) -> dict[str, Any]:
    """The spec as plain JSON types, with the number of the format first."""
    return {FORMAT_KEY: FORMAT, **spec.to_json()}


def identity_of(spec: ModelSpec) -> str:
    """SHA-256 over the description, which holds the SHA-256 of the weights: equal for equal models, hexadecimal."""
    canonical = json.dumps(description_of(spec), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _invalid(path: Path, problem: str) -> MedDLError:
    return MedDLError(Code.MODEL_INVALID, f"{path.name} {problem}.")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is there twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _nothing(_: str) -> None:
    """For a number that JSON does not have."""


def _finite_or_nothing(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is too large")
    return value
