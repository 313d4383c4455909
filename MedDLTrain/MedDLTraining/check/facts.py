"""What is measured of a case while it is in memory: the check and the plan of a training need no voxels later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from MedDLCore.errors import MedDLError, Notice
from MedDLCore.preprocess.prepare import common_part
from MedDLCore.readers.values import check_hounsfield
from MedDLCore.resample import resample
from MedDLCore.volume import Geometry, LabelMap, Volume

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
        foreground: ``(N,)`` float32: values where a structure is, evenly taken; of a channel on the first one's grid.
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
        error: why the case could not be read; everything else is empty then.
    """

    id: str
    patient: str
    images: tuple[ImageFacts, ...] = ()
    labels: Mapping[str, LabelFacts] = ()  # type: ignore[assignment]
    apart: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()
    lost: float = 0.0
    shared: tuple[str, ...] = ()
    overlap: int = 0
    truth_sha256: str = ""
    error: MedDLError | None = None


def examine(case: Case, data_set: DataSet) -> tuple[CaseFacts, Loaded | None]:
    """Reads a case and measures it. A case that cannot be read gives facts with an ``error``, and None."""
    try:
        volumes = tuple(image.read() for image in case.images)
        truths = [truth.read(volumes[0]) for truth in case.truths]
        composed = compose(case, truths, data_set.table, volumes[0].geometry)
    except MedDLError as error:
        return CaseFacts(case.id, case.patient, labels={}, error=error), None
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
    )


def _image(volume: Volume, first: Geometry, inside: NDArray[np.bool_]) -> ImageFacts:
    array = volume.array
    statistics = _thinned(array, STATISTICS_OF)
    same = volume.geometry.same_as(first)
    foreground = array[inside] if same else array[:0].ravel()
    return ImageFacts(
        volume.geometry,
        volume.modality,
        float(array.min()),
        float(array.max()),
        tuple(float(value) for value in np.percentile(statistics, PERCENTILES)),
        _thinned(array, SAMPLES),
        _thinned(foreground, SAMPLES),
        check_hounsfield(array) is None,
        _digest(_in_one_order(array, volume.geometry), np.float32),
        volume.notices,
        1.0 if same else common_part(first, volume.geometry),
    )


def _labels(truth: LabelMap, drawn: set[str]) -> dict[str, LabelFacts]:
    facts = {}
    for label in truth.labels:
        mask = truth.mask(label)
        voxels = int(np.count_nonzero(mask))
        centroid = _centroid(mask, truth.geometry) if voxels else None
        facts[label.name] = LabelFacts(label.name in drawn, voxels, voxels * truth.geometry.voxel_volume, centroid)
    return facts


def _centroid(mask: NDArray[np.bool_], geometry: Geometry) -> tuple[float, float, float]:
    """Centre of mass, RAS mm, from the sums along each axis: no list of voxels is made."""
    index = []
    for axis in (2, 1, 0):
        counts = mask.sum(axis=tuple(n for n in range(3) if n != axis), dtype=np.float64)
        index.append(float(counts @ np.arange(len(counts)) / counts.sum()))
    r, a, s = (float(mm) for mm in geometry.index_to_ras(index))
    return r, a, s


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
