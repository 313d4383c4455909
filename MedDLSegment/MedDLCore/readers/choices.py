"""What the person chose with ``--series`` and ``--frame``, held against what there is. No choice is ignored."""

from __future__ import annotations

from typing import Literal

from ..errors import Code, MedDLError
from .options import ReadOptions


def check_without_series(name: str, options: ReadOptions) -> None:
    """Refuses the choice of a series of an input that has none. ``all`` is no choice.

    Args:
        name: of the input, for the message.
        options: of the person.

    Raises:
        MedDLError: SERIES_UNKNOWN.
    """
    if options.series not in (None, "all"):
        raise MedDLError(
            Code.SERIES_UNKNOWN, f"{name} is no DICOM and has no series to choose from.", "Leave out --series."
        )


def chosen_frames(what: str, count: int, frame: int | Literal["all"] | None) -> range:
    """The numbers of the volumes that were asked for.

    Args:
        what: holds them: the start of the message.
        count: of its volumes.
        frame: a number from 0; ``all`` and None: all of them.

    Raises:
        MedDLError: NOT_3D where there is no volume of this number.
    """
    if frame is None or frame == "all":
        return range(count)
    if 0 <= frame < count:
        return range(frame, frame + 1)
    if count == 1:
        raise MedDLError(Code.NOT_3D, f"{what} holds one volume; there is no number {frame}.", "Leave out --frame.")
    raise MedDLError(
        Code.NOT_3D,
        f"{what} holds {count} volumes; there is no number {frame}.",
        f"Choose one with --frame 0 to {count - 1}, or all with --frame all.",
    )
