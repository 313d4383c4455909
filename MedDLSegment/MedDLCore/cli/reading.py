"""Inputs named on the command line -> cases, one volume for each channel of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import Code, Exit, MedDLError, Notice
from ..models import ModelPackage
from ..pipeline import Model, load
from ..readers import ReadOptions, read, scans_of
from ..volume import Volume
from .reporter import Reporter
from .scenes import SCENES, read_scene
from .settings import Request

Case = tuple[Volume, ...]

WITHOUT_ORDER = ("DICOM", "scene")
"""Formats whose several volumes are no channels in an order, as the frames of a 4-D file are."""


OF_ONE_SCAN = (Code.NO_MEMORY, Code.NETWORK_NONFINITE)
"""Refusals that say nothing about the next scan, though their exit status is that of a machine or a model."""


class Tally:
    """How many cases went well, and which did not. One scan that is refused does not stop the rest."""

    def __init__(self, reporter: Reporter) -> None:
        """Tells the reporter of refusals."""
        self._reporter = reporter
        self._done = 0
        self._incomplete = False
        self._failures: list[MedDLError] = []

    def refused(self, error: MedDLError) -> None:
        """Notes a refusal of one scan; raises one of the model or the machine, which would refuse every scan."""
        if error.exit not in (Exit.INPUT, Exit.OUTPUT) and error.code not in OF_ONE_SCAN:
            raise error
        self._failures.append(error)
        self._reporter.error(error)

    def succeeded(self, notices: Sequence[Notice]) -> None:
        """Notes a case that went well, with its warnings: one can say that another scan was left out."""
        self._done += 1
        self._incomplete |= any(notice.code is Code.SERIES_LEFT_OUT for notice in notices)

    @property
    def status(self) -> Exit:
        """The exit status of all cases together."""
        if self._failures and not self._done:
            return self._failures[0].exit
        return Exit.SOME_FAILED if self._failures or self._incomplete else Exit.OK


def each_case(
    request: Request,
    package: ModelPackage,
    reporter: Reporter,
    tally: Tally,
    without: tuple[str, ...] = (),
    several: bool = False,
    single: bool = False,
) -> Iterator[tuple[Case, Model]]:
    """Reads one case after the other, and loads the model when the first has been read.

    Args:
        request: what the person asked for.
        package: the model.
        reporter: told of each case and of the stages ``read`` and ``load``.
        tally: told of what is refused.
        without: stages that no case of this command has.
        several: the command is about many cases, see ``group_inputs``.
        single: what is done is about one scan, see ``read_case``.
    """
    channels = len(package.spec.channels)
    model: Model | None = None
    for paths in group_inputs(request.inputs, channels, several):
        name = paths[0].name + (f" (+{len(paths) - 1})" if len(paths) > 1 else "")
        reporter.case(name, without if model is None else (*without, "load"))
        reporter.progress("read", 0, 1)
        try:
            given = paths, channels, request.reading
            cases = [read_case(*given)] if single else read_cases(*given)
        except MedDLError as error:
            tally.refused(error)
            continue
        for number, case in enumerate(cases, start=1):
            if number > 1:
                reporter.case(f"{name} {number}/{len(cases)}", (*without, "load", "read"))
            if model is None:
                reporter.progress("load", 0, 1)
                model = load(package, request.device, request.threads, request.backend, request.full_precision)
            yield case, model


def group_inputs(inputs: Sequence[Path], channels: int, several: bool = False) -> list[tuple[Path, ...]]:
    """Which inputs belong together.

    For a model with several channels all of them, in the order of the channels; with ``several``, so many at a time.
    For a model with one channel each is on its own, but the files of a DICOM series are read together.
    """
    if several and channels > 1 and len(inputs) % channels == 0:
        return [tuple(inputs[n : n + channels]) for n in range(0, len(inputs), channels)]
    return [tuple(inputs)] if channels > 1 else scans_of(inputs)


def read_cases(paths: tuple[Path, ...], channels: int, options: ReadOptions) -> list[Case]:
    """Reads one group: a case for every volume (series, frame, volume of a scene) if the model has one channel.

    Raises:
        MedDLError: what the readers refuse; CHANNELS_MISMATCH where an input for one channel holds several volumes,
            or the one input for several channels does not say which is which.
    """
    if channels == 1 or len(paths) == 1:
        volumes = _read(paths, options)
        if channels == 1 or volumes[0].channels == channels:
            return [(volume,) for volume in volumes]
        if len(volumes) > 1 and volumes[0].source.format in WITHOUT_ORDER:
            raise MedDLError(
                Code.CHANNELS_MISMATCH,
                f"{paths[0].name} holds {len(volumes)} volumes, and which of them is which channel stands nowhere.",
                "Give a folder or file for each channel, in the order that meddl models info shows.",
            )
        return [tuple(volumes)]
    return [tuple(_single(path, options) for path in paths)]


def read_case(paths: tuple[Path, ...], channels: int, options: ReadOptions) -> Case:
    """As ``read_cases``, for what is about one scan.

    Raises:
        MedDLError: NOT_3D where the input holds several: acquisitions of one series, volumes of a scene.
    """
    cases = read_cases(paths, channels, options)
    if len(cases) > 1:
        raise MedDLError(
            Code.NOT_3D, f"{paths[0].name} holds {len(cases)} scans, not one.", "Choose one with --frame or --series."
        )
    return cases[0]


def _read(paths: tuple[Path, ...], options: ReadOptions) -> list[Volume]:
    if len(paths) == 1 and paths[0].suffix.lower() in SCENES:
        return read_scene(paths[0], options)
    return read(paths[0] if len(paths) == 1 else list(paths), options)


def _single(path: Path, options: ReadOptions) -> Volume:
    volumes = _read((path,), options)
    if len(volumes) != 1:
        raise MedDLError(
            Code.CHANNELS_MISMATCH,
            f"{path.name} holds {len(volumes)} volumes; a channel takes one.",
            "Choose one with --series or --frame.",
        )
    return volumes[0]
