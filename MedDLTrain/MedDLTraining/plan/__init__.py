"""The plan of a training: everything that decides its result, as plain data that a person can read, edit and repeat.

Nothing here needs torch at import. ``make_plan`` lives in ``making``; reading and writing in ``plan_file``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from MedDLCore.lazily import lazily

if TYPE_CHECKING:
    from .crops import crops_of
    from .making import Budget, make_plan, plan_from_model
    from .named import NAMED, with_network
    from .plan import Augmentation, Effect, Loss, Optimiser, Plan, Schedule, Start, Validation
    from .plan_file import read_plan, write_plan
else:
    __getattr__ = lazily(
        __name__,
        {
            "crops": "crops_of",
            "making": "Budget make_plan plan_from_model",
            "named": "NAMED with_network",
            "plan": "Augmentation Effect Loss Optimiser Plan Schedule Start Validation",
            "plan_file": "read_plan write_plan",
        },
    )

__all__ = [
    "NAMED",
    "Augmentation",
    "Budget",
    "Effect",
    "Loss",
    "Optimiser",
    "Plan",
    "Schedule",
    "Start",
    "Validation",
    "crops_of",
    "make_plan",
    "plan_from_model",
    "read_plan",
    "with_network",
    "write_plan",
]
