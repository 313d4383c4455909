"""Where what is judged comes from: a model that is run on each case, or files that another program has written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from MedDLCore.clock import OnProgress
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.models import ModelPackage
from MedDLCore.pipeline import Model, segment
from MedDLCore.spec import Channel
from MedDLCore.volume import Label, LabelMap, Volume

from ..data import Case, Loaded, Segment, TruthSource, propose
from ..data.composing import compose
from ..data.files import (
    SEG_NRRD,
    LabelFile,
    SegNrrdFile,
    content_of,
    segments_beside,
    segments_of_seg_file,
    stem_of,
    suffix_of,
)
from ..data.nnunet import segments_described
from .reliability import Reliability, Tally, why_not
from .structures import Structure


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was found in one case.

    Attributes:
        label_map: on the case's grid.
        reliability: of the network's probabilities, by structure; empty where they are not known.
        notices: what the person should know.
    """

    label_map: LabelMap
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


class Predictions(Protocol):
    """Finds structures in cases.

    Attributes:
        labels: all that it can find.
        package: the model; None: files.
        uncalibrated: why there are no probabilities to judge; None: there are.
    """

    @property
    def labels(self) -> tuple[Label, ...]: ...  # noqa: D102 - above

    @property
    def package(self) -> ModelPackage | None: ...  # noqa: D102

    @property
    def uncalibrated(self) -> str | None: ...  # noqa: D102

    def identity(self, case: Case) -> str:
        """Equal only where the same would be found again in the same scan."""
        ...

    def of(
        self, case: Case, loaded: Loaded, structures: Sequence[Structure], on_progress: OnProgress | None = None
    ) -> Prediction:
        """Finds what it can in a case.

        Raises:
            MedDLError: what refuses the case.
        """
        ...


class ModelPredictions:
    """A model, run as ``meddl segment`` runs it."""

    def __init__(self, model: Model, channels: Sequence[Channel]) -> None:
        """Takes a model from ``pipeline.load``, and the data set's channels.

        Raises:
            MedDLError: CHANNELS_MISMATCH.
        """
        self._model = model
        self._order = _order(model, channels)
        alone = not model.parts and not model.package.trusted
        self.uncalibrated = why_not(model.spec, alone)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The model's."""
        return self._model.spec.labels

    @property
    def package(self) -> ModelPackage | None:
        """The model's."""
        return self._model.package

    def identity(self, case: Case) -> str:  # noqa: ARG002
        """The model's digest."""
        return self._model.package.sha256

    def of(
        self,
        case: Case,  # noqa: ARG002
        loaded: Loaded,
        structures: Sequence[Structure],
        on_progress: OnProgress | None = None,
    ) -> Prediction:
        """Runs the model. See ``Predictions``."""
        volumes = [loaded.volumes[n] for n in self._order]
        if self.uncalibrated is not None:
            found = segment(volumes, self._model, on_progress=on_progress)
            return Prediction(found.label_map, {}, found.notices)
        tally = Tally(loaded.truth, structures, self._model.spec)
        found = segment(volumes, self._model, on_progress=on_progress, on_slab=tally)
        return Prediction(found.label_map, tally.reliability, found.notices)


def _order(model: Model, channels: Sequence[Channel]) -> list[int]:
    """The data set's channel for each of the model's: by name where all names agree, else in their order."""
    wanted, offered = ([channel.name.casefold() for channel in its] for its in (model.spec.channels, channels))
    if len(wanted) != len(offered):
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"The model {model.spec.name} takes {len(wanted)} volume(s), a case of the data set has {len(offered)}.",
        )
    return [offered.index(name) for name in wanted] if sorted(wanted) == sorted(offered) else list(range(len(wanted)))


