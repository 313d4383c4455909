"""One results folder of nnU-Net as a model description."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Code, MedDLError, Notice
from ...spec import Inference, ModelSpec, Output, Weights
from ...spec_rules import LONGEST_LINE, plain_name
from ...text import one_line, shown
from ..described import Described
from ..description import read_json
from .architecture import check_patch, network
from .channels import channels
from .checkpoint import Facts, read_facts
from .folders import CHECKPOINTS, checkpoints
from .grid import apart_on_the_way_back, check_label_resampling, grid, patch_size
from .labels import DATASET_JSON, Labels, read_labels
from .plans import PLANS_JSON, configuration
from .refusal import refused
from .values import Table

TRAINERS = re.compile(
    r"nnUNetTrainer(Benchmark)?(_?("
    r"\d+epochs?|NoMirroring|onlyMirror01|DA5|DA5ord0|DAOrd0|DASegOrd0|noDA|NoDA|noDummy2DDA|noDeepSupervision|"
    r"NoDeepSupervision|CELoss|DiceLoss|DiceCELoss|noSmooth|TopkLoss|TopK\d*Loss|CosAnneal|warmup|Adam|Adan|vanillaAdam|"
    r"probabilisticOversampling|noDataLoading|1en3|3en4|1en4))*"
)
"""Trainers that train nnU-Net's own architecture in another way: they leave the network as the plans describe it."""

LONGEST_TRAINER = 80


@dataclass(frozen=True)
class Results:
    """What a results folder holds.

    Attributes:
        described: the model; for the second stage of a cascade, without its first.
        previous: the configuration whose result it takes.
    """

    described: Described
    previous: str | None


def read_results(folder: Path) -> Results:
    """Reads a results folder.

    Raises:
        MedDLError: MODEL_INVALID, naming what MedDL does not take; MODEL_UNSAFE, MODEL_CORRUPT for a checkpoint.
    """
    plans = Table(read_json(folder / PLANS_JSON), PLANS_JSON)
    dataset = Table(read_json(folder / DATASET_JSON), DATASET_JSON)
    files = checkpoints(folder)
    facts = read_facts(files[0])
    chosen = configuration(plans, facts.configuration)
    manager = plans.get("label_manager") or "LabelManager"
    if manager != "LabelManager":
        raise plans.wrong("label_manager", f"is {shown(manager)}; MedDL has LabelManager")
    labels = read_labels(dataset)
    previous = chosen.text("previous_stage") if "previous_stage" in chosen else None
    inputs = channels(dataset, chosen, plans)
    taken = labels.foreground if previous else ()
    outputs = len(labels.paint) or len(labels.labels) + 1
    net = network(chosen, len(inputs) + len(taken), outputs)
    check_patch(chosen.whole_numbers("patch_size"), net.arguments["strides"])
    laid = grid(plans, chosen)
    if previous:
        check_label_resampling(chosen, laid.apart)
    spec = ModelSpec(
        name=plain_name(f"{plans.text('dataset_name')}_{facts.configuration}", "nnunet"),
        title=_text(dataset, "name") or one_line(plans.text("dataset_name"), LONGEST_LINE),
        version=_text(dataset, "release"),
        description=_text(dataset, "description"),
        licence=_text(dataset, "licence") or _text(dataset, "license"),
        citation=_text(dataset, "reference"),
        source=f"nnU-Net, {one_line(facts.trainer, LONGEST_TRAINER)}",
        channels=inputs,
        network=net,
        weights=tuple(Weights(path.relative_to(folder).as_posix()) for path in files),
        labels=labels.labels,
        grid=laid,
        steps_on_scan=max(len(channel.intensity or ()) for channel in inputs),
        inference=_inference(chosen, facts),
        output=_output(chosen, labels),
        previous=taken,
    )
    _check_weights(spec, facts)
    notices = (*labels.notices, *_assumed(files[0], facts))
    return Results(Described(spec, folder, notices), previous)


def _inference(chosen: Table, facts: Facts) -> Inference:
    patch = patch_size(chosen)
    dimensions = len(chosen.whole_numbers("patch_size"))
    if any(axis >= dimensions for axis in facts.mirror_axes):
        raise refused(CHECKPOINTS[0], f"the axes {shown(facts.mirror_axes)} to mirror are not those of its patch")
    axes = tuple(axis + 3 - dimensions for axis in facts.mirror_axes)
    return Inference(patch=patch, overlap=0.5, weighting="nnunet", sigma=1 / 8, mirror_axes=axes)


def _output(chosen: Table, labels: Labels) -> Output:
    apart = apart_on_the_way_back(chosen)
    if labels.paint:
        return Output("regions", paint=labels.paint, apart=apart)
    return Output("softmax", apart=apart)


def _check_weights(spec: ModelSpec, facts: Facts) -> None:
    """Refuses weights of another architecture than the plans': a trainer may have built its own."""
    from ..networks import network_from_weights

    try:
        network_from_weights(spec.network, facts.state, spec.input_channels)
    except MedDLError as error:
        hint = f"Its trainer, {shown(facts.trainer)}, may build another network than the plans describe."
        raise MedDLError(error.code, error.message, hint) from error


def _assumed(checkpoint: Path, facts: Facts) -> tuple[Notice, ...]:
    notices = []
    if checkpoint.name != CHECKPOINTS[0]:
        message = f"There is no {CHECKPOINTS[0]}: {checkpoint.name} of an unfinished training was taken."
        notices.append(Notice(Code.MODEL_ASSUMED, message))
    if not TRAINERS.fullmatch(facts.trainer):
        message = f"MedDL does not know {shown(facts.trainer)}; its weights fit the network that the plans describe."
        notices.append(Notice(Code.MODEL_ASSUMED, message))
    return tuple(notices)


def _text(dataset: Table, key: str) -> str:
    """What a data set says about itself, where it is a text."""
    value: Any = dataset.get(key)
    return one_line(value, LONGEST_LINE) if isinstance(value, str) else ""
