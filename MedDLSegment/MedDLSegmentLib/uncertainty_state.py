"""What the part *Uncertainty* of the page Correct knows: what is measured, why nothing can be, and what was.

No Qt and no scene: see ``correct_state``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import Notice

from . import offered_models, wording
from .button import Button
from .correct_state import CorrectState, reasonOfInputs
from .panel_state import Run
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered


@dataclass(frozen=True)
class UncertaintyState:
    """All that it shows.

    Attributes:
        correct: what the page knows.
        run: how far a map is; None: none is being made.
        isShown: the volume's map lies over it.
        said: what became of the last one, in words.
        notices: warnings of it.
    """

    correct: CorrectState = field(default_factory=CorrectState)
    run: Run | None = None
    isShown: bool = False
    said: str = ""
    notices: tuple[Notice, ...] = ()


def model(state: UncertaintyState) -> Offered | None:
    """The model that is asked: the one that was chosen for clicks, or else that of the page Segment."""
    correct = state.correct
    chosen = correct.offered if correct.wantedModel else None
    return chosen or offered_models.modelNamed(correct.models or (), correct.segmentModel)


def reasonNotToMeasure(state: UncertaintyState) -> str:
    """Why nothing can be measured; empty: it can."""
    asked = model(state)
    if state.correct.models is None:
        return _("The list of models is not there yet.")
    if asked is None:
        return _("Choose a model, here or on the page Segment: it is asked how sure it is.")
    if asked.problem:
        return _("This model cannot be opened: {problem}").format(problem=asked.problem)
    if asked.origin == "trusted":
        return _("How sure this model is cannot be measured: it runs code of its own.")
    return reasonOfInputs(asked, state.correct.inputs)


def button(state: UncertaintyState) -> Button:
    """Shows the map, which is made where there is none; hides it; or ends its making."""
    if state.run is not None:
        if state.run.cancelling:
            return Button(_("Cancelling ..."), False, _("The run ends within a few seconds."))
        return Button(_("Cancel"), True, _("Ends the measurement. Nothing of it is kept."))
    if state.isShown:
        return Button(_("Hide uncertainty"), True, _("Takes the map away from the slice views; it stays in the scene."))
    reason, asked = reasonNotToMeasure(state), model(state)
    if reason or asked is None:
        return Button(_("Show uncertainty"), False, reason)
    about = _(
        "Lays over the scan where {model} is unsure: it runs several times, and differs there. Click there first."
    )
    return Button(_("Show uncertainty"), True, about.format(model=offered_models.shownName(asked)))


def line(state: UncertaintyState) -> str:
    """How far it is, or what became of it."""
    if state.run is not None:
        return wording.progress(state.run.stage, state.run.secondsLeft)
    warnings = [_("Warning: {text}").format(text=notice.message) for notice in state.notices]
    return "\n".join(text for text in (state.said, *warnings) if text)


def saidOf(figures: Mapping[str, Any], asked: Offered) -> str:
    """What was measured. ``figures``: see ``worker.tasks.uncertainty_job``."""
    name = offered_models.shownName(asked)
    if figures["place"] is None:
        return _("{model} is sure of every voxel.").format(model=name)
    between = {
        "ensemble": _("between its networks"),
        "dropout": _("between passes with dropout"),
        "perturbed": _("between noisy and mirrored copies of the scan"),
    }
    text = _("The slices go through where {model} is least sure. Mean disagreement: {nats:.4f} nats, {between}.")
    return text.format(model=name, nats=figures["disagreement"], between=between[figures["way"]])
