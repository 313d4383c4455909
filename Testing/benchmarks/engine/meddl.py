"""MedDL as a user runs it, but for where the network is replaced."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from MedDLCore.admission import Options
from MedDLCore.errors import Code
from MedDLCore.inference import Predictor, make_engines, peak_memory
from MedDLCore.models import open_model
from MedDLCore.pipeline import load, segment
from MedDLCore.volume import Geometry, Volume

from .engines import Call, Job, Labels, RefusedError
from .meter import Meter


def meddl(job: Job, scan: Labels, meter: Meter, backend: str = "") -> Call:
    """Opens the model; ``backend``: what runs the network, "" for torch."""
    chosen = {"backend": backend or "torch"} if "backend" in inspect.signature(load).parameters else {}
    if backend and not chosen:
        raise RefusedError("this MedDL has no backends")
    model = load(open_model(job.model), "cpu", job.threads, **chosen)
    if (instead := job.stand_in()) is not None:
        peak_memory(instead, (1, 1, 8, 8, 8))  # imports of torch's that its operations need, and no network of ours
        model = replace(model, networks=[instead], engines=make_engines([instead], model.spec, model.device, "torch"))
    if backend:
        _watch_predictor(meter)
    else:
        for network in model.networks:
            meter.watch(network)
    volume = Volume(scan, Geometry.from_parts(scan.shape, job.voxel[::-1]), "CT")
    options = Options(allow=frozenset({Code.NO_MEMORY}))  # how much it may take is this benchmark's to watch

    def on_progress(stage: str, done: int, of: int) -> None:
        if (stage, done) == ("prepare", 0):
            meter.enter("prepare")

    meter.stage = "rest"

    def call() -> Labels:
        found = segment([volume], model, options, on_progress)
        assert found.plan is not None
        meter.planned = found.plan.memory
        return found.label_map.array

    return call


def _watch_predictor(meter: Meter) -> None:
    """A backend's network has no hooks: the whole of ``Predictor`` counts as the network."""
    predict = Predictor.__call__

    def watched(self: Predictor, patches: Any, *arguments: Any) -> Any:
        meter.begin_pass()
        logits = predict(self, patches, *arguments)
        meter.end_pass(None, (patches,), logits)
        return logits

    Predictor.__call__ = watched  # type: ignore[method-assign]
