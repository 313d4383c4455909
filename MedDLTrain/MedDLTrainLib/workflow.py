"""What a person's clicks lead to: requests to the child process, and what comes back. No Qt, no scene.

check -> plan -> (preview) -> train -> report -> publish, use
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker.messages import Event
from MedDLSegmentLib.translation import _
from MedDLTraining.data import Assignment
from MedDLTraining.service import Data
from MedDLTraining.service.jobs import (
    CheckJob,
    CollectJob,
    EvaluateJob,
    PlanJob,
    PreviewJob,
    PublishJob,
    ShowJob,
    TrainJob,
    UseJob,
)

from . import label_rows
from .case_inputs import channelsOf
from .earlier import earlierIn
from .named_inputs import inputsNamedIn
from .remedies import said
from .train_state import DATABASE, FOLDER, SCENE, TrainState, Work

COLLECTED, REPORT = "data", "report"
"""In the folder of a training: the scans of a scene, the report."""

Epochs = tuple[Mapping[str, Any], ...]


class Session(Protocol):
    """The child process, as the workflow needs it."""

    def ask(self, kind: str, job: Any, onEvent: Callable[[Event], None]) -> object:
        """Asks for something; ``job`` is a dataclass, or None."""
        ...

    def cancel(self, request: object) -> None:
        """Ends it early."""
        ...

    @property
    def folder(self) -> Path:
        """The private folder, for voxels."""
        ...


class Parameters(Protocol):
    """What a person has chosen: see ``parameters.MedDLTrainParameterNode``."""

    source: str
    dataFolder: str
    channels: str
    caseInputs: str
    trainingFolder: str
    labelTable: str
    leftOut: list[str]
    minutes: int
    memory: int
    interactive: bool
    device: str
    threads: int
    folds: int
    allFolds: bool
    network: str
    start: str
    seed: int
    planFile: str
    onlyHeldOut: bool
    licence: str
    authors: str
    intendedUse: str
    limits: str
    dataSource: str
    replace: bool


class Workflow:
    """One thing at a time.

    Attributes:
        state: what is shown.
        epochs: of the training that goes on, or was last.
        trainedPlan: its plan, as plain data.
    """

    def __init__(self, session: Session, onChange: Callable[[], None]) -> None:
        """``onChange``: told that the state is another."""
        self._session, self._onChange = session, onChange
        self._parameters: Parameters | None = None
        self._request: object = None
        self._planJob: PlanJob | None = None
        self._collected = ""
        self._collectedAs = ("", "")  # the inputs of the cases, as they were chosen then
        self._names: Mapping[str, str] = {}  # of a scene's scans, which are collected under pseudonyms
        self.state = TrainState()
        self.epochs: Epochs = ()
        self.trainedPlan: Mapping[str, Any] | None = None

    def setParameters(self, parameters: Parameters | None) -> None:
        """Another scene, with other choices; what goes on goes on."""
        self._parameters = parameters
        self._collected = ""
        self._update(check=None, checkedData=None, cases=(), plan=None, picture="", report=None)

    def look(self, scans: int = 0, database: str = "", incomplete: str = "") -> None:
        """What is chosen, and what lies in the training's folder.

        Args:
            scans: annotated ones, in the scene.
            database: the folder of Slicer's DICOM database.
            incomplete: why a case of the scene has not all its inputs; empty: all have.
        """
        chosen = self._parameters
        if chosen is None:
            self._update(hasCases=False, namedInputs=None, trainingFolder="", data=None, leftOut=())
            return
        collected = self._collected if self._collectedAs == (chosen.channels, chosen.caseInputs) else ""
        folder = {SCENE: collected, DATABASE: database}.get(chosen.source, chosen.dataFolder)
        named = inputsNamedIn(chosen.dataFolder) if chosen.source == FOLDER else None
        data = None
        if folder:
            saysItsOwn = chosen.source == SCENE or named is not None  # a collected set does
            channels = () if saysItsOwn else channelsOf(chosen.channels)
            data = Data(folder, label_rows.fromText(chosen.labelTable), tuple(sorted(chosen.leftOut)), channels)
        if _place(data) != _place(self.state.data):
            self._update(check=None, checkedData=None, cases=(), report=None, plan=None, picture="")
        elif data != self.state.data:
            self._update(plan=None, picture="")
        if chosen.trainingFolder != self.state.trainingFolder:
            self._update(report=None, published="", problem="", done="", notices=())
        hasCases = scans > 0 if chosen.source == SCENE else bool(folder)
        self._update(
            source=chosen.source,
            hasCases=hasCases,
            namedInputs=named,
            incomplete=incomplete if chosen.source == SCENE else "",
            trainingFolder=chosen.trainingFolder,
            data=data,
            leftOut=tuple(sorted(chosen.leftOut)),
        )
        if self.state.plan is not None and self._planJob is not None and self._planJob != self._wantedPlan():
            self._update(plan=None, picture="")
        if self.state.work is None:
            self._update(earlier=earlierIn(chosen.trainingFolder))

    def check(self) -> None:
        """Opens and checks the data set."""
        self._ask("check", CheckJob(self._data()), self._checked)

    def handingOver(self, done: int, of: int) -> None:
        """Scans of the scene are on their way; this is work, too."""
        self._update(work=Work("handover", "handover", done / max(of, 1)), problem="", done="", notices=())

    def handingOverEnded(self) -> None:
        """A person has ended it, or the scene was closed."""
        if self.state.work is not None and self.state.work.kind == "handover":
            self._update(work=None)

    def refused(self, error: MedDLError) -> None:
        """What a click asked for cannot be done."""
        self._update(work=None, problem=said(error))

    def collect(self, names: tuple[str, ...], scans: tuple[Any, ...], drawn: tuple[Any, ...]) -> None:
        """The scans of the scene were given, of each case one for each channel: they become a data set."""
        chosen = self._chosen()
        self._collectedAs = chosen.channels, chosen.caseInputs
        folder = str(Path(chosen.trainingFolder) / COLLECTED)
        job = CollectJob(names, scans, drawn, folder, channelsOf(chosen.channels))
        self._ask("collect", job, self._collectedAll)

    def plan(self) -> None:
        """Plans the training."""
        self._planJob = job = self._wantedPlan()
        self._ask("plan", job, lambda told: self._update(plan=told))

    def preview(self, case: str, onShown: Callable[[Mapping[str, Any]], None]) -> None:
        """Shows how a case is varied."""

        def shown(told: Mapping[str, Any]) -> None:
            self._update(picture=str(self._session.folder / told["picture"]))
            onShown(told)

        if self.state.plan is not None:
            self._ask("preview", PreviewJob(self._data(), self.state.plan["plan"], case), shown)

    def train(self) -> None:
        """Begins, or goes on with what the folder holds."""
        chosen, earlier = self._chosen(), self.state.earlier
        if earlier is not None and earlier.canResume and earlier.data is not None and earlier.plan is not None:
            data, plan, allFolds = earlier.data, earlier.plan, earlier.allFolds
        elif self.state.plan is not None:
            data, plan, allFolds = self._data(), self.state.plan["plan"], chosen.allFolds
        else:
            return
        self.epochs, self.trainedPlan = (), plan
        folder = chosen.trainingFolder
        job = TrainJob(data, plan, folder, chosen.device, chosen.threads or None, earlier is not None, allFolds)
        self._ask("train", job, lambda told: self._trained(told, folder))
        self._work(epoch=earlier.epoch if earlier is not None else 0, epochs=self._epochsOf(plan, allFolds))

    def pause(self) -> None:
        """Holds the training, or lets it go on."""
        work = self.state.work
        if work is not None and work.kind == "train":
            self._session.ask("go_on" if work.paused else "pause", None, lambda _event: None)
            self._work(paused=not work.paused)

    def cancel(self) -> None:
        """Ends what goes on: a training can be resumed."""
        if self.state.work is not None and self._request is not None and not self.state.work.stopping:
            self._work(stopping=True, paused=False)
            self._session.cancel(self._request)

    def evaluate(self) -> None:
        """Makes the report."""
        chosen = self._chosen()
        job = EvaluateJob(
            self._dataOfTraining(),
            chosen.trainingFolder,
            str(Path(chosen.trainingFolder) / REPORT),
            chosen.onlyHeldOut,
            chosen.device,
            chosen.threads or None,
        )
        self._ask("evaluate", job, self._reported)

    def show(self, case: str, withModel: bool, onShown: Callable[[Mapping[str, Any]], None]) -> None:
        """Gets the voxels of a case; ``withModel``: and what the trained model finds in it."""
        chosen = self._chosen()
        model = str(Path(chosen.trainingFolder) / "model") if withModel else ""
        data = self._dataOfTraining() if withModel else self._data()
        self._ask("show", ShowJob(data, case, model, chosen.device, chosen.threads or None), onShown)

    def publish(self) -> None:
        """Makes a bundle of the model."""
        chosen = self._chosen()
        folder = Path(chosen.trainingFolder)
        report = folder / REPORT
        said = {
            "licence": chosen.licence,
            "authors": chosen.authors,
            "intended_use": chosen.intendedUse,
            "limits": chosen.limits,
            "data_source": chosen.dataSource,
        }
        judged = str(report) if self.state.report is not None else ""
        out = str(folder / f"{self.state.earlier.name if self.state.earlier else 'model'}.zip")
        self._ask("publish", PublishJob(chosen.trainingFolder, out, said, judged, chosen.replace), self._published)

    def use(self, onAdded: Callable[[str], None]) -> None:
        """Adds the model to those of this machine; what was published, if it was."""
        chosen = self._chosen()
        model = self.state.published or str(Path(chosen.trainingFolder) / "model")

        def added(told: Mapping[str, Any]) -> None:
            self._update(done=_("{name} is among the models of this machine.").format(name=told["name"]))
            onAdded(told["name"])

        self._ask("use", UseJob(model, chosen.replace), added)

    def labelRows(self) -> tuple[Assignment, ...]:
        """The table of labels: as it was changed, or else as the check proposes it."""
        changed = label_rows.fromText(self._parameters.labelTable) if self._parameters is not None else ()
        return changed or label_rows.rowsOf(self.state.check)

    def setLabel(self, n: int, label: str) -> None:
        """Another label for the nth segment of the table."""
        self._chosen().labelTable = label_rows.toText(label_rows.changed(self.labelRows(), n, label))

    def _data(self) -> Data:
        if self.state.data is None:
            raise MedDLError(Code.FILE_NOT_FOUND, _("No cases are chosen."))
        return self.state.data

    def _wantedPlan(self) -> PlanJob:
        chosen = self._chosen()
        return PlanJob(
            self._data(),
            Path(chosen.trainingFolder).name,
            float(chosen.minutes),
            chosen.memory * 10**9,
            chosen.device,
            chosen.threads or None,
            chosen.start,
            folds=chosen.folds,
            all_folds=chosen.allFolds,
            seed=chosen.seed,
            network=chosen.network,
            interactive=chosen.interactive,
            file=chosen.planFile,
        )

    def _dataOfTraining(self) -> Data:
        earlier = self.state.earlier
        return earlier.data if earlier is not None and earlier.data is not None else self._data()

    def _chosen(self) -> Parameters:
        if self._parameters is None:
            raise MedDLError(Code.CANCELLED, _("The scene was closed."))
        return self._parameters

    def _ask(self, kind: str, job: Any, onResult: Callable[[Mapping[str, Any]], None]) -> None:
        self._update(work=Work(kind, "start"), problem="", done="", notices=())

        def tell(event: Event) -> None:
            if event.kind == "progress":
                self._progress(event.data)
            elif event.kind == "epoch":
                self._epoch(event.data)
            elif event.kind == "warning":
                self._update(notices=tuple(dict.fromkeys((*self.state.notices, event.notice))))
            elif event.kind == "error":
                self._ended(event.error)
            elif event.kind == "result":
                self._request = None
                self._update(work=None)
                onResult(event.data)

        self._request = self._session.ask(kind, job, tell)

    def _progress(self, data: Mapping[str, Any]) -> None:
        if self.state.work is None or self.state.work.stopping or data["stage"] == "paused":
            return
        known = {"stage": data["stage"], "fraction": data["fraction"], "secondsLeft": data["seconds_left"]}
        self._work(**known)

    def _epoch(self, data: Mapping[str, Any]) -> None:
        self.epochs += (data,)
        self._work(epoch=min(len(self.epochs) + 1, self.state.work.epochs if self.state.work else 0))

    def _ended(self, error: MedDLError) -> None:
        self._request = None
        stopped = error.code is Code.CANCELLED
        self._update(work=None, problem="" if stopped else said(error))
        if self._parameters is not None:
            self._update(earlier=earlierIn(self._parameters.trainingFolder))

    def _checked(self, told: Mapping[str, Any]) -> None:
        names = self._names if self.state.source == SCENE else {}
        told = {**told, "cases": [{**case, "name": names.get(case["name"], case["name"])} for case in told["cases"]]}
        found = {case["id"]: (case["id"], case["name"], "") for case in told["cases"]}
        found |= {item["id"]: (item["id"], item["name"], item["message"]) for item in told["unusable"]}
        left = {case[0]: case for case in self.state.cases if case[0] in self.state.leftOut}
        cases = tuple(sorted((left | found).values()))
        self._update(check=told, checkedData=self.state.data, cases=cases, plan=None, picture="")

    def _collectedAll(self, told: Mapping[str, Any]) -> None:
        self._collected = told["folder"]
        self._names = told["names"]
        self.look(len(told["names"]))
        self.check()

    def _trained(self, told: Mapping[str, Any], folder: str) -> None:
        """Done, or stopped. The scene in which it was begun may be closed."""
        done = "" if told["model"] is None else _diceLine(told["dice"])
        self._update(earlier=earlierIn(folder), done=done)

    def _reported(self, told: Mapping[str, Any]) -> None:
        done = _("The report: {path}").format(path=told["report"])
        if told["failed"]:
            done += "\n" + _("Cases that could not be judged: {n}.").format(n=len(told["failed"]))
        self._update(report=told, done=done)

    def _published(self, told: Mapping[str, Any]) -> None:
        self._update(published=told["path"], done=_("Published: {path}").format(path=told["path"]))

    @staticmethod
    def _epochsOf(plan: Mapping[str, Any], allFolds: bool) -> int:
        return int(plan["epochs"]) * (int(plan["folds"]) if allFolds else 1)

    def _work(self, **changes: Any) -> None:
        if self.state.work is not None:
            self._update(work=replace(self.state.work, **changes))

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        self._onChange()


def _place(data: Data | None) -> tuple[Any, ...]:
    """Where the cases are, and what each of them is made of."""
    return () if data is None else (data.folder, data.channels)


def _diceLine(dice: Mapping[str, float | None]) -> str:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in dice.items() if value is not None)
    return _("Trained. Dice on the validation cases: {figures}").format(figures=figures)
