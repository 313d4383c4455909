"""How a correction begins: with what the network finds on its own, or with what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..admission import Options, admit, check_memory
from ..clock import Clock, OnProgress, memory_for
from ..errors import Notice
from ..importing import import_torch
from ..pipeline import Model, segment
from ..preprocess import Prepared, prepare
from ..volume import Volume
from .box import Box
from .found import Found, found_of
from .memory import needed_alone, needed_with
from .sight import Sight

if TYPE_CHECKING:
    from ..inference import Slab


@dataclass(frozen=True, eq=False)
class Opened:
    """A sight, and what is there.

    Attributes:
        sight: of the volumes.
        found: on their grid.
        notices: what the person should know.
        seconds: wall time of each stage.
        device: where the network is.
        backends: what has computed it.
    """

    sight: Sight
    found: Found
    notices: tuple[Notice, ...]
    seconds: dict[str, float]
    device: str
    backends: tuple[str, ...] = field(default=())


def open_alone(
    volumes: Sequence[Volume], model: Model, box: Box, options: Options, on_progress: OnProgress | None
) -> Opened:
    """Begins with what the network finds.

    Args:
        volumes: one for each channel: the scan, or what lies in the box.
        model: that listens.
        box: where they lie in the scan.
        options: as for ``segment``.
        on_progress: told of progress.

    Raises:
        MedDLError: as ``segment``.
    """
    check_memory(needed_alone(volumes, model, options), options)
    sights: list[Sight] = []

    def watch(prepared: Prepared, slab: Slab) -> None:
        if not sights:
            sights.append(Sight(model, prepared, volumes[0].geometry, box))
        sights[0].note(slab)

    result = segment(volumes, model, options, on_progress, watch)
    found = found_of(result.label_map, model.spec, volumes[0].geometry)
    return Opened(sights[0], found, result.notices, result.seconds, result.device, result.backends)


def open_with(
    found: Found,
    volumes: Sequence[Volume],
    model: Model,
    box: Box,
    options: Options,
    on_progress: OnProgress | None,
) -> Opened:
    """Begins with what there is: ``found``, on the grid of the volumes. The rest as for ``open_alone``."""
    import_torch()
    clock = Clock(on_progress)
    with memory_for("plan"):
        notices = admit(volumes, model.spec, options)
        notices += check_memory(needed_with(volumes, model), options)
    with clock.stage("prepare"):
        prepared = prepare(volumes, model.spec)
        sight = Sight(model, prepared, volumes[0].geometry, box)
        sight.tell(found)
        clock.progress("prepare")(1, 1)
    return Opened(sight, found, notices + prepared.notices, clock.seconds, model.device.name)
