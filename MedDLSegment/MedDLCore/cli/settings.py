"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import Code
from ..pipeline import Options
from ..preprocess import Region
from ..readers import ReadOptions

OVERRIDABLE = (
    Code.WRONG_MODALITY,
    Code.GEOM_GAP,
    Code.NONFINITE,
    Code.TOO_THIN,
    Code.NO_MEMORY,
)
"""The refusals that ``--allow`` overrides."""

Command = TypeVar("Command", bound=Callable[..., Any])


def _region(_: click.Context, __: click.Parameter, text: str | None) -> Region | None:
    if text is None:
        return None
    try:
        r0, r1, a0, a1, s0, s1 = (float(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter("give six numbers in mm: R0,R1,A0,A1,S0,S1") from None
    return Region((min(r0, r1), min(a0, a1), min(s0, s1)), (max(r0, r1), max(a0, a1), max(s0, s1)))


def _frame(_: click.Context, __: click.Parameter, text: str | None) -> int | str | None:
    if text is None or text == "all":
        return text
    if not text.isdecimal():
        raise click.BadParameter("give a number from 0, or all")
    return int(text)


def scan_options(command: Command) -> Command:
    """Adds INPUT, ``--model`` and everything that chooses a part of the input."""
    for decorator in reversed(
        (
            click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path)),
            click.option("--model", "-m", required=True, metavar="NAME_OR_PATH", help="A model's name, or its folder."),
            click.option("--structure", "structures", multiple=True, metavar="NAME", help="Only this one. Repeatable."),
            click.option(
                "--roi",
                "region",
                callback=_region,
                metavar="R0,R1,A0,A1,S0,S1",
                help="Only this box: right, anterior and superior, from and to, in mm.",
            ),
            click.option("--series", metavar="NUMBER|UID|all", help="Which series of a folder that holds several."),
            click.option("--frame", callback=_frame, metavar="NUMBER|all", help="Which volume of a 4-D file, from 0."),
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
            click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda|cuda:1|mps"),
            click.option("--threads", type=click.IntRange(1), help="CPU threads. All cores by default."),
            click.option("--json", "as_json", is_flag=True, help="Events for programs: one JSON object per line."),
        )
    ):
        command = decorator(command)
    return command


def read_options(series: str | None, frame: Any, modality: str | None, allow: tuple[str, ...]) -> ReadOptions:
    """What the readers need of the options."""
    return ReadOptions(series=series, frame=frame, modality=modality, allow=_codes(allow))


def run_options(structures: tuple[str, ...], region: Region | None, allow: tuple[str, ...]) -> Options:
    """What the pipeline needs of the options."""
    return Options(structures=structures, region=region, allow=_codes(allow))


def _codes(allow: tuple[str, ...]) -> frozenset[Code]:
    return frozenset(Code(code) for code in allow)
