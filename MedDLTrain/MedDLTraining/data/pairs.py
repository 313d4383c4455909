"""Scans and label maps that belong together by their names: ``images/a.nii.gz`` and ``labels/a.nii.gz``,
``a_image.nrrd`` and ``a_mask.nrrd``, ``a.nii.gz`` and ``a.seg.nrrd``, ``patient7/ct.nii`` and ``patient7/ct_seg.nii``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel

from .case import Case, Segment, Unusable
from .files import (
    SEG_NRRD,
    LabelFile,
    SegNrrdFile,
    VolumeFile,
    segments_beside,
    segments_numbered,
    segments_of_seg_file,
    stem_of,
    suffix_of,
    values_in,
)
from .found import Found, alone, patient_digest

IMAGE_WORDS = {"image", "images", "imagestr", "img", "imgs", "volume", "volumes", "scan", "scans"}
LABEL_WORDS = {
    *("label", "labels", "labelstr", "mask", "masks", "msk", "seg", "segs", "segmentation", "segmentations"),
    *("truth", "groundtruth", "gt", "annotation", "annotations", "roi", "rois", "manual"),
}
"""Words at the start or end of a name, or names of folders, that say what a file is."""

Key = tuple[tuple[str, ...], str]
"""The folders of a file and its name, without the words that say what it is, in lower case."""


@dataclass(frozen=True)
class _File:
    """A file.

    Attributes:
        folders: those above it whose names say more than what it is.
        words: of its name, and what stands between them, without those that say what it is.
    """

    path: Path
    folders: tuple[str, ...]
    words: tuple[str, ...]
    is_label: bool
    channel: int = 0

    @property
    def key(self) -> Key:
        return tuple(part.casefold() for part in self.folders), "_".join(self.words[::2]).casefold()

    @property
    def name(self) -> str:
        return "/".join((*self.folders, "".join(self.words))).rstrip("/") or self.path.name


def read_pairs(
    folder: Path,
    files: Sequence[Path],
    channels: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Pairs the volume files of a folder.

    A file is a label map where its name, or a folder above it, says so (``LABEL_WORDS``), and where it is
    ``.seg.nrrd``. What is left of the names must be the same. Beside a folder's only scan, ``mask.nii.gz``, of which
    nothing is left, and a ``.seg.nrrd`` of any name are its own. ``sub-…`` in a name is the patient (BIDS).

    Args:
        folder: the data set's.
        files: volume files below it.
        channels: names of channels, in their order, as the scans' names end (``T1`` for ``case7_T1.nii.gz``); empty:
            files that end in ``_0000``, ``_0001`` are channels, and all others are scans of one channel.
        on_progress: told how many label maps were looked through, for values that nothing names.
    """
    sorted_out = [_sorted_out(path, folder) for path in sorted(files)]
    images: dict[Key, list[_File]] = defaultdict(list)
    labels: dict[Key, list[_File]] = defaultdict(list)
    for file in sorted_out:
        if file.is_label:
            labels[file.key].append(file)
    for file in sorted_out:
        if not file.is_label:
            scan = _with_channel(file, channels, labels)
            images[scan.key].append(scan)
    _join_alone(images, labels)
    count = len(channels) or 1 + max((file.channel for group in images.values() for file in group), default=0)
    cases: list[Case] = []
    unusable: list[Unusable] = []
    for key in sorted({*images, *labels}):
        found = _case(images.get(key, []), labels.get(key, []), count, folder)
        (cases if isinstance(found, Case) else unusable).append(found)  # type: ignore[arg-type]
    return _named(Found(tuple(cases), tuple(unusable), _channels(channels, count)), on_progress)


def _channels(names: Sequence[str], count: int) -> tuple[Channel, ...]:
    if names:
        return tuple(map(Channel, names))
    return (Channel("image"),) if count == 1 else tuple(Channel(f"channel {n}") for n in range(count))


def _sorted_out(path: Path, folder: Path) -> _File:
    """What the name says: which case, and scan or label map."""
    parents = path.relative_to(folder).parts[:-1]
    words = re.split(r"([_\-. ]+)", stem_of(path))
    roles = {words[0].casefold(), words[-1].casefold(), *map(str.casefold, parents)}
    is_label = suffix_of(path) == SEG_NRRD or bool(LABEL_WORDS & roles)
    own = LABEL_WORDS if is_label else IMAGE_WORDS
    while words and words[0].casefold() in own:
        words = words[2:]
    while words and words[-1].casefold() in own:
        words = words[:-2]
    kept = tuple(part for part in parents if part.casefold() not in LABEL_WORDS | IMAGE_WORDS)
    return _File(path, kept, tuple(words), is_label)


