"""A training set that grows: corrected cases, one after the other, without anything of a patient.

The layout is nnU-Net's (see its documentation/dataset_format.md), so that ``meddl train`` reads it, with Slicer's
segmentations as labels. A case is named by its scan's content: added again, it takes its own place. Nothing in the
folder depends on the other cases, so that whatever is interrupted costs one case, and adding it again repairs it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import atomic_path, check_folder, check_place
from ..click import Click
from ..errors import Code, MedDLError
from ..resample import resample
from ..spec import Channel
from ..volume import Geometry, LabelMap, Volume
from .manifest import content_hash
from .nifti import write_nifti_scan
from .seg_nrrd import write_seg_nrrd

DESCRIPTION = "dataset.json"
IMAGES, LABELS, CLICKS = "imagesTr", "labelsTr", "clicks"
SPOKEN = {"CT": "CT", "MR": "MRI", "PT": "PET"}
"""Names of modalities that say what they are to whoever reads the set."""

BACKGROUND, IGNORED = "background", "ignore"
"""What nnU-Net calls the label of the value 0, and that of voxels which nobody annotated."""

OUTSIDE = 0.01
"""The part of a segmentation that may lie outside its scan."""

WITHIN = 0.501
"""Voxels by which a centre may lie beyond the outermost one of the scan: its face."""


@dataclass(frozen=True)
class Added:
    """A case of a training set.

    Attributes:
        name: in the set; a digest of its scan.
        replaced: the scan was in the set already; its labels are new.
        cases: in the set now.
        clicks: of all its cases.
    """

    name: str
    replaced: bool
    cases: int
    clicks: int


def add_to_training_set(
    folder: Path,
    volumes: Sequence[Volume],
    label_map: LabelMap,
    channels: Sequence[Channel],
    clicks: Sequence[Click] = (),
    model: Mapping[str, str] | None = None,
) -> Added:
    """Keeps a corrected case. Headers hold the grid alone; faces and burnt-in names are in the voxels and stay there.

    Args:
        folder: of the set; begun where it is new or empty.
        volumes: one for each channel.
        label_map: corrected, on any grid, with every structure of the set: one without voxels is one that is not there.
        channels: what the volumes are.
        clicks: by which it was corrected; counted by structure.
        model: ``name`` and ``sha256`` of what found it first.

    Raises:
        MedDLError: OUTPUT_EXISTS where the folder is something else; CHANNELS_MISMATCH, DATA_INVALID where the set has
            other channels, or other structures; LABELS_APART where the segmentation is of another scan;
            OUTPUT_UNWRITABLE, NO_SPACE.
    """
    scans = tuple(part for volume in volumes for part in _channels(volume))
    if len(scans) != len(channels):
        raise MedDLError(Code.CHANNELS_MISMATCH, f"There are {len(channels)} channels, and {len(scans)} volumes.")
    _check_on(label_map, scans[0].geometry)
    structures = [label.name for label in label_map.labels]
    if not check_training_set(folder, channels, structures):
        check_folder(folder)
        _write(_description(channels, structures), folder / DESCRIPTION)
    for part in (IMAGES, LABELS, CLICKS):
        check_folder(folder / part)
    name = "case_" + sha256("".join(map(content_hash, scans)).encode()).hexdigest()[:16]
    grid, labels = scans[0].geometry, folder / LABELS / f"{name}.seg.nrrd"
    replaced = labels.exists()
    for n, scan in enumerate(scans):
        path = folder / IMAGES / f"{name}_{n:04d}.nii.gz"
        if not path.exists():
            write_nifti_scan(_on(scan.array, scan.geometry, grid, "linear"), grid, path)
    write_seg_nrrd(_label_map_on(label_map, grid), labels)
    counted = Counter((click.structure, "positive" if click.positive else "negative") for click in clicks)
    by_structure: dict[str, dict[str, int]] = {}
    for (structure, kind), count in sorted(counted.items()):
        by_structure.setdefault(structure, {})[kind] = count
    record = {"clicks": len(clicks), "by_structure": by_structure, "model": dict(model or {})}
    _write(record, folder / CLICKS / f"{name}.json")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / CLICKS).glob("case_*.json")]
    return Added(name, replaced, len(records), sum(record["clicks"] for record in records))


def check_training_set(folder: Path, channels: Sequence[Channel], structures: Sequence[str]) -> bool:
    """Makes sure, before a long run, that a case belongs into a set. Nothing is written.

    Args:
        folder: of the set.
        channels: what the volumes of the case are.
        structures: their names.

    Returns:
        Whether the set is there; False: it would begin with this case.

    Raises:
        MedDLError: as ``add_to_training_set``.
    """
    _check_names(structures)
    wanted, there = _description(channels, structures), _description_of(folder)
    if there is None:
        check_place(folder)
        if folder.is_dir() and any(item for item in folder.iterdir() if not item.name.startswith(".")):
            raise MedDLError(Code.OUTPUT_EXISTS, f"{folder.name} holds something else.", "Choose a new folder.")
        return False
    if set(there) != set(wanted) or there["file_ending"] != wanted["file_ending"]:
        raise _another(folder)
    if there["channel_names"] != wanted["channel_names"]:
        names = ", ".join(map(str, there["channel_names"].values()))
        hint = "Say of the scans what the set says of its own, or begin another set."
        raise MedDLError(Code.CHANNELS_MISMATCH, f"The cases of the set have other channels: {names}.", hint)
    if there["labels"] != wanted["labels"]:
        names = ", ".join(name for name, value in there["labels"].items() if value)
        raise MedDLError(
            Code.DATA_INVALID,
            f"The cases of the set have other structures: {names}.",
            "In every case, all structures must be drawn. Name them alike, or begin another set.",
        )
    return True


def channels_of_set(folder: Path) -> tuple[str, ...]:
    """The names of a set's channels, which say their modalities; none where there is no set.

    Raises:
        MedDLError: OUTPUT_EXISTS where the folder is something else.
    """
    there = _description_of(folder)
    names = {} if there is None else there.get("channel_names")
    if not isinstance(names, dict):
        raise _another(folder)
    return tuple(str(names[key]) for key in sorted(names, key=lambda key: (len(key), key)))


def _check_names(structures: Sequence[str]) -> None:
    """Refuses, before they stand in a set that nothing can read then, structures that no set can have."""
    if not structures:
        raise MedDLError(Code.DATA_INVALID, "The segmentation has no structures.", "Name them all: empty ones, too.")
    if wrong := [name for name in structures if name.casefold() in (BACKGROUND, IGNORED)]:
        raise MedDLError(
            Code.DATA_INVALID,
            f"No structure can be called {wrong[0]!r}: in a data set of nnU-Net that is what belongs to none.",
            "Remove the segment, or call it something else.",
        )


def _description_of(folder: Path) -> dict[str, Any] | None:
    """What a set says of itself; None: there is none."""
    path = folder / DESCRIPTION
    if not path.is_file():
        return None
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _another(folder) from error
    if not isinstance(there, dict):
        raise _another(folder)
    return there


def _another(folder: Path) -> MedDLError:
    return MedDLError(Code.OUTPUT_EXISTS, f"{folder.name} holds another data set.", "Choose a new folder.")


def _channels(volume: Volume) -> tuple[Volume, ...]:
    if volume.array.ndim == 3:
        return (volume,)
    return tuple(replace(volume, array=array) for array in volume.array)


def _named(channels: Sequence[Channel]) -> list[str]:
    """Names that say the modality: a reader of the set has nothing else to know it by."""
    names = []
    for channel in channels:
        spoken = SPOKEN.get(channel.modality or "", "")
        own = "" if channel.name.casefold() in ("image", spoken.casefold()) and spoken else channel.name
        says = own.casefold().split()[:1] == [spoken.casefold()] or not spoken
        names.append(own if says else f"{spoken} {own}".strip())
    return names


def _description(channels: Sequence[Channel], structures: Sequence[str]) -> dict[str, Any]:
    return {
        "channel_names": {str(n): name for n, name in enumerate(_named(channels))},
        "labels": {BACKGROUND: 0, **{name: n for n, name in enumerate(sorted(structures), start=1)}},
        "file_ending": ".seg.nrrd",
    }


def _write(content: Mapping[str, Any], path: Path) -> None:
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _on(array: NDArray[Any], own: Geometry, grid: Geometry, how: str) -> NDArray[Any]:
    if own.same_as(grid):
        return array
    return resample(array, own, grid, how, fill=float(np.min(array)) if how == "linear" else 0.0)  # type: ignore[arg-type]


def _check_on(label_map: LabelMap, grid: Geometry) -> None:
    """Refuses what was drawn on another scan: brought onto this one, it would be empty. Plane by plane."""
    if label_map.geometry.same_as(grid):
        return
    last, drawn, outside = np.array(grid.shape[::-1]) - 1, 0, 0
    for layer in map(label_map.layer, range(label_map.layers)):
        for k, plane in enumerate(layer):
            j, i = np.nonzero(plane)
            places = label_map.geometry.index_to_ras(np.stack([i, j, np.full_like(i, k)], axis=-1))
            beyond = np.abs(grid.ras_to_index(places) - last / 2) > last / 2 + WITHIN
            drawn, outside = drawn + len(i), outside + int(beyond.any(axis=-1).sum())
    if outside > OUTSIDE * drawn:
        raise MedDLError(Code.LABELS_APART, f"{outside / drawn:.0%} of the segmentation lie outside the scan.")


def _label_map_on(label_map: LabelMap, grid: Geometry) -> LabelMap:
    layers = [_on(label_map.layer(n), label_map.geometry, grid, "nearest") for n in range(label_map.layers)]
    return LabelMap(layers[0] if label_map.array.ndim == 3 else np.stack(layers), grid, label_map.labels)
