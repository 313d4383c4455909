"""From a model to a bundle: a folder, or a zip of it, that appears whole or not at all.

| file | what |
| --- | --- |
| configs/metadata.json | what MONAI's specification demands, and all that MedDL needs under ``meddl`` |
| configs/inference.json | the run, for MONAI's own runner; absent where that would give something else |
| models/model.safetensors | the weights, compared with their SHA-256 whenever they are opened |
| models/model.pt | the same for MONAI's runner: a state dict; absent where the person wants none |
| docs/README.md | the model card |
| docs/data.json | which cases were learnt from, by pseudonym, and SHA-256 of their images' contents |
| LICENSE | the licence |
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.models import ModelPackage, load_networks, pack, write_package
from MedDLCore.models.bundle import CARD_FILE
from MedDLCore.models.package import METADATA, holds_package, weights_path
from MedDLCore.models.staging import scratch_folder, settle
from MedDLCore.models.weights import read_state_dict
from MedDLCore.spec import ModelSpec
from MedDLCore.system_errors import named_errors

from ..data.split import DATA, DIGESTS, FOLDS
from .card import card
from .evaluation import Evaluation
from .metadata import published_metadata
from .runner import NotInMonaiError, configuration, runner_networks
from .source import Source
from .statement import Statement

if TYPE_CHECKING:
    from torch import nn

MONAI_WEIGHTS = Path("models", "model.pt")
INFERENCE = Path("configs", "inference.json")

LEFT_OUT = "what it needs was left out"


@dataclass(frozen=True)
class Published:
    """What was made.

    Attributes:
        path: the folder or zip.
        spec: the model as it is published.
        sha256: of the model: equal wherever it is opened.
        notices: what the person should know.
    """

    path: Path
    spec: ModelSpec
    sha256: str
    notices: tuple[Notice, ...]


def publish(
    source: Source,
    out: Path,
    statement: Statement,
    evaluation: Evaluation | None = None,
    run: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    for_monai: bool = True,
) -> Published:
    """Makes a bundle of a model.

    Args:
        source: from ``source_of``.
        out: a folder, or a file whose name ends in ``.zip``.
        statement: what the person says of the model.
        evaluation: from ``read_evaluation``.
        run: from ``measured_on``.
        overwrite: replace the model or zip that is at ``out``.
        for_monai: False: without ``model.pt`` and ``inference.json``, in half the size.

    Raises:
        MedDLError: STATEMENT_INVALID; OUTPUT_EXISTS; MODEL_CORRUPT where weights are not those that were trained;
            NO_SPACE, OUTPUT_UNWRITABLE.
    """
    statement = statement.checked()
    as_zip = out.suffix.lower() == ".zip"
    _check_free(out, as_zip, overwrite)
    spec = _stated(source.package.spec, statement, run)
    with scratch_folder(out.absolute().parent) as scratch:
        package, notices = _write(source, spec, statement, evaluation, scratch / spec.name, for_monai)
        if as_zip:
            pack(package.folder, scratch / "bundle.zip")
            with named_errors(out.name):
                (scratch / "bundle.zip").replace(out)
        else:
            settle(package.folder, out, overwrite)
    return Published(out, package.spec, package.sha256, notices)


def _check_free(out: Path, as_zip: bool, overwrite: bool) -> None:
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise MedDLError(Code.OUTPUT_EXISTS, f"There is already something named {out.name!r}.")
    if not (out.is_file() if as_zip else out.is_dir() and holds_package(out)):
        raise MedDLError(
            Code.OUTPUT_EXISTS, f"{out.name!r} is no model; it is not replaced.", "Choose another name with --out."
        )


def _stated(spec: ModelSpec, statement: Statement, run: Mapping[str, Any] | None) -> ModelSpec:
    return replace(
        spec,
        name=statement.name or spec.name,
        title=statement.title or statement.name or spec.title or spec.name,
        version=statement.version or spec.version or "1.0.0",
        description=statement.description or spec.description,
        licence=statement.licence,
        citation=statement.citation or spec.citation,
        measured={**spec.measured, **({"run": dict(run)} if run else {})},
    )


def _write(
    source: Source, spec: ModelSpec, statement: Statement, evaluation: Evaluation | None, folder: Path, for_monai: bool
) -> tuple[ModelPackage, tuple[Notice, ...]]:
    """The whole bundle."""
    networks = load_networks(source.package)  # compares the weights with their SHA-256
    files = [weights_path(source.package.folder, weights) for weights in source.package.spec.weights]
    package = write_package(spec, [read_state_dict(file) for file in files], folder, _licence(statement))
    reason = _write_for_monai(spec, networks, folder) if for_monai else LEFT_OUT
    metadata = published_metadata(package.spec, statement, evaluation, not reason)
    _write_json(metadata, folder / METADATA)
    (folder / CARD_FILE).write_text(card(package.spec, statement, source.splits, evaluation, reason), encoding="utf-8")
    if source.splits:
        _write_json({FOLDS: list(source.splits), DIGESTS: source.images}, folder / DATA)
    told = reason and for_monai
    return package, (Notice(Code.NOT_IN_MONAI, f"{reason[0].upper()}{reason[1:]}."),) if told else ()


def _write_for_monai(spec: ModelSpec, networks: list[nn.Module], folder: Path) -> str:
    """What MONAI's runner needs, or else the reason why it cannot run the model."""
    try:
        for_runner = runner_networks(spec, networks)
        _write_json(configuration(spec, for_runner), folder / INFERENCE)
    except NotInMonaiError as error:
        _write_weights(_joined([network.state_dict() for network in networks]), folder / MONAI_WEIGHTS)
        return str(error)
    _write_weights(for_runner.state, folder / MONAI_WEIGHTS)
    return ""


def _licence(statement: Statement) -> str:
    """What ``LICENSE`` holds: the text that was given, or the identifier and where SPDX keeps its text."""
    lines = [f"SPDX-License-Identifier: {statement.licence}"]
    if statement.copyright:
        lines.append(f"SPDX-FileCopyrightText: {statement.copyright}")
    if statement.licence_text:
        lines += ["", statement.licence_text]
    elif " " not in statement.licence:
        lines += ["", f"The text: https://spdx.org/licenses/{statement.licence}.html"]
    return "\n".join(lines)


def _joined(states: list[dict[str, Any]]) -> dict[str, Any]:
    if len(states) == 1:
        return states[0]
    return {f"{n}.{key}": value for n, state in enumerate(states) for key, value in state.items()}


def _write_weights(state: Mapping[str, Any], path: Path) -> None:
    """Plain tensors in a plain dictionary, each once, also under several names. Equal weights give equal bytes."""
    from ..loop.checkpoint import save
    from ..loop.weights import copied

    with path.open("wb") as file:
        save(copied(state), file)


def _write_json(content: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
