"""``meddl evaluate``: how well a model finds what people have drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from ..atomic import check_place
from ..errors import Exit, MedDLError, Notice
from ..text import printable
from .settings import FilePath, inference_options
from .telling import Teller
from .training_data import DataRequest, data_options

if TYPE_CHECKING:
    from MedDLTraining.data import Case, DataSet
    from MedDLTraining.evaluation import CaseResult, Draw, Evaluation, Interval, Predictions

    from ..inference.engine import Wanted

WORST = 5
"""Cases that are named on the screen."""

_STAGES = {"files": "Looking through the files", "labels": "Reading label maps", "evaluate": "Evaluating"}


@click.command()
@data_options
@click.option("--model", "-m", metavar="NAME_OR_PATH", help="A model's name, or its folder.")
@click.option("--predictions", type=FilePath(file_okay=False), help="Folder of segmentations, in place of a model.")
@click.option("--out", "-o", required=True, type=FilePath(file_okay=False), help="Folder of the report.")
@click.option("--cases", type=FilePath(dir_okay=False), help="Only these: a text file with a name on each line.")
@click.option("--part", metavar="NAME", help="Only this part of the split: test, validation ...")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Of the surface Dice, mm: how far surfaces of two experts may lie apart.",
)
@click.option("--training", type=FilePath(file_okay=False), help="Folder of the model's training, if not above it.")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw each case.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the confidence intervals.")
@click.option("--overwrite", is_flag=True, help="Replace the evaluation of another model.")
@inference_options
def evaluate(
    request: DataRequest,
    model: str | None,
    predictions: Path | None,
    out: Path,
    cases: Path | None,
    part: str | None,
    tolerance: float,
    training: Path | None,
    pictures: bool,
    seed: int,
    overwrite: bool,
    device: str,
    threads: int | None,
    backend: Wanted,
    full_precision: bool,
    as_json: bool,
) -> int:
    """Judge a model, or ready-made segmentations, by what people have drawn.

    FOLDER is what meddl check takes; all its cases are judged, or those chosen with --cases or --part. The report is
    one page, OUT/report.html, with tables beside it. Killed or cancelled, the same command goes on with what is there.
    """
    import SimpleITK as sitk

    from MedDLTraining import evaluation as evaluating

    from ..inference.devices import usable_cores

    if (model is None) == (predictions is None):
        raise click.UsageError("Give either --model or --predictions.")
    if cases is not None and part is not None:
        raise click.UsageError("Give either --cases or --part.")
    with _Teller(as_json, _STAGES) as teller:
        check_place(out)
        data_set = request.open(teller.stage)
        chosen = _chosen(data_set, cases, part)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads or usable_cores())
        judged: Predictions
        if model is not None:
            from ..models import open_model
            from ..pipeline import load

            loaded = load(open_model(model), device, threads, backend, full_precision)
            judged = evaluating.ModelPredictions(loaded, data_set.channels)
        else:
            assert predictions is not None  # noqa: S101  one of the two was given
            judged = evaluating.FilePredictions(predictions, chosen)
        settings = evaluating.Settings(tolerance, seed, overwrite, training)
        draw = _drawer() if pictures else None
        unusable = () if cases or part else data_set.unusable
        for item in unusable:
            teller.failed(item.error, item.name, item.id)
        report = evaluating.evaluate(data_set, chosen, judged, out, settings, draw, teller.stage, teller.case)
        names = {case.id: case.name for case in chosen}
        teller.notices(_named(report.notices, names))
        teller.result(_summary(report, names, out), report=str(out / evaluating.REPORT), **_for_programs(report))
    return int(Exit.SOME_FAILED if report.failed or unusable else Exit.OK)


def _drawer() -> Draw:
    from MedDLScene.comparison import renderComparison

    return renderComparison  # type: ignore[no-any-return,unused-ignore]


def _chosen(data_set: DataSet, cases: Path | None, part: str | None) -> tuple[Case, ...]:
    from MedDLTraining.data import read_splits
    from MedDLTraining.evaluation import cases_named, cases_of_part

    if cases is not None:
        (split,) = read_splits((cases,))
        return cases_named(data_set, {name for _, names in split.parts for name in names})
    if part is not None:
        return cases_of_part(data_set, part)
    if not data_set.cases:
        raise data_set.unusable[0].error
    return data_set.cases


def _named(notices: Sequence[Notice], names: dict[str, str]) -> list[Notice]:
    """With the names that the person knows: on the screen only."""

    def shown(found: re.Match[str]) -> str:
        return f"{names[found[0]]} ({found[0]})" if found[0] in names else found[0]

    return [Notice(notice.code, re.sub(r"\bcase_\d+\b", shown, notice.message)) for notice in notices]


def _summary(report: Evaluation, names: dict[str, str], out: Path) -> str:
    from MedDLTraining.evaluation import REPORT

    width = max(len(summary.name) for summary in report.summaries)
    lines = [f"{len(report.cases)} cases; mean and 95 % confidence interval:"]
    for summary in report.summaries:
        dice, hd95 = summary.scores["dice"], summary.scores["hd95"]
        lines.append(f"  {summary.name:{width}}  Dice {_interval(dice)}  HD95 {_interval(hd95)} mm")
    if report.is_of_few:
        lines.append("  Of so few cases the intervals are rough, and in truth rather wider.")
    lines.append("Worst:")
    lines += [f"  {case.dice:.3f}  {names[case.id]} ({case.id})" for case in report.cases[:WORST]]
    return "\n".join([*lines, f"The report: {out / REPORT}"])


def _interval(its: Interval) -> str:
    if math.isnan(its.mean):
        return "-"
    return f"{its.mean:.3f}" + (f" [{its.low:.3f}, {its.high:.3f}]" if not math.isnan(its.low) else "")


def _for_programs(report: Evaluation) -> dict[str, Any]:
    content = report.to_json()
    return {key: content[key] for key in ("cases", "failed", "learnt_from", "structures", "mean")}


class _Teller(Teller):
    """Tells of an evaluation."""

    def case(self, result: CaseResult | MedDLError, case: Case) -> None:
        """A case is done, or has failed."""
        if isinstance(result, MedDLError):
            self.failed(result, case.name, case.id)
            return
        dice = {name: round(its.dice, 4) for name, its in result.scores.items()}
        self.line("case", case=case.id, dice=dice)

    def failed(self, error: MedDLError, name: str, case: str) -> None:
        """A case cannot be judged."""
        self.line("error", case=case, code=error.code.value, message=error.message, hint=error.hint)
        self.say(f"[red]{escape(printable(name))} ({case})[/red] {escape(str(error))}")
