"""How a task of the child process is heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from MedDLCore.clock import OnProgress
from MedDLCore.errors import Notice

from ..events import Control


@dataclass(frozen=True)
class Talk:
    """How a task is heard.

    Attributes:
        number: of the request.
        tell: of progress; raises CANCELLED.
        warn: of a notice.
        say: an event.
        control: stops and pauses a training.
        folder: the private one, for voxels.
    """

    number: int
    tell: OnProgress
    warn: Callable[[Notice], None]
    say: Callable[..., None]
    control: Control
    folder: Path
