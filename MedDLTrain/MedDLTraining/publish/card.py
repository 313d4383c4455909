"""The model card, ``docs/README.md``: what a person asks before using a model. What is not known is said to be so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from MedDLCore.spec import ModelSpec
from MedDLCore.volume import Label

from ..data.learnt import learnt_all
from .evaluation import Evaluation
from .metadata import RUNNER_PACKAGES
from .statement import NOT_STATED, Statement


def card(
    spec: ModelSpec,
    statement: Statement,
    splits: Sequence[Mapping[str, Sequence[str]]],
    evaluation: Evaluation | None,
    not_in_monai: str,
) -> str:
    """Markdown.

    Args:
        spec: the model as it is published.
        statement: what the person said of it.
        splits: of each fold, the pseudonyms of the cases for training and validation.
        evaluation: figures of further cases.
        not_in_monai: why MONAI's runner cannot run it; empty where it can.
    """
    sections = [
        (spec.title or spec.name, [spec.description or NOT_STATED, "", "For research. Not for clinical use."]),
        ("Intended use", [statement.intended_use or NOT_STATED]),
        ("Limits", [statement.limits or NOT_STATED]),
        ("Input", list(_inputs(spec))),
        ("Structures", list(_structures(spec.labels))),
        ("Training data", list(_data(spec.measured, statement, splits))),
        ("Measured", list(_measured(spec.labels, spec.measured, evaluation))),
        ("Time and memory", [_demand(spec.measured.get("run"))]),
        ("How to run it", list(_running(spec, not_in_monai))),
        ("Authors", [statement.authors or NOT_STATED]),
        ("Citation", [statement.citation or NOT_STATED]),
        ("Licence", [f"{spec.licence}. See the file LICENSE."]),
    ]
    first, *others = ["\n".join([f"# {title}", "", *body, ""]) for title, body in sections]
    return "\n".join([first, *(f"#{section}" for section in others)])


def _inputs(spec: ModelSpec) -> Iterator[str]:
    for n, channel in enumerate(spec.channels):
        yield f"- {n}: {channel.name} ({channel.modality or 'modality ' + NOT_STATED})"
    mm, patch = spec.grid.spacing, spec.inference.patch
    spacing = "the scan's own" if mm is None else " x ".join(f"{v:g}" for v in mm) + " mm"
    voxels = "the whole scan" if patch is None else " x ".join(map(str, patch)) + " voxels"
    many = f", {len(spec.weights)} of them, averaged" if len(spec.weights) > 1 else ""
    yield f"- spacing: {spacing}"
    yield f"- patch: {voxels}"
    yield f"- network: {spec.network.name}{many}"
    if spec.clicks is not None:
        names = ", ".join(label.name for label in spec.labels if label.value in spec.clicks.labels)
        yield f"- clicks: on {names}, as balls of {spec.clicks.radius:g} mm; without a click it segments on its own"


def _structures(labels: Sequence[Label]) -> Iterator[str]:
    yield "| value | structure | code | colour |"
    yield "| --- | --- | --- | --- |"
    for label in labels:
        terms = label.terminology
        concepts = (terms.type, terms.modifier, terms.region, terms.region_modifier) if terms else ()
        codes = [f"{one.scheme} {one.value} ({one.meaning})" for one in concepts if one is not None]
        code = _cell(", ".join(codes) or NOT_STATED)
        yield f"| {label.value} | {_cell(label.name)} | {code} | {', '.join(map(str, label.color))} |"


def _data(
    measured: Mapping[str, Any], statement: Statement, splits: Sequence[Mapping[str, Sequence[str]]]
) -> Iterator[str]:
    yield f"- source and licence: {statement.data_source or NOT_STATED}"
    if len(splits) > 1:
        for n, split in enumerate(splits):
            yield f"- fold {n}: {len(split['training'])} cases for training, {len(split['validation'])} for validation"
    else:
        yield f"- cases for training: {measured.get('training_cases', NOT_STATED)}"
        yield f"- cases for validation: {measured.get('validation_cases', NOT_STATED)}"
    if "iterations" in measured:
        iterations, epochs, best = (measured[key] for key in ("iterations", "epochs", "best_epoch"))
        yield f"- iterations: {iterations}, in {epochs} epochs; the weights are those after epoch {best}"
    yield f"- SHA-256 over the contents of all images: {measured.get('images_sha256') or NOT_STATED}"
    if "began_with" in measured:
        name, licence, sha256 = (measured["began_with"].get(key) or NOT_STATED for key in ("name", "licence", "sha256"))
        yield f"- its weights began with those of {name} (licence: {licence}; SHA-256 {sha256})"
    if splits:
        yield "- split by pseudonym, and SHA-256 of the content of each image: `docs/data.json`"


def _measured(labels: Sequence[Label], measured: Mapping[str, Any], evaluation: Evaluation | None) -> Iterator[str]:
    dice = measured.get("validation_dice", {})
    if dice:
        kind = "cases that it has learnt from, for there were no others" if learnt_all(measured) else "validation cases"
        yield f"Dice on the {kind}, by which the weights were chosen:"
        yield ""
        yield "| structure | Dice |"
        yield "| --- | --- |"
        figures = {label.name: "no case had it" for label in labels} | {
            name: f"{its:.3f}" for name, its in dice.items()
        }
        yield from (f"| {_cell(name)} | {figure} |" for name, figure in figures.items())
    else:
        yield f"Dice on validation cases: {NOT_STATED}."
    yield ""
    if evaluation is None:
        yield f"By an evaluation: {NOT_STATED}."
        return
    learnt = (
        "how many it has learnt from is not known"
        if evaluation.learnt_from is None
        else (f"it has learnt from {evaluation.learnt_from} of them")
    )
    yield f"By an evaluation on {evaluation.cases} cases ({learnt}); in brackets the confidence interval:"
    yield ""
    names = list(dict.fromkeys(name for own in evaluation.scores.values() for name in own))
    yield f"| structure | {' | '.join(map(_cell, names))} |"
    yield f"| --- |{' --- |' * len(names)}"
    for label, own in evaluation.scores.items():
        yield f"| {_cell(label)} | {' | '.join(_figure(own.get(name, {})) for name in names)} |"


def _figure(values: Mapping[str, float]) -> str:
    if "mean" not in values:
        return NOT_STATED
    interval = f" ({values['low']:.3g} to {values['high']:.3g})" if {"low", "high"} <= set(values) else ""
    return f"{values['mean']:.3g}{interval}"


def _demand(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return NOT_STATED
    return (
        f"{run['seconds']:g} s, {run['cpu_seconds']:g} CPU-seconds, and "
        f"{run['memory_bytes'] / 1e9:.2f} GB for a scan of "
        f"{' x '.join(map(str, reversed(run['scan'])))} voxels, on {run['device']} with {run['threads']} thread(s) "
        f"({run['processor']}); once, after loading."
    )


def _running(spec: ModelSpec, not_in_monai: str) -> Iterator[str]:
    yield "```"
    yield f"meddl models add {spec.name}.zip"
    yield f"meddl segment SCAN --model {spec.name} --out results{' --at R,A,S' if spec.crops else ''}"
    yield "```"
    yield ""
    if not_in_monai:
        yield f"MONAI's own runner cannot run it: {not_in_monai}. There is no `configs/inference.json`."
        return
    yield "Or with MONAI's own runner, in the bundle's folder, on NIfTI files in the folder `scans`"
    if len(spec.channels) > 1:
        yield "(for each case one file for each input: `CASE_0000.nii.gz`, `CASE_0001.nii.gz`, ... on one grid)"
    yield "into `results`:"
    yield ""
    yield "```"
    yield "python -m monai.bundle run --config_file configs/inference.json --meta_file configs/metadata.json"
    yield "```"
    yield ""
    yield f"It needs {', '.join(RUNNER_PACKAGES)} beside MONAI."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