def _with_channel(file: _File, channels: Sequence[str], labels: Collection[Key]) -> _File:
    """A scan, its name without what names the channel. A number that its label map has too is none of a channel."""
    if file.key in labels and not channels:
        return file
    words, channel = _without_channel(list(file.words), channels)
    return replace(file, words=tuple(words), channel=channel)


def _without_channel(words: list[str], channels: Sequence[str]) -> tuple[list[str], int]:
    """The words and the separators between them, without what names the channel; its number, -1 where it is unknown."""
    if not channels:
        numbered = len(words) > 1 and re.fullmatch(r"\d{4}", words[-1]) is not None
        return (words[:-2], int(words[-1])) if numbered else (words, 0)
    for n, name in enumerate(channels):
        length = len(re.split(r"[_\-. ]+", name))
        if "_".join(words[::2][-length:]).casefold() == re.sub(r"[_\-. ]+", "_", name).casefold():
            return words[: max(0, len(words) - 2 * length)], n
    return words, -1


def _join_alone(images: Mapping[Key, list[_File]], labels: dict[Key, list[_File]]) -> None:
    """Gives a folder's only scan the segmentations beside it that have no name of another: several are ambiguous."""
    folders: dict[Path, list[Key]] = defaultdict(list)
    for key, files in images.items():
        for parent in {file.path.parent for file in files}:
            folders[parent].append(key)
    for parent, keys in folders.items():
        others = [key for key, files in labels.items() if key not in images and _goes_with_any(files, parent)]
        if len(keys) == 1 and keys[0] not in labels and others:
            labels[keys[0]] = [file for key in others for file in labels.pop(key)]


def _goes_with_any(files: Sequence[_File], parent: Path) -> bool:
    """Label maps in this folder that are called nothing but what they are, and segmentations of Slicer."""
    return all(
        file.path.parent == parent and (suffix_of(file.path) == SEG_NRRD or not any(file.words)) for file in files
    )


def _case(images: list[_File], labels: list[_File], count: int, folder: Path) -> Case | Unusable:
    name = (images or labels)[0].name
    if not labels:
        return alone(_shown(images, folder), "image", "label map")
    if not images:
        return alone(_shown(labels, folder), "label map", "image")
    by_channel = {file.channel: file for file in images}
    if len(labels) > 1 or len(by_channel) < len(images):
        together = _shown([*images, *labels], folder)
        return Unusable("", name, MedDLError(Code.PAIR_AMBIGUOUS, f"Which of these belong together? {together}."))
    if set(by_channel) != set(range(count)):
        message = f"{name} needs {count} channels; there are: {_shown(images, folder)}."
        return Unusable("", name, MedDLError(Code.CHANNELS_MISMATCH, message, "Add the files that are missing."))
    label = labels[0].path
    truth = SegNrrdFile(label) if suffix_of(label) == SEG_NRRD else LabelFile(label)
    sources = tuple(VolumeFile((by_channel[n].path,)) for n in range(count))
    subject = re.search(r"(?:^|[/_])sub-([A-Za-z0-9]+)", images[0].path.relative_to(folder).as_posix())
    return Case("", name, sources, (truth,), (), patient_digest(subject[1] if subject else ""))


def _shown(files: Iterable[_File], folder: Path) -> str:
    return ", ".join(file.path.relative_to(folder).as_posix() for file in files)


def _named(found: Found, on_progress: Callable[[int, int], None] | None) -> Found:
    """The cases with their segments: by the header, by the file beside, or else by every value that any case has."""
    segments: dict[int, tuple[Segment, ...]] = {}
    values: dict[int, tuple[int, ...]] = {}
    failed: dict[int, MedDLError] = {}
    for n, case in enumerate(found.cases):
        truth = case.truths[0]
        try:
            if isinstance(truth, SegNrrdFile):
                segments[n] = segments_of_seg_file(truth.path)
            elif isinstance(truth, LabelFile):
                beside = segments_beside(truth.path)
                if beside is None:
                    values[n] = values_in(truth.path)
                else:
                    segments[n] = beside
        except MedDLError as error:
            failed[n] = error
        if on_progress is not None:
            on_progress(n + 1, len(found.cases))
    numbered = segments_numbered({value for its in values.values() for value in its})
    cases = tuple(
        replace(case, segments=segments.get(n, numbered)) for n, case in enumerate(found.cases) if n not in failed
    )
    broken = tuple(Unusable("", found.cases[n].name, error) for n, error in failed.items())
    stored = tuple(value for segment in numbered for value in segment.values)
    return replace(found, cases=cases, unusable=found.unusable + broken, stored_values=stored, named=not values)
