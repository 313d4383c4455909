"""``meddl train``: annotated scans in, a network out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from ..atomic import check_place, private_folder
from ..errors import Code, Exit, MedDLError
from ..spec_rules import plain_name
from ..text import printable
from .processes import in_processes
from .settings import FilePath, machine_options
from .telling import Teller
from .training_data import DataRequest, data_options

if TYPE_CHECKING:
    from MedDLTraining.data import DataSet
    from MedDLTraining.events import Epoch, Step
    from MedDLTraining.plan import Plan

_STAGES = {
    "files": "Looking through the files",
    "labels": "Reading label maps",
    "cases": "Checking",
    "plan": "Planning",
    "prepare": "Preparing cases",
    "train": "Training",
}


PLANNED = ("minutes", "memory", "name", "start", "fixed", "network", "interactive", "folds", "fold", "crops", "seed")
"""Options that a plan holds the answers to."""


def _fold(_: click.Context, __: click.Parameter, text: str) -> int | None:
    """None: all of them."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise click.BadParameter("give a number from 0, or all")
    return int(text)


@click.command()
@data_options
@click.option("--out", "-o", required=True, type=FilePath(file_okay=False), help="Folder of the training.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="The training is planned to end in these.")
@click.option("--memory", type=click.FloatRange(min=0, min_open=True), default=4.0, show_default=True, help="GB.")
@click.option("--plan", "plan_file", type=FilePath(dir_okay=False), help="Follow this plan, in place of making one.")
@click.option("--only-plan", is_flag=True, help="Write plan.json into the folder, to be read and edited; no training.")
@click.option("--resume", is_flag=True, help="Go on with the training in the folder.")
@click.option("--finish", is_flag=True, help="With --resume: learn no further; the model is the best so far.")
@click.option("--name", help="Of the model; the folder's name by default.")
@click.option("--from", "start", metavar="NAME_OR_PATH", help="Begin with this model's weights, on its grid.")
@click.option(
    "--fixed",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="With --from: the part of its weights, counted from the input, that stays. 1: only a new last layer learns.",
)
@click.option("--network", default="", metavar="NAME", help="Of MONAI, in place of the one that is planned.")
@click.option(
    "--interactive",
    is_flag=True,
    help="It learns to listen to clicks, too: without one, it segments on its own; each click corrects the result.",
)
@click.option(
    "--folds",
    type=click.IntRange(0),
    help="Parts of which one is held out. By default those that --split names for training and validation, or 5.",
)
@click.option("--fold", metavar="NUMBER|all", callback=_fold, default="0", show_default=True, help="Which one, from 0.")
@click.option(
    "--crops/--whole-scans",
    "crops",
    default=None,
    help="What FOLDER holds: crops around what is to be found, or whole scans. By their size, if not said.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--preview", type=FilePath(dir_okay=False), help="Draw how one case is varied (.png).")
@machine_options
@in_processes
def train(
    request: DataRequest,
    out: Path,
    minutes: float | None,
    memory: float,
    plan_file: Path | None,
    only_plan: bool,
    resume: bool,
    finish: bool,
    name: str | None,
    start: str | None,
    fixed: float,
    network: str,
    interactive: bool,
    folds: int | None,
    fold: int | None,
    crops: bool | None,
    seed: int,
    preview: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> int:
    """Train a network on annotated scans.

    FOLDER is what meddl check takes, and is checked first: with an error in it, no training begins. The result is a
    model: meddl segment SCAN --model OUT/model. With --fold all a network is trained for each fold, within the minutes
    all together, and the model is the ensemble.

    With --processes 2, two graphics cards train one network together. Several machines do where torchrun starts this on
    each: torchrun --nnodes 2 --nproc-per-node 4 ... -m MedDLCore.cli train FOLDER ...
    """
    import SimpleITK as sitk

    from MedDLTraining.cases import divisions, named_folds
    from MedDLTraining.cross_validation import cross_validate
    from MedDLTraining.data.learnt import learnt_all
    from MedDLTraining.events import Control
    from MedDLTraining.launching import together
    from MedDLTraining.plan import Budget, read_plan
    from MedDLTraining.training import PLAN, keep_plan, plan_training
    from MedDLTraining.training import train as run

    from ..inference import choose_device
    from ..inference.devices import usable_cores

    if finish and (not resume or fold is None):
        raise click.UsageError("--finish goes with --resume, and with one fold.")
    if plan_file is not None:
        _check_nothing_planned(click.get_current_context(), fold)
    control = Control()
    control.enough = finish
    with _Teller(as_json, _STAGES) as teller:
        check_place(out)
        data_set = request.open(teller.stage)
        chosen = choose_device(device, threads).name
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads or usable_cores())
        begun = out / PLAN if fold is not None else out / "fold_0" / PLAN
        if resume and begun.is_file():
            plan = read_plan(plan_file or begun)
            if interactive and plan.listening is None:
                raise MedDLError(
                    Code.PLAN_INVALID,
                    "The training that is gone on with does not listen to clicks.",
                    "Leave --interactive away, or begin another training: --from takes this one's model.",
                )
        else:
            facts = _checked(data_set, teller)
            if plan_file is not None:
                plan = read_plan(plan_file)
            elif minutes is None:
                raise click.UsageError("Give --minutes, or a plan with --plan.")
            else:
                folds = folds if folds is not None else 0 if named_folds(data_set) else 5
                share = minutes / max(divisions(data_set, folds), 1) if fold is None else minutes
                budget = Budget(share, round(memory * 1e9), chosen, together())
                model_name = plain_name(name or out.name, "model")
                teller.stage("plan", 0, 1)
                plan = plan_training(
                    facts,
                    data_set,
                    budget,
                    model_name,
                    start,
                    fixed,
                    folds,
                    fold or 0,
                    seed,
                    crops,
                    network,
                    interactive,
                )
                teller.stage("plan", 1, 1)
        teller.plan(plan)
        if preview is not None:
            _draw(data_set, plan, preview)
        if only_plan:
            keep_plan(plan, out)
            teller.result(f"Written: {out / PLAN}", plan=str(out / PLAN))
            return int(Exit.OK)
        if fold is None:
            trained = cross_validate(data_set, plan, out, chosen, resume, teller.event_of_fold, teller.prepared)
        else:
            trained = run(data_set, plan, out, chosen, resume, teller.event, teller.prepared, control)
        teller.notices(trained.notices)
        if trained.package is None:
            return int(Exit.CANCELLED)
        kind = "cases that it has learnt from" if learnt_all(trained.package.spec.measured) else "validation cases"
        at = "" if plan.crops is None else " --at R,A,S"
        text = "\n".join(
            [
                f"Dice on the {kind}:",
                *(f"  {label}  {value:.3f}" for label, value in trained.dice.items()),
                f"The model: {trained.package.folder}",
                f"To use it: meddl segment SCAN --model {trained.package.folder} --out FOLDER{at}",
            ]
        )
        teller.result(text, model=str(trained.package.folder), dice=trained.dice)
    return int(Exit.OK)


def _check_nothing_planned(context: click.Context, fold: int | None) -> None:
    """Refuses options that a plan would be followed in spite of."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in PLANNED or (name == "fold" and fold is None):
            continue
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} and --plan: the plan says it. Edit a copy, or leave one away.")


def _checked(data_set: DataSet, teller: _Teller) -> Any:
    """The facts of every case. With an error in the data, no training begins; warnings are told."""
    from MedDLTraining import check as checking

    report = checking.check(data_set, None, lambda done, of: teller.stage("cases", done, of))
    report.refuse_errors()
    warnings = report.of(checking.Severity.WARNING)
    for finding in warnings:
        teller.line("warning", code=finding.fault.value, message=finding.message)
    if warnings:
        counted = Counter(finding.fault.value for finding in warnings)
        kinds = ", ".join(kind if count == 1 else f"{kind} ({count})" for kind, count in counted.items())
        text = f"The check found {kinds}. What that does, and what to do: meddl check FOLDER."
        teller.say(f"[yellow]Warning[/yellow] {escape(text)}")
    return report.facts


def _draw(data_set: DataSet, plan: Plan, path: Path) -> None:
    """The contact sheet of the first case."""
    from MedDLTraining.cases import prepare_cases
    from MedDLTraining.loop.preview import contact_sheet

    with private_folder() as folder:
        (case,) = prepare_cases(data_set.ordered_as(plan.labels), plan.spec, folder, data_set.cases[:1])
        contact_sheet(case, plan, path)


class _Teller(Teller):
    """Tells of a training."""

    _fold: int | None = None

    def prepared(self, done: int, of: int) -> None:
        """How many cases are prepared."""
        self.stage("prepare", done, of)

    def plan(self, plan: Plan) -> None:
        """What will be done, in a few words."""
        patch = "x".join(map(str, plan.patch))
        mm = "x".join(f"{v:g}" for v in plan.grid.spacing or ()) or "the scan's own"
        text = f"{plan.network.name}, patch {patch}, spacing {mm} mm, {plan.epochs} epochs of {plan.iterations}."
        crops = None if plan.crops is None else list(plan.crops.extent)
        if crops is not None:
            text += f"\nThe scans are crops of about {plan.crops}: in larger ones the model will need --at."
        self.say(escape(text))
        self.line("plan", patch=list(plan.patch), epochs=plan.epochs, iterations=plan.iterations, crops=crops)

    def event(self, event: Step | Epoch) -> None:
        """An iteration, or an epoch."""
        from MedDLTraining.events import Step

        if isinstance(event, Step):
            done = (event.epoch - 1) * event.iterations + event.iteration
            self.stage("train", done, event.epochs * event.iterations, event.seconds_left)
            return
        self.line("epoch", **asdict(event))
        dice = "  ".join(f"{printable(label)} {value:.3f}" for label, value in event.dice.items())
        text = f"epoch {event.epoch} of {event.epochs}: loss {event.loss:.3f}" + (f", Dice {dice}" if dice else "")
        self.say(escape(text))

    def event_of_fold(self, fold: int, event: Step | Epoch) -> None:
        """The same, of one of several trainings."""
        if self._fold != fold:
            self._fold = fold
            self.line("fold", fold=fold)
            self.say(f"fold {fold}")
        self.event(event)
