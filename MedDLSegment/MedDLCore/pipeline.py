"""How a scan flows to a segmentation. Read this first.

    readers -> admit -> preprocess -> inference -> postprocess -> writers

``load`` makes a model ready once; ``plan`` says what a case will need; ``segment`` runs it. All three take values and
return values: files are read and written around them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .admission import Options, admit, check_memory, chosen_labels
from .clock import Clock, OnProgress, memory_for, share
from .errors import Code, Notice
from .foresight import Seen, field_seen, for_previous, foresee, plan
from .loading import Model, load
from .models import run_trusted
from .out_of_memory import is_out_of_memory, release
from .postprocess import decide, join, merge, only
from .preprocess import (
    Prepared,
    cut_around,
    inside,
    on_first_grid,
    part_within,
    prepare,
    split_channels,
)
from .resample import resample
from .volume import Geometry, LabelMap, Volume

if TYPE_CHECKING:
    from .inference import Plan, Slab
    from .writers import SegmentStatistics

__all__ = ["Model", "OnSlab", "Segmentation", "load", "plan", "segment"]

OnSlab = Callable[[Prepared, "Slab"], None]
"""Called with what the network saw and, as each comes, a slab of logits, which is a view of memory in use."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The result of one case.

    Attributes:
        label_map: on the scan's own grid.
        notices: everything that the person should know, readers' warnings included.
        seconds: wall time of each stage.
        device: what the network ended on.
        backends: what computed the networks: ``torch``, ``torch float16``, ``openvino``, or their own code.
        plan: what was foreseen; None where only the model's own code knows.
        statistics: a row for each label, where they have been computed already.
    """

    label_map: LabelMap
    notices: tuple[Notice, ...]
    seconds: dict[str, float]
    device: str
    backends: tuple[str, ...]
    plan: Plan | None
    statistics: tuple[SegmentStatistics, ...] | None = None


def segment(
    volumes: Sequence[Volume],
    model: Model,
    options: Options = Options(),
    on_progress: OnProgress | None = None,
    on_slab: OnSlab | None = None,
) -> Segmentation:
    """Segments one case.

    Args:
        volumes: one volume for each channel of the model, the first decides the result's grid.
        model: from ``load``.
        options: what the person chose.
        on_progress: told of progress; what it raises ends the run.
        on_slab: shown the logits, for a model that is one network or one ensemble; not those of a model before it.

    Returns:
        The segmentation on the grid of ``volumes[0]``.

    Raises:
        MedDLError: a refusal before the network runs (see ``admit``), NO_MEMORY, NETWORK_NONFINITE.
    """
    return _segment(volumes, model, options, on_progress, {}, on_slab)


def _segment(
    volumes: Sequence[Volume],
    model: Model,
    options: Options,
    on_progress: OnProgress | None,
    seen: Seen,
    on_slab: OnSlab | None = None,
) -> Segmentation:
    """See ``segment``; ``seen``: what is known of the fields of view of this run's networks."""
    from .inference import Predictor, predict

    spec = model.spec
    clock = Clock(on_progress)
    scan = volumes[0].geometry
    labels = chosen_labels(spec, options.structures)
    if model.package.trusted:
        return _by_its_own_code(volumes, model, options, clock)
    foreseen = foresee(volumes, model, options, False, seen)
    notices = foreseen.notices + check_memory(foreseen, options)
    if options.points:
        return _around_points(volumes, model, options, on_progress, notices, foreseen)
    if model.parts:
        return _in_parts(volumes, model, options, on_progress, notices, foreseen, seen)

    field = field_seen(volumes, model, options, seen)
    previous: LabelMap | None = None
    backends: set[str] = set()
    if model.previous is not None:
        told = share(on_progress, 0, 2)
        earlier = _segment(volumes, model.previous, for_previous(volumes, model, options), told, seen)
        clock = Clock(share(on_progress, 1, 2), earlier.seconds)
        previous = earlier.label_map
        backends |= set(earlier.backends)
        notices += _without_empty(earlier.notices)
    with clock.stage("prepare"):
        on = functools.partial(prepare, volumes, spec, field.region, previous, cut=field.cut)
        prepared, stepped_down = _on_device(on, model.device.name)
        clock.progress("prepare")(1, 1)
    with clock.stage("network"):
        networks = model.engines or model.networks
        axes = spec.inference.mirror_axes
        predictor = Predictor(networks, spec.output_channels, model.device.name, axes, foreseen.patches)
    slabs = predict(prepared.array, predictor, spec.inference, clock.progress("network"))
    if on_slab is not None:
        slabs = _shown(slabs, prepared, on_slab)
    with predictor, clock.stage("finish"):
        of_scan = spec.foreground is not None and spec.foreground.grid == "scan"
        whole = spec.grid.rule != "extent" and not of_scan
        onto = part_within(volumes[0], options.region) if whole else prepared.part
        label_map = decide(
            clock.time_of("network", slabs),
            prepared.geometry,
            onto,
            spec.output,
            # Exclusive classes are cleaned up together, so that the result does not depend on what was asked for.
            labels if spec.output.activation == "sigmoid" else spec.labels,
            spec.clean_up,
            clock.progress("finish"),
            None if options.region is None else inside(onto, options.region),
            prepared.cut,
            prepared.alone,
            lambda message: predictor.notices.append(Notice(Code.STEPPED_DOWN, message)),
        )
        label_map = _placed(only(label_map, labels), scan)
        clock.progress("finish")(1, 1)
    empty = _told_if_empty(label_map)
    found = tuple(dict.fromkeys((*notices, *prepared.notices, *stepped_down, *predictor.notices, *empty)))
    backends |= predictor.backends
    return Segmentation(label_map, found, clock.seconds, predictor.device, tuple(sorted(backends)), foreseen)


