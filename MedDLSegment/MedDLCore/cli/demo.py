"""``meddl demo``: the main job on a body whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..atomic import check_place
from ..case import Outputs, run_case
from ..demo import NAME, make_phantom
from ..metrics import dice_by_label
from ..models import open_model
from ..pictures import PICTURE
from ..pipeline import load
from .reporter import Reporter
from .settings import FilePath, inference_options

if TYPE_CHECKING:
    from ..inference.engine import Wanted


@click.command()
@click.option(
    "--out",
    "-o",
    type=FilePath(file_okay=False),
    default=Path("meddl-demo"),
    show_default=True,
    help="Folder for the results; those of an earlier demo are replaced.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, another body.")
@inference_options
def demo(
    out: Path, seed: int, device: str, threads: int | None, backend: Wanted, full_precision: bool, as_json: bool
) -> None:
    """Segment a phantom body whose truth is known, and compare.

    Needs no scan and no download. The body is made by a formula; its organs overlap in intensity, so that no threshold
    finds them.
    """
    with Reporter(as_json) as reporter:
        check_place(out)
        reporter.case("phantom")
        reporter.progress("read", 0, 1)
        volume, truth = make_phantom(seed)
        reporter.progress("load", 0, 1)
        model = load(open_model(NAME), device, threads, backend, full_precision)
        outputs = Outputs(out, ("nrrd", "nifti"), overwrite=True, beside=(PICTURE,))
        result = run_case([volume], model, outputs, on_progress=reporter.progress)
        scores = dice_by_label(truth, result.segmentation.label_map)
        reporter.notices(result.notices)
        reporter.result(
            _in_words(scores, {row.name: row.volume_mL for row in result.statistics}, result.files),
            dice=scores,
            files={kind: str(path) for kind, path in result.files.items()},
        )


def _in_words(scores: dict[str, float], volumes: dict[str, float], files: Mapping[str, Path]) -> str:
    width = max(map(len, scores))
    lines = [f"{'structure':{width}}  {'volume':>10}  Dice against the truth"]
    lines += [f"{name:{width}}  {volumes[name]:7.1f} mL  {score:.3f}" for name, score in scores.items()]
    lines += [f"{'mean':{width}}  {'':10}  {sum(scores.values()) / len(scores):.3f}", "Written:"]
    return "\n".join([*lines, *(f"  {path}" for path in files.values())])
