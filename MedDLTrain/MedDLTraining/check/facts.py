"""What is measured of a case while it is in memory: the check and the plan of a training need no voxels later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from MedDLCore.errors import MedDLError, Notice
from MedDLCore.preprocess.prepare import common_part
from MedDLCore.readers.values import check_hounsfield
from MedDLCore.resample import resample
from MedDLCore.volume import Geometry, LabelMap, Volume
from MedDLCore.writers import content_hash

from ..data.case import Case
from ..data.composing import Composed, compose
from ..data.data_set import DataSet, Loaded

SAMPLES = 4096
"""Values that are kept of an image, and of its foreground."""

STATISTICS_OF = 400_000
"""Voxels of a regular subgrid from which percentiles are taken."""

PERCENTILES = (0.5, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 99.5)


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """One channel of a case.

    Attributes:
        geometry: its grid.
        modality: as its file or the data set says.
        minimum, maximum: of all voxels.
        percentiles: ``PERCENTILES`` of all voxels.
        sample: ``(N,)`` float32: values on a regular subgrid.
        foreground: ``(N,)`` float32: values where a structure is, evenly taken.
        hounsfield: the values can be Hounsfield units.
        sha256: of the voxels alone, in one order whatever the header's: equal for copies of a scan.
        notices: the reader's warnings.
        common: the part of the first channel that lies within this one, 0 to 1.
    """

    geometry: Geometry
    modality: str | None
    minimum: float
    maximum: float
    percentiles: tuple[float, ...]
    sample: NDArray[np.float32]
    foreground: NDArray[np.float32]
    hounsfield: bool
    sha256: str
    notices: tuple[Notice, ...]
    common: float = 1.0

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Along the axes that run mostly R-L, A-P and S-I, mm."""
        r, a, s = (float(mm) for mm in self.geometry.reoriented("RAS").spacing)
        return r, a, s


@dataclass(frozen=True)
class LabelFacts:
    """One label of a case.

    Attributes:
        drawn: the case has a segment of it, be it empty.
        voxels: how many it has.
        volume: mm^3.
        centroid: RAS mm; None where it is empty.
    """

    drawn: bool
    voxels: int = 0
    volume: float = 0.0
    centroid: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """A case.

    Attributes:
        id, patient: the case's.
        images: one for each channel.
        labels: by name, every label of the table.
        apart, unknown, lost: as in ``Composed``.
        shared: names of the labels that several of its segments become.
        overlap: voxels that belong to several labels.
        truth_sha256: of the label map.
        contents: digests of its images, where a split has some to compare with: see ``Split.images``.
        error: why the case could not be read; everything else is empty then.
    """

    id: str
    patient: str
    images: tuple[ImageFacts, ...] = ()
    labels: Mapping[str, LabelFacts] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()
    lost: float = 0.0
    shared: tuple[str, ...] = ()
    overlap: int = 0
    truth_sha256: str = ""
    contents: tuple[str, ...] = ()
    error: MedDLError | None = None


def examine(case: Case, data_set: DataSet) -> tuple[CaseFacts, Loaded | None]:
    """Reads a case and measures it. A case that cannot be read gives facts with an ``error``, and None."""
    try:
        volumes = tuple(image.read() for image in case.images)
        truths = [truth.read(volumes[0]) for truth in case.truths]
        composed = compose(case, truths, data_set.table, volumes[0].geometry)
    except MedDLError as error:
        return CaseFacts(case.id, case.patient, error=error), None
    loaded = Loaded(volumes, composed.truth)
    return _facts(case, data_set, loaded, composed), loaded


def _facts(case: Case, data_set: DataSet, loaded: Loaded, composed: Composed) -> CaseFacts:
    truth = loaded.truth
    layers = [truth.layer(n) for n in range(truth.layers)]
    inside = np.logical_or.reduce([layer > 0 for layer in layers]) if len(layers) > 1 else layers[0] > 0
    overlap = int(np.count_nonzero(sum((layer > 0).astype(np.uint8) for layer in layers) > 1)) if len(layers) > 1 else 0
    drawn = {label.name for segment in case.segments if (label := data_set.table.label_of(case, segment)) is not None}
    return CaseFacts(
        case.id,
        case.patient,
        tuple(_image(volume, loaded.volumes[0].geometry, inside) for volume in loaded.volumes),
        _labels(truth, drawn),
        composed.apart,
        composed.unknown,
        composed.lost,
        tuple(label.name for label in composed.shared),
        overlap,
        _digest(truth.array, truth.array.dtype),
        tuple(map(content_hash, loaded.volumes)) if any(split.images for split in data_set.splits) else (),
    )


def _image(volume: Volume, first: Geometry, inside: NDArray[np.bool_]) -> ImageFacts:
    array = volume.array
    statistics = _thinned(array, STATISTICS_OF)
    same = volume.geometry.same_as(first)
    within = inside if same else resample(inside, first, volume.geometry, "nearest").astype(np.bool_)
    return ImageFacts(
        volume.geometry,
        volume.modality,
        float(array.min()),
        float(array.max()),
        tuple(float(value) for value in np.percentile(statistics, PERCENTILES)),
        _thinned(array, SAMPLES),
        _thinned(array[within], SAMPLES),
        check_hounsfield(array) is None,
        _digest(_in_one_order(array, volume.geometry), np.float32),
        volume.notices,
        1.0 if same else common_part(first, volume.geometry),
    )


def _labels(truth: LabelMap, drawn: set[str]) -> dict[str, LabelFacts]:
    moments = [_moments(truth.layer(n), len(truth.labels) + 1) for n in range(truth.layers)]
    facts = {}
    for label in truth.labels:
        counts, sums = moments[label.layer]
        voxels = int(counts[label.value])
        centroid = None
        if voxels:
            r, a, s = (float(mm) for mm in truth.geometry.index_to_ras(sums[label.value] / voxels))
            centroid = (r, a, s)
        facts[label.name] = LabelFacts(label.name in drawn, voxels, voxels * truth.geometry.voxel_volume, centroid)
    return facts


def _moments(layer: NDArray[Any], values: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """``(values,)`` voxels of each value, and ``(values, 3)`` sums of their i, j, k: one pass for all of them."""
    counts, sums = np.zeros(values, np.int64), np.zeros((values, 3))
    j, i = (index.ravel().astype(np.float64) for index in np.indices(layer.shape[1:]))
    for k, plane in enumerate(layer):
        flat = plane.ravel()
        if not flat.any():
            continue
        of_plane = np.bincount(flat, minlength=values)
        counts += of_plane
        sums[:, 0] += np.bincount(flat, i, values)
        sums[:, 1] += np.bincount(flat, j, values)
        sums[:, 2] += of_plane * k
    return counts, sums


def _thinned(array: NDArray[Any], count: int) -> NDArray[np.float32]:
    """About ``count`` values, evenly taken."""
    flat = array.reshape(-1)
    step = max(1, flat.size // count)
    step += step > 1 and any(n > 1 and step % n == 0 for n in array.shape)  # not the same column each time
    return flat[::step].astype(np.float32)


def _in_one_order(array: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """The same voxels along RAS, so that a copy that is stored in another order is seen to be one."""
    return resample(array, geometry, geometry.reoriented("RAS"), "nearest")


def _digest(array: NDArray[Any], dtype: DTypeLike) -> str:
    """SHA-256 of the shape and the values in one type. Plane by plane: no copy of the whole is made."""
    digest = hashlib.sha256(str(array.shape).encode())
    for block in array:
        digest.update(np.ascontiguousarray(block, dtype=dtype).data)
    return digest.hexdigest()
