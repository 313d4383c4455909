"""The report: how well a model, or ready-made predictions, find what was drawn. Start at ``evaluating``."""

from .choosing import cases_named, cases_of_part
from .evaluating import EVALUATION, REPORT, Draw, Settings, evaluate
from .intervals import Interval, interval
from .one_case import CaseResult, compare
from .predictions import FilePredictions, ModelPredictions, Predictions
from .structures import Structure, matched
from .summary import Evaluation

__all__ = [
    "EVALUATION",
    "REPORT",
    "CaseResult",
    "Draw",
    "Evaluation",
    "FilePredictions",
    "Interval",
    "ModelPredictions",
    "Predictions",
    "Settings",
    "Structure",
    "cases_named",
    "cases_of_part",
    "compare",
    "evaluate",
    "interval",
    "matched",
]
