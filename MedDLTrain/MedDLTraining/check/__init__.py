"""The check before a training: what in a data set would spoil it, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MedDLCore.lazily import lazily

if TYPE_CHECKING:
    from .checking import Report, check
    from .facts import CaseFacts, ImageFacts, LabelFacts, examine
    from .findings import EFFECTS, Effect, Fault, Finding, Severity
    from .page import faults_page
    from .report import as_json, as_text
else:
    __getattr__ = lazily(
        __name__,
        {
            "checking": "Report check",
            "facts": "CaseFacts ImageFacts LabelFacts examine",
            "findings": "EFFECTS Effect Fault Finding Severity",
            "page": "faults_page",
            "report": "as_json as_text",
        },
    )

__all__ = [
    "EFFECTS",
    "CaseFacts",
    "Effect",
    "Fault",
    "Finding",
    "ImageFacts",
    "LabelFacts",
    "Report",
    "Severity",
    "as_json",
    "as_text",
    "check",
    "examine",
    "faults_page",
]