def _on_device(prepare: Callable[..., Prepared], device: str) -> tuple[Prepared, tuple[Notice, ...]]:
    """Prepares a case on a CUDA device, or, where its memory does not suffice, in the machine's memory."""
    if not device.startswith("cuda"):
        return prepare(device="cpu"), ()
    try:
        return prepare(device=device), ()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    release(device)  # outside the handler: its traceback would keep the tensors alive
    message = f"{device} had no memory to prepare the scan; it was prepared in the machine's memory."
    return prepare(device="cpu"), (Notice(Code.STEPPED_DOWN, message),)


def _shown(slabs: Iterable[Slab], prepared: Prepared, on_slab: OnSlab) -> Iterator[Slab]:
    for slab in slabs:
        on_slab(prepared, slab)
        yield slab


def _in_parts(
    volumes: Sequence[Volume],
    model: Model,
    options: Options,
    on_progress: OnProgress | None,
    notices: tuple[Notice, ...],
    foreseen: Plan,
    seen: Seen,
) -> Segmentation:
    """Runs the parts of a model and lays their results over each other.

    Parts before the first that holds a chosen structure need not run; later ones may cover it.
    """
    spec = model.spec
    labels = chosen_labels(spec, options.structures)
    wanted = {label.name for label in labels}
    first = next(n for n, part in enumerate(model.parts) if wanted & {label.name for label in part.spec.labels})
    parts = model.parts[first:]
    label_map: LabelMap | None = None
    seconds: dict[str, float] = {}
    backends: set[str] = set()
    for n, part in enumerate(parts):
        told = share(on_progress, n, len(parts))
        found = _segment(volumes, part, replace(options, structures=()), told, seen)
        with memory_for("finish"):
            label_map = merge(label_map, found.label_map, spec.labels)
        notices += _without_empty(found.notices)
        backends |= set(found.backends)
        seconds = {stage: round(seconds.get(stage, 0.0) + spent, 3) for stage, spent in found.seconds.items()}
    assert label_map is not None  # noqa: S101  one part holds the chosen structure
    with memory_for("finish"):
        label_map = only(label_map, labels)
    empty = _told_if_empty(label_map)
    told_of = tuple(dict.fromkeys((*notices, *empty)))
    return Segmentation(label_map, told_of, seconds, found.device, tuple(sorted(backends)), foreseen)


def _around_points(
    volumes: Sequence[Volume],
    model: Model,
    options: Options,
    on_progress: OnProgress | None,
    notices: tuple[Notice, ...],
    foreseen: Plan,
) -> Segmentation:
    """Segments a box around each point as if it was the whole scan, and lays the results onto the scan's grid."""
    spec, scan = model.spec, volumes[0].geometry
    labels, overlapping = chosen_labels(spec, options.structures), spec.output.activation == "sigmoid"
    # Exclusive structures compete where boxes meet, whatever was asked for.
    alone = replace(options, points=(), structures=options.structures if overlapping else ())
    boxes = {point: cut_around(volumes, spec, point) for point in options.points}
    found = [segment(box, model, alone, share(on_progress, n, len(boxes))) for n, box in enumerate(boxes.values())]
    label_map, cut = join([one.label_map for one in found], tuple(boxes), scan, labels, overlapping)
    notices += tuple(notice for one in found for notice in _without_empty(one.notices)) + cut
    seconds = {stage: round(sum(one.seconds[stage] for one in found), 3) for stage in found[0].seconds}
    backends = tuple(sorted({backend for one in found for backend in one.backends}))
    return Segmentation(label_map, tuple(dict.fromkeys(notices)), seconds, found[-1].device, backends, foreseen)


def _told_if_empty(label_map: LabelMap) -> tuple[Notice, ...]:
    return () if label_map.array.any() else (Notice(Code.EMPTY_RESULT, "None of the structures was found."),)


def _without_empty(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """That one of several networks finds nothing says little."""
    return tuple(notice for notice in notices if notice.code is not Code.EMPTY_RESULT)


def _by_its_own_code(volumes: Sequence[Volume], model: Model, options: Options, clock: Clock) -> Segmentation:
    """A trusted bundle segments the whole scan in a process of its own; outside the region its result is cleared."""
    notices = admit(volumes, model.spec, replace(options, crop_body=False))
    if options.crop_body:
        notices += (Notice(Code.NOT_CROPPED, f"The model {model.spec.name} runs its own code."),)
    scan, device = volumes[0].geometry, model.device
    with clock.stage("prepare"):
        channels = on_first_grid(split_channels(volumes, model.spec))
        clock.progress("prepare")(1, 1)
    with clock.stage("network"):
        label_map = run_trusted(model.package, channels, device.name, clock.progress("network"))
    with clock.stage("finish"):
        label_map = only(label_map, chosen_labels(model.spec, options.structures))
        if options.region is not None:
            label_map = replace(label_map, array=label_map.array * inside(scan, options.region))
        clock.progress("finish")(1, 1)
    empty = _told_if_empty(label_map)
    return Segmentation(label_map, (*notices, *empty), clock.seconds, device.name, ("own code",), None)


def _placed(label_map: LabelMap, scan: Geometry) -> LabelMap:
    """A label map of some of the scan's voxels on the scan's own grid."""
    if label_map.geometry is scan:
        return label_map
    layers = [resample(label_map.layer(n), label_map.geometry, scan, "nearest") for n in range(label_map.layers)]
    return LabelMap(layers[0] if label_map.array.ndim == 3 else np.stack(layers), scan, label_map.labels)
