"""A plan on disk: JSON with every key checked, because a setting that is silently ignored is another training."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MedDLCore.atomic import atomic_path
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.description import read_json
from MedDLCore.plain_data import from_plain, to_plain

from .plan import Plan

FORMAT = 1
"""Raised when an older MedDL could no longer read a plan right."""

FORMAT_KEY = "meddl_plan"

LATER = ("listening",)
"""Keys that plans of this format did not have at first; without them, a training is what it was then."""


def plan_to_plain(plan: Plan) -> dict[str, Any]:
    """Plain JSON types, all keys present, the number of the format first."""
    return {FORMAT_KEY: FORMAT, **typing.cast("dict[str, Any]", to_plain(plan))}


def plan_from_plain(data: Mapping[str, Any]) -> Plan:
    """Reads what ``plan_to_plain`` gives; keys that have a default may be missing.

    Raises:
        MedDLError: PLAN_INVALID, naming the key that is missing, unknown or of the wrong type.
    """
    content = dict(data)
    if content.pop(FORMAT_KEY, None) != FORMAT:
        raise MedDLError(Code.PLAN_INVALID, f"The plan lacks {FORMAT_KEY!r}: {FORMAT}, the number of its format.")
    try:
        return typing.cast(Plan, from_plain(Plan, content, "plan"))
    except MedDLError as error:
        raise MedDLError(Code.PLAN_INVALID, error.message) from error


def same_plan(one: Plan, other: Plan) -> bool:
    """Whether two plans are one on disk."""
    first, second = (json.loads(json.dumps(plan_to_plain(plan))) for plan in (one, other))
    return bool(first == second)


def read_plan(path: Path) -> Plan:
    """Reads a plan.

    Raises:
        MedDLError: FILE_NOT_FOUND, PLAN_INVALID.
    """
    if not path.is_file():
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file {path.name}.")
    try:
        content = read_json(path)
    except MedDLError as error:
        raise MedDLError(Code.PLAN_INVALID, error.message) from error
    return plan_from_plain(content)


def write_plan(plan: Plan, path: Path) -> None:
    """Writes a plan, whole or not at all.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    with atomic_path(path) as unfinished:
        text = json.dumps(plan_to_plain(plan), indent=1, ensure_ascii=False, allow_nan=False)
        unfinished.write_text(text + "\n", encoding="utf-8")
