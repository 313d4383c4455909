"""What the panel knows, and what follows from it: what Apply says, whether it can be clicked, and why not.

No Qt and no scene: the panel gives what it sees, and shows what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import Notice

from . import offered_models, wording
from .button import Button
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

MOST_INPUTS = 4
"""Volumes that the panel offers to choose."""


@dataclass(frozen=True)
class Run:
    """A run that goes on.

    Attributes:
        stage: of the worker.
        fraction: of the whole, 0 to 1.
        secondsLeft: None where little is known.
        cancelling: the person has cancelled it.
        item: which volume of a sequence, and of how many; None: there is one volume.
    """

    stage: str = "start"
    fraction: float = 0.0
    secondsLeft: float | None = None
    cancelling: bool = False
    item: tuple[int, int] | None = None


@dataclass(frozen=True)
class PanelState:
    """All that the panel shows.

    Attributes:
        models: to choose from; None: the worker has not told yet.
        model: the name of the chosen one; it may be gone.
        inputs: for each input of the model, whether a volume is chosen.
        chosen: how many structures are chosen; None: all.
        plan: the worker's, for what is chosen; None: not told.
        planProblem: why there is no plan.
        run: None: none goes on.
        problem: why the worker or the last run failed.
        notices: warnings of the last run, or else of the plan.
        done: what the last run made, in words.
        surfaces: how many surfaces are made, and of how many; None: none are being made.
        items: how many volumes of a sequence are to be segmented; 0: one volume that is of none, or this one alone.
    """

    models: tuple[Offered, ...] | None = None
    model: str = ""
    inputs: tuple[bool, ...] = ()
    chosen: int | None = None
    plan: Mapping[str, Any] | None = None
    planProblem: str = ""
    run: Run | None = None
    problem: str = ""
    notices: tuple[Notice, ...] = ()
    done: str = ""
    surfaces: tuple[int, int] | None = None
    items: int = 0

    @property
    def offered(self) -> Offered | None:
        """The chosen model."""
        return offered_models.modelNamed(self.models or (), self.model)

    def with_(self, **changes: Any) -> PanelState:
        """The state after a change."""
        return replace(self, **changes)


def applyButton(state: PanelState) -> Button:
    """Apply, or Cancel while a run goes on; the tooltip says why it cannot be clicked."""
    if state.run is not None:
        if state.run.cancelling:
            return Button(_("Cancelling ..."), False, _("The run ends within a few seconds."))
        return Button(_("Cancel"), True, _("Ends the run. Nothing of it is kept."))
    reason = reasonNotToRun(state)
    return Button(_("Apply"), not reason, reason or _("Segments the volume with the chosen model."))


def reasonNotToRun(state: PanelState) -> str:
    """What is missing for a run; empty: nothing is."""
    model = state.offered
    if state.models is None:
        return _("The list of models is not there yet.") if not state.problem else state.problem
    if not state.models:
        return _("There is no model on this machine.")
    if model is None:
        return _("Choose a model.")
    if model.problem:
        return _("This model cannot be opened: {problem}").format(problem=model.problem)
    if len(model.inputs) > MOST_INPUTS:
        return _("This model takes {n} volumes; here are at most {most}.").format(n=len(model.inputs), most=MOST_INPUTS)
    missing = [name for name, given in zip(inputNames(model), state.inputs, strict=True) if not given]
    if missing:
        return _("Choose the volume: {names}.").format(names=", ".join(missing))
    if state.chosen == 0:
        return _("Choose at least one structure.")
    return ""


def inputNames(model: Offered | None) -> tuple[str, ...]:
    """What the selectors of volumes are called: one, ``Volume``, where the model takes one or is not known."""
    if model is None or len(model.inputs) < 2:
        return (_("Volume"),)
    return tuple(given.name for given in model.inputs[:MOST_INPUTS])


def looksAroundPoints(model: Offered | None) -> bool:
    """The model was trained on crops: points are chosen for it, and no region."""
    return model is not None and bool(model.crops)


def planLine(state: PanelState) -> str:
    """What stands above Apply: what the run will need, or why there can be none."""
    if state.models is None:
        return ""
    if reason := reasonNotToRun(state):
        return reason
    if state.planProblem:
        return state.planProblem
    if state.plan is None:
        return _("Looking what the run will need ...")
    plan = wording.plan(state.plan)
    return _("{plan}; for each of {n} volumes").format(plan=plan, n=state.items) if state.items else plan


def statusLine(state: PanelState) -> str:
    """What stands below Apply: how far the run is, or how it ended."""
    if state.run is not None:
        stage = wording.progress(state.run.stage, state.run.secondsLeft)
        if state.run.item is None:
            return stage
        return _("Volume {n} of {count}: {stage}").format(n=state.run.item[0], count=state.run.item[1], stage=stage)
    if state.problem:
        return state.problem
    if state.models is None:
        return wording.progress("start", None)
    if state.surfaces is not None:
        return _("Surfaces: {done} of {count}").format(done=state.surfaces[0], count=state.surfaces[1])
    return state.done


def warningLines(state: PanelState) -> tuple[str, ...]:
    """Warnings in words: those of the run or plan, and what the plan's memory lacks."""
    lacks = wording.memory_lacks(state.plan) if state.plan is not None and state.run is None else ""
    return (*([lacks] if lacks else []), *(notice.message for notice in state.notices))
