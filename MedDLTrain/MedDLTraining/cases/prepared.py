"""Each case prepared once, by the very function that inference uses, and kept as arrays that are mapped into memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.atomic import atomic_path
from MedDLCore.errors import Code, MedDLError
from MedDLCore.plain_data import to_plain
from MedDLCore.preprocess import prepare
from MedDLCore.spec import ModelSpec
from MedDLCore.writers import content_hash

from ..data import Case, DataSet
from ..data.files import content_of
from .truth import on_network_grid

PLACES = 10_000
"""Voxels of each label that are remembered, to centre patches on."""

MOST_LABELS = 255
"""Labels of one training: masks and label values are kept in one byte."""


@dataclass(frozen=True)
class PreparedCase:
    """A case as the network sees it.

    Attributes:
        id: its pseudonym.
        folder: where its arrays are.
        patient: as in ``Case``.
        sha256: of each of its images, by content; see ``writers.content_hash``.
        truth_sha256: of ``truth``.
    """

    id: str
    folder: Path
    patient: str = ""
    sha256: tuple[str, ...] = ()
    truth_sha256: str = ""

    @cached_property
    def image(self) -> NDArray[np.float32]:
        """``(C, d0, d1, d2)``, mapped into memory."""
        array: NDArray[np.float32] = np.load(self.folder / f"{self.id}_image.npy", mmap_mode="r")
        return array

    @cached_property
    def truth(self) -> NDArray[np.uint8]:
        """``(1, d0, d1, d2)`` values, or ``(N, d0, d1, d2)`` masks; mapped into memory. See ``on_network_grid``."""
        array: NDArray[np.uint8] = np.load(self.folder / f"{self.id}_truth.npy", mmap_mode="r")
        return array

    @cached_property
    def places(self) -> dict[int, NDArray[np.int64]]:
        """For each label that the case has, ``(n, 3)`` indices of some of its voxels, evenly taken."""
        with np.load(self.folder / f"{self.id}_places.npz") as stored:
            return {int(key): stored[key].astype(np.int64) for key in stored.files}


def prepare_cases(
    data_set: DataSet,
    spec: ModelSpec,
    folder: Path,
    cases: Sequence[Case] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[PreparedCase, ...]:
    """Prepares cases, one in memory at a time. What is there from an earlier run of the same files and grid is kept.

    Args:
        data_set: where the cases are from.
        spec: the model that will be trained: grid and intensity.
        folder: for the arrays; made for its owner alone. Names in it are the cases' pseudonyms.
        cases: of the data set; None: all.
        on_progress: told (done, of).

    Raises:
        MedDLError: as ``DataSet.load`` and ``preprocess.prepare``; DATA_INVALID for more than ``MOST_LABELS`` labels;
            NO_SPACE, OUTPUT_UNWRITABLE.
    """
    if len(spec.labels) > MOST_LABELS:
        raise MedDLError(Code.DATA_INVALID, f"A training can have {MOST_LABELS} labels, not {len(spec.labels)}.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = data_set.cases if cases is None else tuple(cases)
    prepared = []
    for n, case in enumerate(wanted, start=1):
        prepared.append(_prepared(case, data_set, spec, folder))
        if on_progress is not None:
            on_progress(n, len(wanted))
    return tuple(prepared)


def _prepared(case: Case, data_set: DataSet, spec: ModelSpec, folder: Path) -> PreparedCase:
    note, made_of = folder / f"{case.id}.json", _made_of(case, data_set, spec)
    known = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    contents, truth_sha256 = known.pop("contents", ()), known.pop("truth", "")
    if contents and known == made_of:
        return PreparedCase(case.id, folder, case.patient, tuple(contents), truth_sha256)
    note.unlink(missing_ok=True)
    loaded = data_set.load(case)
    contents = [content_hash(volume) for volume in loaded.volumes]
    seen = prepare(loaded.volumes, replace(spec, clicks=None))  # there is none to keep
    truth = on_network_grid(loaded.truth, seen, spec)
    _save(folder / f"{case.id}_image.npy", np.asarray(seen.array))
    _save(folder / f"{case.id}_truth.npy", truth)
    with atomic_path(folder / f"{case.id}_places.npz") as path:
        np.savez(path, **_places(truth, len(spec.labels)))  # type: ignore[arg-type]
    truth_sha256 = hashlib.sha256(np.ascontiguousarray(truth).data).hexdigest()
    with atomic_path(note) as path:  # last: it vouches for the others
        path.write_text(json.dumps({**made_of, "contents": contents, "truth": truth_sha256}), encoding="utf-8")
    return PreparedCase(case.id, folder, case.patient, tuple(contents), truth_sha256)


def _made_of(case: Case, data_set: DataSet, spec: ModelSpec) -> dict[str, str]:
    """What the arrays depend on, as digests: sources hold paths, and rows of the table names."""
    settings = {
        "grid": to_plain(spec.grid),
        "intensity": [to_plain(spec.intensity_of(n)) for n in range(len(spec.channels))],
        "statistics": spec.statistics,
        "steps_on_scan": spec.steps_on_scan,
        "foreground": to_plain(spec.foreground),
        "activation": spec.output.activation,
    }
    source = [repr((case.images, case.truths, case.segments)), repr(data_set.table.rows)]
    paths = [path for image in case.images for path in image.files] + [
        path for truth in case.truths for path in truth.files
    ]
    files = [content_of(path) for path in paths]
    return {
        name: hashlib.sha256(json.dumps(value).encode()).hexdigest()
        for name, value in (("settings", settings), ("source", source), ("files", files))
    }


def _save(path: Path, array: NDArray[Any]) -> None:
    with atomic_path(path) as unfinished:
        np.save(unfinished, np.ascontiguousarray(array))


def _places(truth: NDArray[np.uint8], labels: int) -> dict[str, NDArray[np.int32]]:
    places = {}
    for value in range(1, labels + 1):
        mask = truth[0] == value if len(truth) == 1 and labels > 1 else truth[value - 1] > 0
        found = np.flatnonzero(mask)
        if len(found):
            chosen = found[:: -(-len(found) // PLACES)]
            places[str(value)] = np.stack(np.unravel_index(chosen, mask.shape), axis=1).astype(np.int32)
    return places
