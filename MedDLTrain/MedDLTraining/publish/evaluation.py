"""What an evaluation of the model found: ``evaluation.json``, as ``meddl evaluate`` writes it.

Of that file these keys count; others may be there::

    {"model": {"sha256": "..."}, "cases": 12, "learnt_from": [],
     "structures": [{"name": "liver", "scores": {"dice": {"mean": 0.9, "low": 0.88, "high": 0.92}}}]}

``low`` and ``high`` are the ends of the confidence interval; what is not known is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError

FILE = "evaluation.json"


@dataclass(frozen=True)
class Evaluation:
    """Figures of annotated cases.

    Attributes:
        cases: how many.
        learnt_from: how many of them the model has learnt from; None: that is not known.
        scores: by structure and score, ``mean`` and maybe ``low`` and ``high``.
    """

    cases: int
    learnt_from: int | None
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]


def read_evaluation(folder: Path, model_sha256: str) -> Evaluation:
    """Reads the figures.

    Args:
        folder: of the evaluation.
        model_sha256: the model that must have been evaluated.

    Raises:
        MedDLError: EVALUATION_INVALID where there is none, it is malformed, or another model's.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        model, learnt = content["model"] or {}, content["learnt_from"]
        scores = {
            str(structure["name"]): {str(name): _figures(values) for name, values in structure["scores"].items()}
            for structure in content["structures"]
        }
        evaluation = Evaluation(int(content["cases"]), None if learnt is None else len(learnt), scores)
        of = model.get("sha256")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MedDLError(
            Code.EVALUATION_INVALID, f"The folder {folder.name} holds no {FILE} that can be read."
        ) from error
    if of != model_sha256:
        raise MedDLError(Code.EVALUATION_INVALID, f"The evaluation in {folder.name} is not one of this model.")
    return evaluation


def _figures(values: Mapping[str, Any]) -> dict[str, float]:
    known = {key: values.get(key) for key in ("mean", "low", "high")}
    return {key: float(value) for key, value in known.items() if value is not None and math.isfinite(value)}
