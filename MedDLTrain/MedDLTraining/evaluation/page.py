"""The report as one HTML page that needs nothing else: no script, no other file, pictures and charts within it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from MedDLCore.atomic import atomic_path
from MedDLCore.errors import EXPLANATIONS
from MedDLCore.html_page import html_page

from .charts import Line, chart
from .intervals import FEW, LEVEL, Interval
from .one_case import CaseResult
from .page_style import STYLE
from .reliability import BINS, MARGIN
from .summary import SCORES, Evaluation

PICTURES = 12
"""Worst cases whose pictures are in the page; all are in the folder of cases."""

IN_THE_TABLE = ("dice", "iou", "precision", "recall", "hd95", "mean_surface_distance", "surface_dice", "volume_error")

History = Sequence[Mapping[str, Any]]


def write_page(evaluation: Evaluation, path: Path, pictures: Path, histories: Sequence[History] = ()) -> None:
    """Writes the page.

    Args:
        evaluation: what it shows.
        path: of the page.
        pictures: the folder with ``case_0001.png``; a case without one goes without.
        histories: the epochs of each training of the model.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    judged = evaluation.judged
    title = "Evaluation of " + ("predictions" if judged is None else f"{judged['name']} {judged['version']}".strip())
    footer = "Made by MedDL. For research. Not for clinical use."
    text = "".join(html_page(title, STYLE, _page(evaluation, pictures, histories), footer))
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _page(evaluation: Evaluation, pictures: Path, histories: Sequence[History]) -> Iterator[str]:
    yield from _facts(evaluation)
    yield from _means(evaluation)
    yield from _distribution(evaluation)
    yield from _confusion(evaluation)
    yield from _calibration(evaluation)
    yield from _training(histories)
    yield from _worst(evaluation, pictures)
    yield from _every_case(evaluation)


def _facts(evaluation: Evaluation) -> Iterator[str]:
    count = len(evaluation.cases)
    yield f"<p>{count} case{'' if count == 1 else 's'}"
    yield f", {len(evaluation.failed)} failed" if evaluation.failed else ""
    yield f". {', '.join(escape(s.name) for s in evaluation.structures)}.</p>"
    if evaluation.judged is not None:
        yield f'<p class="small">Model SHA-256 <code>{escape(evaluation.judged["sha256"])}</code></p>'
    warnings = [str(notice) for notice in evaluation.notices]
    for case, error in evaluation.failed.items():  # its own message may hold the name of a file
        warnings.append(f"{case} was not judged. {error.code.value}: {EXPLANATIONS[error.code].meaning}")
    if evaluation.is_of_few:
        warnings.append(f"Fewer than {FEW} cases: the intervals are rough, and in truth rather wider.")
    yield "".join(f'<p class="warning">{escape(text)}</p>' for text in warnings)
    if evaluation.judged is not None and evaluation.learnt is None:
        yield '<p class="small">Whether the model has learnt from any of these cases is not known.</p>'


def _means(evaluation: Evaluation) -> Iterator[str]:
    yield f"<h2>Means over cases, with {LEVEL:.0%} confidence intervals</h2>"
    header, count = ["structure", *(_name(key, evaluation) for key in SCORES)], len(evaluation.cases)
    rows = [
        [escape(summary.name), *(_interval(summary.scores[key], count) for key in SCORES)]
        for summary in evaluation.summaries
    ]
    rows.append(["<b>mean of structures</b>", *(_interval(evaluation.mean[key], count) for key in SCORES)])
    yield _table(header, rows)
    for summary in evaluation.summaries:
        if summary.missed or summary.invented:
            yield (
                f'<p class="warning">{escape(summary.name)}: missed altogether in {summary.missed} case(s), found '
                f"where there is none in {summary.invented}. Such cases have no distances to average.</p>"
            )
    yield (
        '<p class="small">The interval is where the mean over ever more such cases would lie, by the bootstrap over '
        "cases (BCa, Efron 1987); in brackets, on how many cases a mean rests where it is not all. Dice of voxels is "
        "their F1 score. Distances are between surfaces, weighted by area; surface Dice is the part of both surfaces "
        f"that lies within {evaluation.tolerance:g} mm of the other (Nikolov et al. 2021). Volume error is what was "
        "found minus the truth.</p>"
    )


def _distribution(evaluation: Evaluation) -> Iterator[str]:
    """Each structure's Dice from the worst case to the best."""
    lines = []
    for structure in evaluation.structures:
        values = sorted(case.scores[structure.name].dice for case in evaluation.cases)
        known = [value for value in values if value == value]
        lines.append(Line(structure.name, list(enumerate(known, start=1)), structure.color, marked=len(known) <= 40))
    drawn = chart(lines, "cases, from the worst to the best", "Dice", (0, 1))
    if drawn:
        yield f"<h2>Dice of every case</h2><figure>{drawn}</figure>"


