"""Options that several commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from ..admission import Options
from ..errors import Code
from ..preprocess import Region
from ..readers import ReadOptions
from ..readers.markups import SUFFIXES, read_points
from ..spec import FloatTriple

if TYPE_CHECKING:
    from ..inference.engine import Wanted

OVERRIDABLE = (
    Code.WRONG_MODALITY,
    Code.GEOM_GAP,
    Code.NONFINITE,
    Code.TOO_THIN,
    Code.NO_MEMORY,
)
"""The refusals that ``--allow`` overrides."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Request:
    """Which scans, with which model, on what, and told how.

    Attributes:
        inputs: files and folders.
        model: a name, or a folder.
        reading: what the readers need of the options.
        options: what the pipeline needs of them.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        threads: on the CPU; None: all cores.
        backend: ``auto``, ``torch``, ``openvino``.
        full_precision: float32 on every device.
        as_json: events for programs.
    """

    inputs: tuple[Path, ...]
    model: str
    reading: ReadOptions
    options: Options
    device: str
    threads: int | None
    backend: Wanted
    full_precision: bool
    as_json: bool


class FilePath(click.Path):
    """A path. An empty one, which would be the current folder, is a mistake: a variable that was not set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuses an empty text."""
        if value == "":
            self.fail("The path is empty.", param, ctx)
        return super().convert(value, param, ctx)


def scan_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Adds INPUT, ``--model`` and everything that chooses a part of the input.

    The command is called with a ``Request`` and the options that it adds itself.
    """

    @functools.wraps(command)
    def requested(
        inputs: tuple[Path, ...],
        model: str,
        structures: tuple[str, ...],
        region: Region | None,
        points: tuple[FloatTriple, ...],
        crop_body: bool,
        series: str | None,
        frame: int | Literal["all"] | None,
        modality: str | None,
        allow: tuple[str, ...],
        device: str,
        threads: int | None,
        backend: Wanted,
        full_precision: bool,
        as_json: bool,
        **own: Any,
    ) -> Result:
        codes = frozenset(Code(code) for code in allow)
        reading = ReadOptions(series=series, frame=frame, modality=modality, allow=codes)
        options = Options(structures=structures, region=region, allow=codes, crop_body=crop_body, points=points)
        request = Request(inputs, model, reading, options, device, threads, backend, full_precision, as_json)
        return command(request, **own)

    return _with(
        requested,
        click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=FilePath()),
        click.option("--model", "-m", required=True, metavar="NAME_OR_PATH", help="A model's name, or its folder."),
        click.option("--structure", "structures", multiple=True, metavar="NAME", help="Only this one. Repeatable."),
        click.option(
            "--roi",
            "region",
            callback=_region,
            metavar="R0,R1,A0,A1,S0,S1",
            help="Only this box: right, anterior and superior, from and to, in mm.",
        ),
        click.option(
            "--at",
            "points",
            multiple=True,
            callback=_points,
            metavar="R,A,S|FILE",
            help="For a model of crops: look around this point, in mm, or those of a Slicer markups file. Repeatable.",
        ),
        click.option(
            "--crop-body",
            is_flag=True,
            help="Let the network see the body only, not the air around: faster, and outside nothing is found.",
        ),
        click.option(
            "--series",
            metavar="NUMBER|UID|all",
            help="Which series of a folder that holds several: the scanner's SeriesNumber, or the number listed.",
        ),
        click.option("--frame", callback=read_frame, metavar="NUMBER|all", help="Which volume of a 4-D file, from 0."),
        click.option(
            "--modality",
            type=click.Choice(("CT", "MR", "PT"), case_sensitive=False),
            help="What the scan is, where the file does not say.",
        ),
        click.option(
            "--allow",
            multiple=True,
            type=click.Choice([code.value for code in OVERRIDABLE], case_sensitive=False),
            help="Go on in spite of this refusal. Repeatable.",
        ),
        inference_options,
    )


def machine_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Adds what every command takes that computes on this machine."""
    return _with(
        command,
        click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda|cuda:1|mps"),
        click.option("--threads", type=click.IntRange(1), help="CPU threads. All cores by default."),
        click.option("--json", "as_json", is_flag=True, help="Events for programs: one JSON object per line."),
    )


def inference_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Adds what every command takes that runs a trained network."""
    return _with(
        command,
        click.option(
            "--backend",
            type=click.Choice(("auto", "torch", "openvino")),
            default="auto",
            show_default=True,
            help="What computes the network on a CPU; auto: whichever was found to be faster.",
        ),
        click.option("--full-precision", is_flag=True, help="No half precision on a graphics card."),
        machine_options,
    )


def _with(command: Callable[..., Result], *decorators: Callable[..., Any]) -> Callable[..., Result]:
    """Options in the order in which the help shows them."""
    decorated = command
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    return decorated


def _region(_: click.Context, __: click.Parameter, text: str | None) -> Region | None:
    if text is None:
        return None
    try:
        r0, r1, a0, a1, s0, s1 = (float(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter("give six numbers in mm: R0,R1,A0,A1,S0,S1") from None
    if not all(map(math.isfinite, (r0, r1, a0, a1, s0, s1))):
        raise click.BadParameter("every number must be finite")
    if r0 == r1 or a0 == a1 or s0 == s1:
        raise click.BadParameter("the box is empty: two numbers of one axis are equal")
    return Region((min(r0, r1), min(a0, a1), min(s0, s1)), (max(r0, r1), max(a0, a1), max(s0, s1)))


def _points(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[FloatTriple, ...]:
    return tuple(point for text in texts for point in _points_of(text))


def _points_of(text: str) -> tuple[FloatTriple, ...]:
    """A point, or those of a file.

    Raises:
        MedDLError: see ``read_points``.
    """
    if text.lower().endswith(SUFFIXES):
        return read_points(Path(text))
    try:
        r, a, s = (float(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter("give three numbers in mm, R,A,S, or a file of points (.mrk.json, .fcsv)") from None
    if not all(map(math.isfinite, (r, a, s))):
        raise click.BadParameter("every number must be finite")
    return ((r, a, s),)


def read_frame(_: click.Context, __: click.Parameter, text: str | None) -> int | Literal["all"] | None:
    """What ``--frame`` says."""
    if text is None:
        return None
    if text == "all":
        return "all"
    if not text.isdecimal():
        raise click.BadParameter("give a number from 0, or all")
    return int(text)