class FilePredictions:
    """Segmentations in a folder, called as their cases: ``CASE.nii.gz``, ``CASE_anything.seg.nrrd``."""

    package = None
    uncalibrated = "files hold labels, not probabilities"

    def __init__(self, folder: Path, cases: Sequence[Case]) -> None:
        """Finds the file of each case, and what its structures are called.

        Raises:
            MedDLError: FILE_NOT_FOUND; NO_IMAGES where no case has a file; where none of them can be read, why the
                first cannot: DATA_INVALID for values without names, PAIR_AMBIGUOUS.
        """
        if not folder.is_dir():
            raise MedDLError(Code.FILE_NOT_FOUND, f"There is no folder {folder.name}.")
        files = [path for path in sorted(folder.rglob("*")) if suffix_of(path)]
        described = segments_described(folder)
        names = {case.name for case in cases}
        found = {case.id: _found(case, files, folder, described, names - {case.name}) for case in cases}
        self._cases = {key: its for key, its in found.items() if isinstance(its, Case)}
        self._failed = {key: its for key, its in found.items() if isinstance(its, MedDLError)}
        if not self._cases:
            nothing = MedDLError(
                Code.NO_IMAGES,
                "The folder of predictions has no file that is called as one of the cases.",
                "Names of cases are those that meddl check shows.",
            )
            raise next(iter(self._failed.values()), nothing)
        self._table = propose(self._cases.values())

    @property
    def labels(self) -> tuple[Label, ...]:
        """Of all files together: a structure that one file does not name is empty there."""
        return self._table.labels

    def identity(self, case: Case) -> str:
        """What is in the file, wherever it lies, and what its values are called."""
        found = self._cases.get(case.id)
        path = None if found is None else _path_of(found.truths[0])
        return "" if found is None or path is None else repr((content_of(path), found.segments))

    def of(
        self,
        case: Case,
        loaded: Loaded,
        structures: Sequence[Structure],  # noqa: ARG002
        on_progress: OnProgress | None = None,
    ) -> Prediction:
        """Reads the file. See ``Predictions``; PAIR_MISSING where there is none."""
        if case.id in self._failed:
            raise self._failed[case.id]
        found = self._cases.get(case.id)
        if found is None:
            raise MedDLError(Code.PAIR_MISSING, "The case has no prediction.", "Make it, or leave the case out.")
        scan: Volume = loaded.volumes[0]
        composed = compose(found, [found.truths[0].read(scan)], self._table, scan.geometry)
        composed.check()
        if on_progress is not None:
            on_progress("finish", 1, 1)
        return Prediction(composed.truth)


def _found(
    case: Case, files: Sequence[Path], folder: Path, described: tuple[Segment, ...] | None, others: Collection[str]
) -> Case | MedDLError | None:
    """A case's prediction; why there is none that can be read; None where there is none."""
    try:
        path = _file_of(case, files, folder, others)
        return None if path is None else _as_case(case.id, path, described)
    except MedDLError as error:
        return error


def _file_of(case: Case, files: Sequence[Path], folder: Path, others: Collection[str]) -> Path | None:
    """The file that is called as the case; else the one whose name goes on after it, and is not that of another case.

    Raises:
        MedDLError: PAIR_AMBIGUOUS.
    """
    last = case.name.rsplit("/", 1)[-1]
    stems = [(path, path.relative_to(folder).with_name(stem_of(path)).as_posix()) for path in files]
    exact = [path for path, stem in stems if stem == case.name] or [path for path in files if stem_of(path) == last]
    nearer = [other for name in others if _begins(other := name.rsplit("/", 1)[-1], last)]
    longer = [path for path in files if _begins(stem_of(path), last)]
    longer = [path for path in longer if not any(_begins(stem_of(path), other) for other in nearer)]
    choice = exact or longer
    if len(choice) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in choice)
        raise MedDLError(Code.PAIR_AMBIGUOUS, f"Which is the prediction of {case.name}? {names}.")
    return choice[0] if choice else None


def _begins(text: str, with_name: str) -> bool:
    """Whether it is a name, or goes on after it with another word."""
    return re.match(re.escape(with_name) + r"(?:[\W_]|$)", text) is not None


def _as_case(key: str, path: Path, described: tuple[Segment, ...] | None) -> Case:
    if suffix_of(path) == SEG_NRRD:
        return Case(key, key, (), (SegNrrdFile(path),), segments_of_seg_file(path))
    segments = segments_beside(path) or described
    if segments is None:
        raise MedDLError(
            Code.DATA_INVALID,
            f"Nothing says what the values of {path.name} are.",
            "Put the dataset.json that names them into the folder of predictions, or give .seg.nrrd files.",
        )
    return Case(key, key, (), (LabelFile(path),), segments)


def _path_of(source: TruthSource) -> Path | None:
    return source.path if isinstance(source, (SegNrrdFile, LabelFile)) else None
