"""What was checked, planned, trained and judged, in words and in rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from MedDLSegmentLib.translation import _
from MedDLSegmentLib.wording import duration, size

from .train_state import TrainState, Work

NOT_KNOWN = "-"

SCORES = ("dice", "hd95", "surface_dice")
"""The columns of the report's first table; ``report.html`` has all."""

WITH_INTERVAL = {"dice", "hd95"}


def severity(name: str) -> str:
    """How bad a finding is."""
    return {"error": _("Error"), "warning": _("Warning"), "note": _("Note")}.get(name, name)


def inputsLine(state: TrainState) -> str:
    """What the folder calls the inputs of a case, in place of the field for them; empty: a person may name them."""
    if state.namedInputs is None:
        return ""
    if not state.namedInputs:
        return _("Inputs of a case: as the dataset.json in the folder says.")
    names = ", ".join(state.namedInputs)
    return _("Inputs of a case: {names}, as the dataset.json in the folder says.").format(names=names)


def findingRows(check: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Of each finding: how bad it is, which cases, what was found."""
    if check is None:
        return []
    names = {case["id"]: case["name"] for case in (*check["cases"], *check["unusable"])}
    return [
        (severity(finding["severity"]), _cases([names.get(key, key) for key in finding["cases"]]), finding["message"])
        for finding in check["findings"]
    ]


def findingDetail(finding: Mapping[str, Any]) -> str:
    """What it does to the training, and what to do."""
    return _("{consequence}\nWhat to do: {remedy}").format(
        consequence=finding["consequence"], remedy=_inThisWindow(finding["remedy"])
    )


def checkSummary(state: TrainState) -> str:
    """``Cases: 10, labels: 3. Errors: 1, warnings: 2, notes: 0.``"""
    if state.check is None:
        return ""
    if not state.isChecked:
        return _("Something was changed since the check: check again.")
    counts = [sum(one["severity"] == kind for one in state.check["findings"]) for kind in ("error", "warning", "note")]
    head = _("Cases: {cases}, labels: {labels}.").format(
        cases=len(state.check["cases"]), labels=len(state.check["labels"])
    )
    if not any(counts):
        return _("{head} Nothing was found that would spoil the training.").format(head=head)
    found = _("Errors: {errors}, warnings: {warnings}, notes: {notes}.").format(
        errors=counts[0], warnings=counts[1], notes=counts[2]
    )
    return f"{head} {found}"


def planSummary(planned: Mapping[str, Any] | None) -> str:
    """The plan in a few lines."""
    if planned is None:
        return ""
    plan = planned["plan"]
    spacing = plan["grid"]["spacing"]
    lines = [
        _("Network: {name}, patches of {patch} voxels at {spacing} mm, {batch} in each iteration.").format(
            name=plan["network"]["name"],
            patch=" x ".join(map(str, plan["inference"]["patch"])),
            spacing=" x ".join(f"{mm:.3g}" for mm in spacing) if spacing else _("the scan's own"),
            batch=plan["batch"],
        ),
        _(
            "Learns from {training} cases and is watched on {validation} others, for {epochs} epochs of {n} iterations."
        ).format(
            training=planned["training"],
            validation=planned["validation"],
            epochs=plan["epochs"],
            n=plan["iterations"],
        ),
        _("Takes {memory} of memory.").format(memory=size(planned["memory"]))
        if planned["minutes"] is None
        else _("Ends within {time}; takes {memory} of memory.").format(
            time=duration(60 * planned["minutes"]), memory=size(planned["memory"])
        ),
    ]
    if plan["listening"] is not None:
        lines.append(_("It listens to clicks, too: the model segments on its own, and each click corrects the result."))
    if plan["crops"] is not None:
        lines.append(_("The scans are crops: in larger ones the model will ask for a point to look around."))
    return "\n".join(lines)


def workLine(work: Work) -> str:
    """How far it is."""
    if work.stopping:
        return _("Ending ...")
    if work.paused:
        return _("Paused after epoch {epoch} of {epochs}.").format(epoch=work.epoch, epochs=work.epochs)
    text = _stage(work.stage or work.kind)
    if work.stage == "train" and work.epochs:
        text = _("Training, epoch {epoch} of {epochs}").format(epoch=work.epoch, epochs=work.epochs)
    if work.secondsLeft is None:
        return _("{stage} ...").format(stage=text)
    return _("{stage}, about {time} left").format(stage=text, time=duration(work.secondsLeft))


def statusLine(state: TrainState) -> str:
    """What stands below the buttons of the training."""
    if state.work is not None:
        return workLine(state.work)
    if state.problem:
        return state.problem
    if state.done:
        return state.done
    earlier = state.earlier
    if earlier is None:
        return ""
    if earlier.problem:
        return earlier.problem
    if earlier.isDone:
        return _("The folder holds the trained model {name}.").format(name=earlier.name)
    if earlier.data is None:
        return _("The folder holds a training that was begun by another program; go on with it there.")
    return _("The training {name} was not finished: {epoch} of {epochs} epochs are done. Resume goes on.").format(
        name=earlier.name, epoch=earlier.epoch, epochs=earlier.epochs
    )


def closingLine(state: TrainState) -> str:
    """What happens to a training when Slicer is closed: said while one goes on."""
    if state.work is None or state.work.kind != "train":
        return ""
    return _("Slicer can be closed at any time: the training ends, keeps its last epoch, and Resume goes on here.")


def reportRows(report: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    """Of each structure, and of all: the mean of each of ``SCORES``, with its 95 % confidence interval."""
    if report is None:
        return []
    named = [*((one["name"], one["scores"]) for one in report["structures"]), (_("Mean"), report["mean"])]
    return [
        (name, *(_interval(its[key]) if key in WITH_INTERVAL else _number(its[key]["mean"]) for key in SCORES))
        for name, its in named
    ]


def reportHeader() -> tuple[str, ...]:
    """Its columns."""
    return (_("Structure"), _("Dice"), _("HD95 [mm]"), _("Surface Dice"))


def caseRows(report: Mapping[str, Any] | None, names: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Of each judged case, the worst first: name, mean Dice, and the Dice of each structure."""
    if report is None:
        return []
    structures = [one["name"] for one in report["structures"]]
    return [
        (
            names.get(case["case"], case["case"]),
            _number(case["dice"]),
            *(_number(case["scores"].get(name, {}).get("dice")) for name in structures),
        )
        for case in report["cases"]
    ]


def caseHeader(report: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Its columns."""
    structures = () if report is None else tuple(one["name"] for one in report["structures"])
    return (_("Case"), _("Mean Dice"), *structures)


def _stage(name: str) -> str:
    words = {
        "start": _("Starting"),
        "handover": _("Handing over the scans"),
        "collect": _("Collecting the scans"),
        "files": _("Looking through the files"),
        "labels": _("Reading label maps"),
        "check": _("Checking"),
        "cases": _("Checking"),
        "plan": _("Planning"),
        "preview": _("Drawing"),
        "prepare": _("Preparing cases"),
        "train": _("Training"),
        "evaluate": _("Judging"),
        "network": _("Running the network"),
        "finish": _("Finishing the labels"),
        "show": _("Opening the case"),
        "publish": _("Publishing"),
        "use": _("Adding the model"),
    }
    return words.get(name, name)


def _cases(names: Sequence[str]) -> str:
    if not names:
        return _("all")
    return names[0] if len(names) == 1 else _("{name} and {n} more").format(name=names[0], n=len(names) - 1)


def _interval(its: Mapping[str, Any]) -> str:
    if its["mean"] is None:
        return NOT_KNOWN
    if its["low"] is None:
        return _number(its["mean"])
    return f"{_number(its['mean'])} [{_number(its['low'])}, {_number(its['high'])}]"


def _number(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _inThisWindow(remedy: str) -> str:
    """Remedies are written for the command line; here, what they name is in the panel."""
    for option, words in (
        ("leave it out with --leave-out NAME", _("untick it in the list of cases")),
        ("leave the case out with --leave-out NAME", _("untick it in the list of cases")),
        ("Leave one out with --leave-out NAME", _("Untick one in the list of cases")),
        ("say so with --patient '^([^/]+)/'", _("keep one of its cases, and untick the others")),
        ("with --labels FILE", _("in the table of labels")),
        ("--write-labels FILE, edit the names, --labels FILE", _("edit them in the table of labels")),
        ("--write-labels FILE, edit, --labels FILE", _("edit the table of labels")),
    ):
        remedy = remedy.replace(option, words)
    return remedy
