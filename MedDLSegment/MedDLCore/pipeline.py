"""How a scan flows to a segmentation. Read this first.

    readers -> admit -> preprocess -> inference -> postprocess -> writers

``load`` makes a model ready once; ``plan`` says what a case will need; ``segment`` runs it. All three take values and
return values: files are read and written around them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .admission import Options, admit, check_memory, chosen_labels
from .clock import Clock, OnProgress, memory_for, share
from .errors import Code, MedDLError, Notice
from .field_of_view import FieldOfView, field_of_view
from .importing import import_torch
from .models import ModelPackage, ModelStore, cache_folders, load_networks, run_trusted
from .out_of_memory import is_out_of_memory, release
from .postprocess import decide, deciding_memory, join, joining_memory, merge, merging_memory, only
from .preprocess import (
    Prepared,
    cut_around,
    inner,
    inside,
    on_first_grid,
    part_within,
    prepare,
    preparing_memory,
    seen_for,
    split_channels,
)
from .resample import resample
from .spec import ModelSpec
from .toolkit import limit_threads
from .volume import Geometry, LabelMap, Volume

if TYPE_CHECKING:
    from torch import nn

    from .inference import Device, Engine, Plan, Slab
    from .inference.engine import Wanted

OnSlab = Callable[[Prepared, "Slab"], None]
"""Called with what the network saw and, as each comes, a slab of logits, which is a view of memory in use."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model that is ready to run: keep it for the next case.

    Attributes:
        package: what it is.
        networks: one for each weights file, in eval mode; none for a model in parts, or one that runs its own code.
        device: where they run.
        previous: the model that runs first, whose result this one takes.
        parts: the models whose results together are this one's.
        engines: what computes each network; by default torch.
    """

    package: ModelPackage
    networks: Sequence[nn.Module]
    device: Device
    previous: Model | None = None
    parts: tuple[Model, ...] = ()
    engines: Sequence[Engine] = ()

    @property
    def spec(self) -> ModelSpec:
        """The model as plain data."""
        return self.package.spec


_Seen = MutableMapping[Model, FieldOfView]
"""What the networks of a run see, so far as it is known: each field of view is found once."""


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
    """

    label_map: LabelMap
    notices: tuple[Notice, ...]
    seconds: dict[str, float]
    device: str
    backends: tuple[str, ...]
    plan: Plan | None


def load(
    package: ModelPackage,
    device: str = "auto",
    threads: int | None = None,
    backend: Wanted = "auto",
    full_precision: bool = False,
    store: ModelStore | None = None,
) -> Model:
    """Loads a model's networks.

    Args:
        package: the model.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        threads: CPU threads for the network and for resampling; None: all cores.
        backend: ``torch``; ``openvino``; ``auto``: on a CPU whichever is known to be faster, see ``Engine``.
        full_precision: float32 throughout, on a graphics card too.
        store: in its folder, if it is there, is kept what this machine has made of the networks and learnt about them;
            the person's own if None.

    Raises:
        MedDLError: DEVICE_MISSING, EXTRA_MISSING, MODEL_CORRUPT, MODEL_UNSAFE, MODEL_INVALID.
    """
    import_torch()
    from .inference import choose_device, make_engines
    from .inference.devices import usable_cores

    chosen = choose_device("cpu" if (device, backend) == ("auto", "openvino") else device, threads)
    limit_threads(threads or usable_cores())
    make = functools.partial(make_engines, device=chosen, backend=backend, full_precision=full_precision)
    return _loaded(package, chosen, make, (store or ModelStore()).path)


def _loaded(package: ModelPackage, device: Device, make: Callable[..., Sequence[Engine]], kept: Path) -> Model:
    if package.trusted:
        return Model(package, (), device)
    if package.parts:
        return Model(package, (), device, parts=tuple(_loaded(part, device, make, kept) for part in package.parts))
    previous = None if package.previous is None else _loaded(package.previous, device, make, kept)
    networks = load_networks(package)
    engines = make(networks, package.spec, folders=cache_folders(package, kept))
    return Model(package, networks, device, previous, engines=engines)


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
    return _foreseen(volumes, model, options, timed, {})


def _foreseen(volumes: Sequence[Volume], model: Model, options: Options, timed: bool, seen: _Seen) -> Plan:
    """See ``plan``. What it finds out of the networks' fields of view is kept in ``seen``."""
    from .inference import together

    scan, spec = volumes[0].geometry, model.spec
    with memory_for("plan"):
        notices = admit(volumes, spec, options)
        if options.points:
            boxes = (cut_around(volumes, spec, point) for point in dict.fromkeys(options.points))
            plans = [_foreseen(box, model, replace(options, points=()), timed, {}) for box in boxes]
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
            yield from _one_after_the_other(volumes, model.previous, _for_previous(volumes, model, options))
        yield model, options


def _for_previous(volumes: Sequence[Volume], model: Model, options: Options) -> Options:
    """What the model before this one is run with: it finds all that this one is to see."""
    return replace(options, structures=(), region=seen_for(options.region, volumes[0], model.spec))


def _field_of_view(volumes: Sequence[Volume], model: Model, options: Options, seen: _Seen) -> FieldOfView:
    """What a model sees; found once in a run."""
    if model not in seen:
        seen[model] = field_of_view(volumes, model.spec, options.region, options.crop_body)
    return seen[model]


def _plan(volumes: Sequence[Volume], model: Model, options: Options, timed: bool, seen: _Seen) -> Plan:
    from .inference import free_memory, make_plan

    spec = model.spec
    field = _field_of_view(volumes, model, options, seen)
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
    seen: _Seen,
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
    foreseen = _foreseen(volumes, model, options, False, seen)
    notices = foreseen.notices + check_memory(foreseen, options)
    if options.points:
        return _around_points(volumes, model, options, on_progress, notices, foreseen)
    if model.parts:
        return _in_parts(volumes, model, options, on_progress, notices, foreseen, seen)

    field = _field_of_view(volumes, model, options, seen)
    previous: LabelMap | None = None
    backends: set[str] = set()
    if model.previous is not None:
        told = share(on_progress, 0, 2)
        earlier = _segment(volumes, model.previous, _for_previous(volumes, model, options), told, seen)
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
    seen: _Seen,
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
