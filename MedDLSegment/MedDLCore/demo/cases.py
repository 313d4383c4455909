"""What the demonstration's network learns from: ever new phantoms, as the model's own preprocessing delivers them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..preprocess import prepare
from ..resample import resample
from ..spec import ModelSpec
from ..volume import Geometry
from .phantom import make_phantom, phantom_geometry
from .shapes import rotation

FIRST_TRAINING_SEED = 1_000_000
"""Training takes the phantoms from here on; those below are for the demonstration, the tests and the measurements."""

PHANTOMS_PER_RUN = 1_000_000
"""Seeds that one run can take: runs with different seeds share no phantom."""

POOL = 24
"""Phantoms that are kept and cut from."""

STEPS_PER_PHANTOM = 4
"""After so many patches a new phantom comes; the oldest leaves when the pool is full."""

Case = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""What the network sees, ``(1, d0, d1, d2)`` float32, and the truth on the same grid, ``(d0, d1, d2)``."""


def training_patches(spec: ModelSpec, patches: int, seed: int = 0) -> Iterator[Case]:
    """Yields patches of ``spec.inference.patch`` from random places of ever new phantoms.

    Args:
        spec: preprocessing and patch.
        patches: how many.
        seed: of the phantoms, and of where they are cut; at least 0.
    """
    patch = spec.inference.patch
    if patch is None:
        raise ValueError("the network is trained on patches")
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    first = FIRST_TRAINING_SEED + seed * PHANTOMS_PER_RUN
    pool: list[Case] = []
    for n in range(patches):
        if n % STEPS_PER_PHANTOM == 0:
            pool = [*pool, training_case(spec, first + n // STEPS_PER_PHANTOM)][-POOL:]
        image, truth = pool[int(rng.integers(len(pool)))]
        yield _cut(image, truth, patch, rng, spec.inference.padding_value)


def training_case(spec: ModelSpec, seed: int) -> Case:
    """One phantom, varied more than the demonstration's are.

    Half of them are scanned on an oblique grid; spacing, brightness, contrast and noise vary. Nothing is mirrored:
    left and right are to be told apart.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 3]))
    volume, truth = make_phantom(seed, _scanned(phantom_geometry(seed), rng))
    noise = rng.standard_normal(volume.array.shape, dtype=np.float32) * rng.uniform(0, 12)
    varied = volume.array * rng.uniform(0.92, 1.08) + rng.uniform(-12, 12) + noise
    prepared = prepare([replace(volume, array=varied.astype(np.float32))], spec)
    return np.asarray(prepared.array), resample(truth.array, truth.geometry, prepared.geometry, "nearest")


def _scanned(geometry: Geometry, rng: np.random.Generator) -> Geometry:
    """The same field of view with another spacing and, every second time, turned about its middle."""
    scanned = geometry.with_spacing(geometry.spacing * rng.uniform(0.8, 1.4))
    middle = scanned.index_to_ras((np.array(scanned.shape[::-1]) - 1) / 2)
    turn = rotation(rng.uniform(-20, 20, 3)) if rng.random() < 0.5 else np.eye(3)
    origin = middle + turn @ (scanned.origin - middle)
    return Geometry.from_parts(scanned.shape, scanned.spacing, turn @ scanned.direction, origin)


def _cut(
    image: NDArray[np.float32],
    truth: NDArray[np.uint8],
    patch: tuple[int, int, int],
    rng: np.random.Generator,
    padding_value: float,
) -> Case:
    """A patch at a random place; a smaller volume is extended as the sliding window extends it."""
    widths = [
        ((p - n) // 2, p - n - (p - n) // 2) if p > n else (0, 0) for p, n in zip(patch, truth.shape, strict=True)
    ]
    image = np.pad(image, [(0, 0), *widths], constant_values=padding_value)
    truth = np.pad(truth, widths)
    starts = [int(rng.integers(n - p + 1)) for p, n in zip(patch, truth.shape, strict=True)]
    a, b, c = (slice(start, start + p) for start, p in zip(starts, patch, strict=True))
    return image[:, a, b, c], truth[a, b, c]
