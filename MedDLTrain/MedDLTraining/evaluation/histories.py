"""How a training went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.learnt import read_record
from ..training import HISTORY


def histories_of(trainings: Sequence[Path]) -> tuple[list[dict[str, Any]], ...]:
    """The epochs of each training that has written them down."""
    return tuple(read_record(folder / HISTORY) for folder in trainings if (folder / HISTORY).is_file())
