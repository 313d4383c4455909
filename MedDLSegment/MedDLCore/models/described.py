"""What a foreign folder says about its models, before they are packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import Notice
from ..spec import ModelSpec


@dataclass(frozen=True)
class Described:
    """A model that was read from a folder of another program.

    Attributes:
        spec: what it is.
        folder: in which its weights lie.
        notices: what a person should know.
        previous: the model whose result this one takes.
        parts: the models whose results together are this one's, in order: where two of them find something, the later
            one counts. The spec then only says what goes in and what comes out.
    """

    spec: ModelSpec
    folder: Path
    notices: tuple[Notice, ...] = ()
    previous: Described | None = None
    parts: tuple[Described, ...] = ()
