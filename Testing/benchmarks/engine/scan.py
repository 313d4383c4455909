"""The scans: a made body full of organs, or a real CT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.readers import read

from .cases import Case

BRIGHTEST = 1872.0
"""HU of the last class; the others lie evenly between it and the body's 0."""

AIR = -1000.0
NOISE = {"unet": 20.0, "anatomy": 5.0, "noise": 100.0}
"""Standard deviation, HU. What ``noise`` makes of the scan is nothing but noise: it should not be that of rounding."""

PITCH = 40.0
"""mm from one organ to the next."""

RIM = 2.0
"""mm from an organ's outside to its inside."""


class ScanMissingError(Exception):
    """A real scan is not on this machine."""


def make_scan(case: Case) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """The case's scan, ``(K, J, I)`` HU, and its spacing along K, J, I in mm.

    Raises:
        ScanMissingError: naming the file.
    """
    if not case.scan:
        return _body(case), case.voxel
    data = Path(os.environ.get("MEDDL_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
    if not (data / case.scan).is_file():
        raise ScanMissingError(f"there is no {case.scan} in the test data; set MEDDL_TEST_DATA")
    (volume,) = read(data / case.scan)
    k, j, i = volume.geometry.spacing[::-1]
    return volume.array, (float(k), float(j), float(i))


def _body(case: Case) -> NDArray[np.int16]:
    """An elliptic cylinder of soft tissue in air; each organ's HU says its class. For noise there are none."""
    generator = np.random.default_rng(0)
    at = [np.arange(n) * mm for n, mm in zip(case.shape, case.voxel, strict=True)]
    extent = [n * mm for n, mm in zip(case.shape, case.voxel, strict=True)]
    radius = np.hypot(*np.ix_(*(2.17 * (x / size - 0.5) for x, size in zip(at[1:], extent[1:], strict=True))))
    tissue = np.clip((1 - radius) * min(extent[1:]) / 2 / RIM, 0, 1).astype(np.float32)
    organs = [] if case.network == "noise" else _organs(extent, case.classes, generator)
    scan = np.empty(case.shape, np.int16)
    for k, plane in zip(at[0], scan, strict=True):
        values = np.zeros(case.shape[1:], np.float32)
        for hounsfield, centre, radii in organs:
            if abs(k - centre[0]) < radii[0]:
                _draw(values, hounsfield, (k, *at[1:]), centre, radii)
        values = AIR + tissue * (values - AIR)
        values += NOISE[case.network] * generator.standard_normal(values.shape, np.float32)
        np.rint(values, out=values)
        plane[:] = values
    return scan


def _organs(extent: list[float], classes: int, generator: np.random.Generator) -> list[tuple[float, Any, Any]]:
    """HU, centre and radii in mm of organs that do not touch, in columns along K, every class in turn."""
    cells = [max(1, round(size / PITCH)) for size in extent]
    pitch = np.array(extent) / cells
    values = generator.permutation(np.arange(1, classes))
    begins = generator.uniform(0, 1, cells[1:])
    organs = []
    for cell in np.ndindex(*cells):
        centre = np.add(cell, (begins[cell[1:]], 0.5, 0.5)) * pitch
        if np.hypot(*(2.17 * (centre[1:] / extent[1:] - 0.5))) < 0.9:
            radii = generator.uniform(0.44, 0.5, 3) * pitch
            organs.append((BRIGHTEST / (classes - 1) * float(values[len(organs) % len(values)]), centre, radii))
    return organs


def _draw(values: NDArray[np.float32], hounsfield: float, at: Any, centre: Any, radii: Any) -> None:
    """Adds an organ to a plane: a box with very round corners."""
    j, i = (
        slice(*np.searchsorted(x, (middle - radius, middle + radius)))
        for x, middle, radius in zip(at[1:], centre[1:], radii[1:], strict=True)
    )
    k, *plane = (
        (x - middle) / radius for x, middle, radius in zip((at[0], at[1][j], at[2][i]), centre, radii, strict=True)
    )
    distance = (k**4 + np.add.outer(plane[0] ** 4, plane[1] ** 4)) ** 0.25
    values[j, i] += hounsfield * np.clip((1 - distance) * min(radii) / RIM, 0, 1)
