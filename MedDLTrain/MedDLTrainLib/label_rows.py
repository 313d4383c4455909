"""The table of labels as the panel shows it: rows that a person can change, kept as text in the scene."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from MedDLTraining.data import Assignment


def rowsOf(check: Mapping[str, Any] | None) -> tuple[Assignment, ...]:
    """The rows that a check was made with."""
    return tuple(Assignment(**row) for row in (check or {}).get("rows", ()))


def changed(rows: Sequence[Assignment], n: int, label: str) -> tuple[Assignment, ...]:
    """Rows with another label for the nth segment: one that has it already is merged with it; empty: left out."""
    return tuple(replace(row, label=label.strip()) if k == n else row for k, row in enumerate(rows))


def toText(rows: Sequence[Assignment]) -> str:
    """As a parameter of the scene."""
    return json.dumps([asdict(row) for row in rows])


def fromText(text: str) -> tuple[Assignment, ...]:
    """From it; empty where it is none, which a foreign scene may hold."""
    try:
        return tuple(Assignment(**row) for row in json.loads(text)) if text else ()
    except (ValueError, TypeError):
        return ()
