"""What a case will need of memory and time, found out before it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .admission import Options, admit
from .clock import memory_for
from .errors import Code, MedDLError
from .field_of_view import FieldOfView, field_of_view
from .loading import Model
from .postprocess import deciding_memory, joining_memory, merging_memory
from .preprocess import cut_around, inner, part_within, preparing_memory, seen_for
from .spec import ModelSpec
from .volume import Volume

if TYPE_CHECKING:
    from .inference import Plan

Seen = MutableMapping[Model, FieldOfView]
"""What the networks of a run see, so far as it is known: each field of view is found once."""


def plan(volumes: Sequence[Volume], model: Model, options: Options = Options(), timed: bool = True) -> Plan:
    """What a case will need, and what ``admit`` says of it. Runs at most a small patch of each network.

    Raises:
        MedDLError: as ``segment`` would before the network runs, but for NO_MEMORY: see ``Plan.fits``. MODEL_TRUSTED
            for a model that runs its own code.
    """
    if model.package.trusted:
        raise MedDLError(
            Code.MODEL_TRUSTED,
            f"What a run of {model.spec.name} needs, only its own code knows.",
            "Run it with meddl segment; it ends with a message where the memory does not suffice.",
        )
    return foresee(volumes, model, options, timed, {})


def foresee(volumes: Sequence[Volume], model: Model, options: Options, timed: bool, seen: Seen) -> Plan:
    """See ``plan``. What it finds out of the networks' fields of view is kept in ``seen``."""
    from .inference import together

    scan, spec = volumes[0].geometry, model.spec
    with memory_for("plan"):
        notices = admit(volumes, spec, options)
        if options.points:
            boxes = (cut_around(volumes, spec, point) for point in dict.fromkeys(options.points))
            plans = [foresee(box, model, replace(options, points=()), timed, {}) for box in boxes]
            joining = joining_memory(scan, spec, _structures_of(spec, options))
        else:
            plans = [_plan(volumes, *one, timed, seen) for one in _one_after_the_other(volumes, model, options)]
            joining = merging_memory(scan, spec) if model.parts else 0
        foreseen = together(plans)
    return replace(foreseen, memory=foreseen.memory + joining, notices=notices)


def _one_after_the_other(volumes: Sequence[Volume], model: Model, options: Options) -> Iterator[tuple[Model, Options]]:
    """The models of one network, or one ensemble, that a run consists of, each with what it is run with."""
    if model.parts:
        for part in model.parts:
            yield from _one_after_the_other(volumes, part, replace(options, structures=()))
    else:
        if model.previous is not None:
            yield from _one_after_the_other(volumes, model.previous, for_previous(volumes, model, options))
        yield model, options


def for_previous(volumes: Sequence[Volume], model: Model, options: Options) -> Options:
    """What the model before this one is run with: it finds all that this one is to see."""
    return replace(options, structures=(), region=seen_for(options.region, volumes[0], model.spec))


def field_seen(volumes: Sequence[Volume], model: Model, options: Options, seen: Seen) -> FieldOfView:
    """What a model sees; found once in a run."""
    if model not in seen:
        seen[model] = field_of_view(volumes, model.spec, options.region, options.crop_body)
    return seen[model]


def _plan(volumes: Sequence[Volume], model: Model, options: Options, timed: bool, seen: Seen) -> Plan:
    from .inference import free_memory, make_plan

    spec = model.spec
    field = field_seen(volumes, model, options, seen)
    grid, cut, scan = field.grid, field.cut, volumes[0].geometry
    decided = field.laid if spec.grid.rule == "extent" else part_within(volumes[0], options.region)
    kept = _structures_of(spec, options)
    deciding = deciding_memory(grid, decided, spec, kept)
    placed = math.prod(decided.shape) + math.prod(scan.shape) if decided.shape != scan.shape else 0
    return make_plan(
        spec,
        model.networks,
        model.device,
        free_memory(),
        [part.stop - part.start for part in inner(cut, grid.shape)],
        preparing_memory(volumes, spec, field.region, cut),
        deciding.result,
        deciding.piece,
        deciding.cleaning + placed,
        timed,
        model.engines[0].seconds_per_voxel if model.engines else None,
    )


def _structures_of(spec: ModelSpec, options: Options) -> int:
    """How many structures are decided. Exclusive classes are decided together; of a part, whatever it has."""
    if spec.output.activation != "sigmoid":
        return len(spec.labels)
    wanted = {name.casefold() for name in options.structures}
    return sum(not wanted or label.name.casefold() in wanted for label in spec.labels) or len(spec.labels)
