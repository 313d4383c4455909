"""Smooth random fields of the world: the same at a point, whatever the grid that samples them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..volume import Geometry


@dataclass(frozen=True, eq=False)
class Waves:
    """A sum of plane waves: ``sum(amplitude * cos(2 pi (vector . ras) + phase))``.

    Attributes:
        vectors: ``(M, 3)`` cycles per mm along R, A, S.
        phases: ``(M,)`` radians.
        amplitude: of each wave.
    """

    vectors: NDArray[np.float64]
    phases: NDArray[np.float64]
    amplitude: float

    @classmethod
    def random(cls, rng: np.random.Generator, wavelength: tuple[float, float], deviation: float = 1.0) -> Waves:
        """Waves of all directions.

        Args:
            rng: where chance comes from.
            wavelength: shortest and longest, mm.
            deviation: standard deviation of the field over the world.
        """
        count = 24
        towards = rng.normal(size=(count, 3))
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        frequency = rng.uniform(1 / wavelength[1], 1 / wavelength[0], size=(count, 1))
        return cls(towards * frequency, rng.uniform(0, 2 * np.pi, size=count), deviation * np.sqrt(2 / count))

    def __call__(self, geometry: Geometry) -> NDArray[np.float32]:
        """``geometry.shape`` float32: the field at every voxel.

        On a grid a plane wave is the product of one wave along each axis, so that no cosine of a whole volume is taken.
        """
        start = 2 * np.pi * (self.vectors @ geometry.origin) + self.phases
        step = 2 * np.pi * (self.vectors @ geometry.ijk_to_ras[:3, :3])
        k, j, i = (np.exp(1j * np.outer(np.arange(n), step[:, 2 - axis])) for axis, n in enumerate(geometry.shape))
        plane = (k * (self.amplitude * np.exp(1j * start)))[:, None, :] * j
        along = i.T
        # The real part of plane @ along, as one real product.
        left = np.concatenate([plane.real, -plane.imag], axis=-1).astype(np.float32)
        right = np.concatenate([along.real, along.imag], axis=0).astype(np.float32)
        field: NDArray[np.float32] = left @ right
        return field
