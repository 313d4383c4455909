"""Whether a case may run with a model: what is refused, and what is warned of, before the network runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import Code, MedDLError, Notice
from .preprocess import (
    Region,
    check_inside,
    check_meets,
    cut_off,
    is_crop,
    laid_over,
    network_grid,
    seen_for,
    split_channels,
    why_not_cropped,
)
from .spec import FloatTriple, ModelSpec
from .volume import Geometry, Label, Volume

if TYPE_CHECKING:
    from .inference import Plan

TIGHT = 0.8
"""Part of the free memory above which a run warns."""


@dataclass(frozen=True)
class Options:
    """What a person chooses for a run.

    Attributes:
        structures: names of the labels to keep; empty: all.
        region: only this part of the scan. What lies outside it is background before the model's clean-up, as if the
            scan ended there: the largest component is the largest within the region.
        allow: refusals that the person overrides, for this run.
        crop_body: the network need not see the air around the patient, where it would cost patches; there everything
            is background. The patches lie elsewhere, which changes the result a little.
        points: RAS mm; for a model that was trained on crops: a box around each is segmented on its own, and nothing
            outside the boxes. See ``postprocess.boxes`` for boxes that meet.
    """

    structures: tuple[str, ...] = ()
    region: Region | None = None
    allow: frozenset[Code] = frozenset()
    crop_body: bool = False
    points: tuple[FloatTriple, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What changes the result, as the manifest has it: JSON values."""
        region = self.region
        return {
            "structures": list(self.structures),
            "region": None if region is None else [*region.low, *region.high],
            "crop_body": self.crop_body,
            "points": [list(point) for point in self.points],
            "allow": sorted(code.value for code in self.allow),
        }


def admit(
    volumes: Sequence[Volume], spec: ModelSpec, options: Options = Options(), points_follow: bool = False
) -> tuple[Notice, ...]:
    """Decides whether a case may run with a model.

    Args:
        volumes: one for each channel of the model.
        spec: the model.
        options: what the person chose.
        points_follow: a model of crops will be given points, or boxes, later.

    Returns:
        The readers' warnings and those of this model for this scan.

    Raises:
        MedDLError: CHANNELS_MISMATCH, CHANNELS_APART, WRONG_MODALITY, TOO_THIN, REGION_OUTSIDE, LABEL_UNKNOWN,
            POINTS_MISMATCH.
    """
    chosen_labels(spec, options.structures)
    _check_points(volumes[0].geometry, spec, options, points_follow)
    notices = [notice for volume in volumes for notice in volume.notices]
    for channel, volume in zip(spec.channels, split_channels(volumes, spec), strict=True):
        wanted = channel.modality
        if wanted is None:
            continue
        if volume.modality is None:
            notices.append(
                Notice(Code.MODALITY_UNKNOWN, f"The file of {channel.name!r} does not say that it is {wanted}.")
            )
            from .readers.values import check_hounsfield  # here: a process that is given volumes needs no readers

            judged = wanted == "CT" and not is_crop(volumes[0].geometry, spec)  # by its air
            if judged and (dubious := check_hounsfield(volume.array)) is not None:
                notices.append(dubious)
        elif volume.modality != wanted:
            message = f"The model {spec.name} is for {wanted}; the volume for {channel.name!r} is {volume.modality}."
            if Code.WRONG_MODALITY not in options.allow:
                raise MedDLError(Code.WRONG_MODALITY, message)
            notices.append(Notice(Code.WRONG_MODALITY, message))
    shape = volumes[0].geometry.shape
    if any(n < least for n, least in zip(shape, spec.minimum_shape, strict=True)):
        sizes = ["x".join(map(str, s[::-1])) for s in (shape, spec.minimum_shape)]
        message = f"The scan has {sizes[0]} voxels (columns, rows, slices); the model {spec.name} needs {sizes[1]}."
        if Code.TOO_THIN not in options.allow:
            raise MedDLError(Code.TOO_THIN, message)
        notices.append(Notice(Code.TOO_THIN, message))
    if options.region is not None:
        check_meets(volumes[0].geometry, options.region)
    if not options.points and not points_follow:
        notices += _cut_by_grid(volumes, spec, options.region)
    if options.crop_body and (why := why_not_cropped(spec)) is not None:
        notices.append(Notice(Code.NOT_CROPPED, f"The model {spec.name} {why}."))
    return tuple(dict.fromkeys(notices))


def _cut_by_grid(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None) -> tuple[Notice, ...]:
    seen = laid_over(volumes, spec, seen_for(region, volumes[0], spec))
    if spec.grid.shape is not None and (cut := cut_off(seen, network_grid(seen, spec.grid))):
        sides = " and ".join(f"{mm:.3g} mm at the {side} side" for side, mm in cut.items())
        message = f"The model {spec.name} sees only the middle of the scan: {sides} are cut off and stay background."
        return (Notice(Code.GRID_CUTS, message),)
    return ()


def _check_points(scan: Geometry, spec: ModelSpec, options: Options, points_follow: bool) -> None:
    """Refuses points for a model of whole scans, and a scan without points for a model of crops.

    Raises:
        MedDLError: POINTS_MISMATCH, REGION_OUTSIDE.
    """
    if options.points and spec.crops is None:
        raise MedDLError(
            Code.POINTS_MISMATCH,
            f"The model {spec.name} was trained on whole scans; it does not look around points.",
            "Leave the points (--at) away. A part of a scan is chosen with --roi.",
        )
    if options.points and options.region is not None:
        raise MedDLError(
            Code.POINTS_MISMATCH,
            "Points and a region of interest were both given.",
            "Leave one away: each point has its own box, and nothing outside is labelled.",
        )
    if spec.crops is not None and not options.points and not points_follow and not is_crop(scan, spec):
        raise MedDLError(
            Code.POINTS_MISMATCH,
            f"The model {spec.name} was trained on crops of about {spec.crops}; the scan is larger.",
            "Name the middle of what is to be found with --at R,A,S, in mm as Slicer shows it; several, if there are."
            + (" Or click into it: --click R,A,S=NAME." if spec.clicks is not None else ""),
        )
    for point in options.points:
        check_inside(scan, point)


def chosen_labels(spec: ModelSpec, structures: Sequence[str]) -> tuple[Label, ...]:
    """The model's labels, or those named (case does not matter).

    Raises:
        MedDLError: LABEL_UNKNOWN, naming the ones that there are.
    """
    if not structures:
        return spec.labels
    by_name = {label.name.casefold(): label for label in spec.labels}
    unknown = [name for name in structures if name.casefold() not in by_name]
    if unknown:
        names = ", ".join(label.name for label in spec.labels)
        raise MedDLError(
            Code.LABEL_UNKNOWN, f"The model {spec.name} has no structure {', '.join(unknown)}.", f"It has: {names}."
        )
    wanted = {name.casefold() for name in structures}
    return tuple(label for label in spec.labels if label.name.casefold() in wanted)


def check_memory(foreseen: Plan, options: Options) -> tuple[Notice, ...]:
    """Refuses a run that the machine's memory does not hold, and warns of one that nearly fills it.

    Raises:
        MedDLError: NO_MEMORY.
    """
    needed, free = foreseen.memory / 1e9, foreseen.free_memory / 1e9
    message = f"The run needs about {needed:.1f} GB; {free:.1f} GB are free."
    if not foreseen.fits and Code.NO_MEMORY not in options.allow:
        raise MedDLError(Code.NO_MEMORY, message, foreseen.remedy)
    return (Notice(Code.MEMORY_TIGHT, message),) if needed > TIGHT * free else ()
