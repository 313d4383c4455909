"""``meddl collect``: a corrected case becomes one to learn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from ..click import Click
from ..errors import Code, MedDLError
from ..plain_data import from_plain
from ..preprocess.prepare import LEAST_COMMON_PART, common_part
from ..readers import ReadOptions, scans_of
from ..readers.seg_nrrd import read_seg_nrrd
from ..spec import Channel
from ..writers import Added, add_to_training_set, channels_of_set
from .reading import Case, read_case
from .settings import FilePath, read_frame

SEGMENTATION, MANIFEST = ".seg.nrrd", "_manifest.json"


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=FilePath())
@click.option(
    "--labels",
    required=True,
    type=FilePath(exists=True, dir_okay=False),
    help="The corrected segmentation, as Slicer and meddl segment write it (.seg.nrrd).",
)
@click.option("--into", required=True, type=FilePath(file_okay=False), help="Folder of the training set.")
@click.option("--channel", "channels", multiple=True, metavar="NAME", help="What each INPUT is. Repeatable.")
@click.option("--series", metavar="NUMBER|UID", help="Which series of a folder that holds several.")
@click.option("--frame", callback=read_frame, metavar="NUMBER|all", help="Which volume of several; all: the channels.")
@click.option("--modality", type=click.Choice(("CT", "MR", "PT"), case_sensitive=False), help="Where no file says it.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def collect(
    inputs: tuple[Path, ...],
    labels: Path,
    into: Path,
    channels: tuple[str, ...],
    series: str | None,
    frame: int | Literal["all"] | None,
    modality: str | None,
    as_json: bool,
) -> int:
    """Add a corrected case to a training set.

    INPUT is the scan, one for each channel, or one file with all channels (--frame all), each with a --channel. meddl
    check, train --from MODEL and evaluate read the set. A scan that is in it already gets its new labels. Clicks are
    counted from the manifest that meddl segment writes beside its result. Nothing of the patient is written but the
    voxels, and the scan is named by their digest.
    """
    if not labels.name.lower().endswith(SEGMENTATION):
        raise click.UsageError("--labels takes a .seg.nrrd, which names its structures.")
    scans = scans_of(inputs)
    if channels and 1 < len(scans) != len(channels):
        raise click.UsageError("Give one --channel for each INPUT.")
    names = channels or _names(into, len(scans))
    case = read_case(inputs, len(names), ReadOptions(series=series, frame=frame, modality=modality))
    modalities = [volume.modality for volume in case for _ in range(volume.channels)]
    if len(modalities) != len(names):
        raise MedDLError(Code.CHANNELS_MISMATCH, f"There are {len(names)} channels, and {len(modalities)} volumes.")
    _check_together(case)
    label_map = read_seg_nrrd(labels)
    kinds = tuple(map(Channel, names, modalities))
    made = _manifest_beside(labels)
    added = add_to_training_set(into, case, label_map, kinds, _clicks_of(made), _model_of(made))
    _tell(added, into, as_json)
    return 0


def _names(into: Path, scans: int) -> tuple[str, ...]:
    """What the channels are called where nobody says: as in the set, which knows what a file does not say of itself."""
    known = channels_of_set(into)
    if known and scans in (1, len(known)):
        return known
    return ("image",) if scans == 1 else tuple(f"channel {n}" for n in range(scans))


def _check_together(case: Case) -> None:
    """The inputs are written on the grid of the first: one that lies elsewhere would be empty there.

    Raises:
        MedDLError: CHANNELS_APART.
    """
    for volume in case[1:]:
        common = common_part(case[0].geometry, volume.geometry)
        if common < LEAST_COMMON_PART:
            raise MedDLError(Code.CHANNELS_APART, f"Only {common:.0%} of the first input lies within another one.")


def _manifest_beside(labels: Path) -> Mapping[str, Any]:
    """What is known of how the segmentation was made; nothing where there is no manifest."""
    path = labels.with_name(labels.name[: -len(SEGMENTATION)] + MANIFEST)
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} cannot be read as JSON.") from error
    return content if isinstance(content, dict) else {}


def _clicks_of(made: Mapping[str, Any]) -> tuple[Click, ...]:
    settings = made.get("settings")
    clicks = settings.get("clicks", []) if isinstance(settings, dict) else []
    return tuple(from_plain(Click, click, f"settings.clicks[{n}]") for n, click in enumerate(clicks))


def _model_of(made: Mapping[str, Any]) -> Mapping[str, str]:
    model = made.get("model")
    return {key: str(model[key]) for key in ("name", "sha256") if key in model} if isinstance(model, dict) else {}


def _tell(added: Added, into: Path, as_json: bool) -> None:
    if as_json:
        content = {"case": added.name, "replaced": added.replaced, "cases": added.cases, "clicks": added.clicks}
        click.echo(json.dumps({"event": "result", **content}))
        return
    how = "has new labels" if added.replaced else "was added"
    click.echo(f"{added.name} {how}. {into} has {added.cases} cases, corrected by {added.clicks} clicks.")
