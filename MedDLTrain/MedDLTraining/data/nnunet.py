"""The layout of the Medical Segmentation Decathlon and of nnU-Net: ``dataset.json``, ``imagesTr``, ``labelsTr``.

The Decathlon and nnU-Net 1 write ``"labels": {"1": "liver"}``, nnU-Net 2 ``{"liver": 1}``, or ``{"whole tumour": [1,
2]}`` for regions. Several channels are the frames of one 4-D file (Decathlon) or files that end in ``_0000``,
``_0001``. After nnU-Net's documentation/dataset_format.md and dataset_conversion/convert_MSD_dataset.py.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.nnunet.channels import MODALITIES
from MedDLCore.spec import Channel
from MedDLCore.text import one_line, shown

from .case import Case, Segment, Unusable
from .files import SEG_NRRD, LabelFile, SegNrrdFile, VolumeFile, segments_of_seg_file, stem_of, suffix_of
from .found import Found, alone

DATASET_JSON = "dataset.json"
IMAGES, LABELS = "imagesTr", "labelsTr"
CHANNEL = re.compile(r"(.+)_(\d{4})")
MOST_CHANNELS = 64
LONGEST_NAME = 200


def read_nnunet(folder: Path) -> Found:
    """Finds the cases of a folder with ``dataset.json``.

    Raises:
        MedDLError: DATA_INVALID where the description is malformed; NO_IMAGES where there are no images.
    """
    content = _json(folder / DATASET_JSON)
    channels = _channels(content)
    segments = _segments(content)
    images, labels = _images(folder, content), _labels(folder, content)
    if not images and not labels:
        raise MedDLError(Code.NO_IMAGES, f"The folder has no volumes in {IMAGES} and {LABELS}.")
    cases: list[Case] = []
    unusable: list[Unusable] = []
    for name in sorted({*images, *labels}):
        if name not in labels:
            unusable.append(alone(name, "image", "label map"))
        elif name not in images:
            unusable.append(alone(name, "label map", "image"))
        else:
            found = _case(name, images[name], labels[name], channels, segments)
            (cases if isinstance(found, Case) else unusable).append(found)  # type: ignore[arg-type]
    values = {value for segment in segments for value in segment.values}
    exclusive = sum(len(segment.values) for segment in segments) == len(values)
    count = content.get("numTraining")
    declared = count if isinstance(count, int) and not isinstance(count, bool) else None
    return Found(tuple(cases), tuple(unusable), channels, tuple(sorted(values)), exclusive, declared)


def segments_described(folder: Path) -> tuple[Segment, ...] | None:
    """What a folder's ``dataset.json``, which nnU-Net puts beside its predictions too, names; None without one.

    Raises:
        MedDLError: DATA_INVALID where it is malformed.
    """
    content = _described(folder)
    return None if content is None else _segments(content)


def channels_described(folder: Path) -> tuple[Channel, ...] | None:
    """The inputs of a case that a folder's ``dataset.json`` names; None without one.

    Raises:
        MedDLError: DATA_INVALID where it is malformed.
    """
    content = _described(folder)
    return None if content is None else _channels(content)


def _described(folder: Path) -> Mapping[str, Any] | None:
    return _json(folder / DATASET_JSON) if (folder / DATASET_JSON).is_file() else None


def _case(
    name: str,
    files: Mapping[int | None, Path],
    label: Path,
    channels: tuple[Channel, ...],
    segments: tuple[Segment, ...],
) -> Case | Unusable:
    """A case; or why it is none. ``files``: by the number of the channel, None for a file without one."""
    images: tuple[VolumeFile, ...]
    if set(files) == set(range(len(channels))):
        images = tuple(VolumeFile((files[n],), None, channel.modality) for n, channel in enumerate(channels))
    elif set(files) == {None}:
        frames = range(len(channels)) if len(channels) > 1 else (None,)
        images = tuple(
            VolumeFile((files[None],), frame, channel.modality) for frame, channel in zip(frames, channels, strict=True)
        )
    else:
        have = ", ".join(path.name for path in files.values())
        message = f"{name} needs {len(channels)} channels, numbered from _0000; there are: {have}."
        return Unusable("", name, MedDLError(Code.CHANNELS_MISMATCH, message, "Add the files that are missing."))
    if suffix_of(label) == SEG_NRRD:
        try:
            return Case("", name, images, (SegNrrdFile(label),), segments_of_seg_file(label))
        except MedDLError as error:
            return Unusable("", name, error)
    return Case("", name, images, (LabelFile(label),), segments)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise MedDLError(Code.DATA_INVALID, f"{path.name} cannot be read as JSON.") from error
    if not isinstance(content, Mapping):
        raise _wrong("is not an object")
    return content


def _wrong(problem: str) -> MedDLError:
    return MedDLError(Code.DATA_INVALID, f"{DATASET_JSON} {problem}.")


def _channels(content: Mapping[str, Any]) -> tuple[Channel, ...]:
    table = content.get("channel_names", content.get("modality"))
    if not isinstance(table, Mapping) or not 0 < len(table) <= MOST_CHANNELS:
        raise _wrong('has no channels: "channel_names" (or "modality") must be like {"0": "CT"}')
    if set(table) != {str(n) for n in range(len(table))}:
        raise _wrong("does not number its channels from 0")
    names = [one_line(str(table[str(n)]), LONGEST_NAME) or f"channel {n}" for n in range(len(table))]
    if len(set(names)) < len(names):
        names = [f"{name} {n}" for n, name in enumerate(names)]
    return tuple(Channel(name, MODALITIES.get(name.casefold().split()[0])) for name in names)


def _segments(content: Mapping[str, Any]) -> tuple[Segment, ...]:
    """The structures. A structure of several values is a region, and regions may hold each other."""
    table = content.get("labels")
    if not isinstance(table, Mapping) or not table:
        raise _wrong('has no "labels"')
    by_number = all(re.fullmatch(r"\d{1,5}", str(key)) for key in table) and all(
        isinstance(value, str) for value in table.values()
    )
    pairs = (
        [(name, [int(key)]) for key, name in table.items()]
        if by_number
        else [(k, _values(k, v)) for k, v in table.items()]
    )
    if [0] not in [values for _, values in pairs]:
        raise _wrong("has labels without a background of the value 0")
    named = [
        (one_line(str(name), LONGEST_NAME) or f"label {values[0]}", values) for name, values in pairs if values != [0]
    ]
    if "ignore" in (name for name, _ in named):
        raise _wrong('has a label "ignore", for voxels that nobody annotated; MedDL trains on whole annotations only')
    if not named or len({name for name, _ in named}) < len(named):
        raise _wrong("names no structure, or two by one name")
    return tuple(Segment(name, tuple(values)) for name, values in sorted(named, key=lambda item: min(item[1])))


def _values(name: str, value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < 65536:
            raise _wrong(f"gives the label {shown(name)} the value {shown(value)}")
    if not values or (0 in values and len(values) > 1):
        raise _wrong(f"gives the label {shown(name)} the value {shown(value)}")
    return sorted(set(values))


def _images(folder: Path, content: Mapping[str, Any]) -> dict[str, dict[int | None, Path]]:
    """The images of each case, by channel."""
    images: dict[str, dict[int | None, Path]] = defaultdict(dict)
    for name, entry in _declared(content).items():
        for n, path in enumerate(entry["images"]):
            images[name][n] = folder / path
    if images:
        return images
    files = [path for path in sorted((folder / IMAGES).glob("*")) if suffix_of(path)]
    labels = {stem_of(path) for path in (folder / LABELS).glob("*") if suffix_of(path)}
    for path in files:
        stem = stem_of(path)
        numbered = CHANNEL.fullmatch(stem)
        if numbered and stem not in labels:
            images[numbered[1]][int(numbered[2])] = path
        else:
            images[stem][None] = path
    return images


def _labels(folder: Path, content: Mapping[str, Any]) -> dict[str, Path]:
    declared = _declared(content)
    if declared:
        return {name: folder / entry["label"] for name, entry in declared.items()}
    return {stem_of(path): path for path in sorted((folder / LABELS).glob("*")) if suffix_of(path)}


def _declared(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """nnU-Net 2's list of files, ``{case: {"images": [...], "label": ...}}``."""
    table = content.get("dataset", {})
    whole = isinstance(table, Mapping) and all(
        isinstance(entry, Mapping)
        and isinstance(entry.get("label"), str)
        and isinstance(entry.get("images"), list)
        and all(isinstance(path, str) for path in entry["images"])
        for entry in table.values()
    )
    if not whole:
        raise _wrong('has a "dataset" that is not {case: {"images": [...], "label": ...}}')
    return table  # type: ignore[no-any-return]
