"""``metadata.json`` of a published bundle: every key that MONAI's bundle specification demands, and those it knows.

See MONAI, ``docs/source/mb_specification.rst``, and its schema of metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from MedDLCore.models.bundle import metadata_of
from MedDLCore.spec import ModelSpec

from ..data.learnt import learnt_all
from .evaluation import Evaluation
from .statement import NOT_STATED, Statement

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"

RUNNER_PACKAGES = {"fire": "0.7.0", "nibabel": "5.2.0", "pytorch-ignite": "0.5.0", "scipy": "1.12.0"}
"""What MONAI's runner needs beside MONAI; the version is that of this machine, or else one that is known to do."""

DEMANDED = (
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
)
"""Keys without which a bundle is none."""


def published_metadata(
    spec: ModelSpec, statement: Statement, evaluation: Evaluation | None, for_runner: bool
) -> dict[str, Any]:
    """The content of the file.

    Args:
        spec: the model as it is published.
        statement: what the person said of it.
        evaluation: figures of further cases.
        for_runner: the bundle has an ``inference.json``.
    """
    structures = ", ".join(label.name for label in spec.labels)
    inputs = ", ".join(channel.name for channel in spec.channels)
    return {
        "schema": SCHEMA,
        **metadata_of(spec),
        "changelog": {spec.version: "published with MedDL"},
        "required_packages_version": {name: _version(name, least) for name, least in RUNNER_PACKAGES.items()}
        if for_runner
        else {},
        "task": f"Segmentation of {structures}",
        "description": spec.description or NOT_STATED,
        "authors": statement.authors or NOT_STATED,
        "copyright": statement.copyright or NOT_STATED,
        "license": spec.licence,
        "intended_use": statement.intended_use or NOT_STATED,
        "data_source": statement.data_source or NOT_STATED,
        "data_type": NOT_STATED,
        "image_classes": inputs,
        "label_classes": structures,
        "pred_classes": structures,
        "eval_metrics": eval_metrics(spec.measured, evaluation),
        "references": [statement.citation] if statement.citation else [],
    }


def eval_metrics(measured: Mapping[str, Any], evaluation: Evaluation | None) -> dict[str, float]:
    """Names and figures: Dice on the validation cases, or else the training's own, and the means of an evaluation."""
    kind = "training" if learnt_all(measured) else "validation"
    figures = {f"{kind}_dice_{name}": float(dice) for name, dice in measured.get("validation_dice", {}).items()}
    if evaluation is not None:
        for label, scores in evaluation.scores.items():
            figures |= {f"{name}_{label}": values["mean"] for name, values in scores.items() if "mean" in values}
    return figures


def _version(package: str, least: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return least