def _confusion(evaluation: Evaluation) -> Iterator[str]:
    names = ["background", *(structure.name for structure in evaluation.structures)]
    yield "<h2>What was taken for what</h2><p>Voxels of all cases. Rows: what it is; columns: what was found.</p>"
    rows = []
    for name, row in zip(names, evaluation.confusion.tolist(), strict=True):
        total = sum(row)
        cells = [_share(count, total, is_right=names[n] == name) for n, count in enumerate(row)]
        rows.append([escape(name), *cells])
    yield _table(["truth \\ found", *names], rows)


def _share(count: int, total: int, is_right: bool) -> str:
    share = count / total if total else 0.0
    color = "0,114,178" if is_right else "213,94,0"
    percent = f"{share:.1%}" if share >= 0.001 or not count else "&lt; 0.1%"
    shade = f"background:rgba({color},{0.45 * share:.3f})"
    return f'<span class="shade" style="{shade}">{percent}<br><small>{count:,}</small></span>'


def _calibration(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Are the probabilities true?</h2>"
    if evaluation.uncalibrated is not None:
        yield f"<p>Not looked at: {escape(evaluation.uncalibrated)}.</p>"
        return
    known = [(summary, summary.reliability) for summary in evaluation.summaries if summary.reliability is not None]
    colors = {structure.name: structure.color for structure in evaluation.structures}
    lines = [Line(summary.name, its.curve, colors[summary.name], marked=True) for summary, its in known]
    lines.append(Line("as it should be", [(0, 0), (1, 1)], reference=True))
    drawn = chart(lines, "probability", "part that is true", (0, 1))
    yield f"<figure>{drawn}</figure>"
    rows = [[escape(summary.name), f"{its.error:.4f}"] for summary, its in known]
    yield _table(["structure", "expected calibration error"], rows)
    yield (
        f'<p class="small">Of all voxels that get a probability, the part that is the structure; {BINS} bins. Below '
        "the diagonal the network is too sure. As the network says it, on its own grid, in the box around what was "
        f"drawn, {MARGIN:g} mm wider. The error is the mean gap over voxels, small where most are surely nothing.</p>"
    )


def _training(histories: Sequence[History]) -> Iterator[str]:
    if not any(histories):
        return
    many = len(histories) > 1
    yield "<h2>The training</h2>"
    losses, dices = [], []
    for n, history in enumerate(histories):
        name = f"fold {n}" if many else "loss"
        losses.append(Line(name, [(epoch["epoch"], epoch["loss"]) for epoch in history]))
        if many:
            dices.append(Line(name, _points(history, lambda epoch: epoch["mean_dice"])))
        else:
            labels = dict.fromkeys(label for epoch in history for label in epoch["dice"])
            dices += [
                Line(label, _points(history, lambda epoch, label=label: epoch["dice"].get(label))) for label in labels
            ]
    yield f"<figure>{chart(losses, 'epoch', 'loss')}</figure>"
    yield f"<figure>{chart(dices, 'epoch', 'validation Dice', (0, 1))}</figure>"
    rate = [Line("", [(epoch["epoch"], epoch["rate"]) for epoch in histories[0]])]
    yield f"<figure>{chart(rate, 'epoch', 'learning rate')}</figure>"


def _points(history: History, value: Any) -> list[tuple[float, float]]:
    return [(epoch["epoch"], value(epoch)) for epoch in history if value(epoch) is not None]


def _worst(evaluation: Evaluation, pictures: Path) -> Iterator[str]:
    yield "<h2>The worst cases</h2>"
    for case in evaluation.cases[:PICTURES]:
        yield f"<section><h3>{escape(case.id)}: Dice {_number(case.dice)}</h3>"
        path = pictures / f"{case.id}.png"
        if path.is_file():
            data = base64.b64encode(path.read_bytes()).decode()
            yield f'<img alt="Truth and prediction of {escape(case.id)}" src="data:image/png;base64,{data}">'
        yield _table(["structure", *(_name(key, evaluation) for key in IN_THE_TABLE)], _rows([case])) + "</section>"


def _every_case(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Every case</h2>"
    header = ["case", "structure", *(_name(key, evaluation) for key in IN_THE_TABLE)]
    cases = sorted(evaluation.cases, key=lambda case: case.id)
    yield _table(header, [[escape(case.id), *row] for case in cases for row in _rows([case])])


def _rows(cases: Iterable[CaseResult]) -> list[list[str]]:
    return [
        [escape(name), *(_number(getattr(scores, key)) for key in IN_THE_TABLE)]
        for case in cases
        for name, scores in case.scores.items()
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML, names in the header are not. It scrolls on its own where it is wider than the page."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr><th>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _name(key: str, evaluation: Evaluation) -> str:
    return SCORES[key] + (f" at {evaluation.tolerance:g} mm" if key == "surface_dice" else "")


def _interval(its: Interval, cases: int) -> str:
    if its.mean != its.mean:
        return "&ndash;"
    between = f"<br><small>{_number(its.low)} to {_number(its.high)}</small>" if its.low == its.low else ""
    return f"{_number(its.mean)}{between}" + (f"<br><small>[{its.cases}]</small>" if its.cases < cases else "")


def _number(value: float) -> str:
    if value != value:
        return "&ndash;"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
