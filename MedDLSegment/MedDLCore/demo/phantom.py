"""A CT-like trunk made by rule, of which the truth is known: every organ's place is computed, not drawn.

It is made to be hard for thresholds. All organs, the wall's muscles and the bowel have overlapping Hounsfield units;
organs touch each other and the wall through gaps in the fat around them; there is noise, an uneven brightness and
partial volume. What tells organs apart is their shape and place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..volume import Geometry, LabelMap, Source, Volume
from .anatomy import LABELS, organ_shapes
from .fields import Waves
from .shapes import Ellipsoid, Field, Points, column, rotation, tube

AIR, FAT, LUNG, BONE, MARROW = -1000.0, -105.0, -840.0, 420.0, 170.0
SOFT = (46.0, 56.0)
"""HU between which the mean of every soft organ, muscle and bowel loop is drawn: none has a range of its own."""

FIELD_OF_VIEW = (342.0, 342.0, 294.0)
"""mm along R-L, A-P, S-I."""


def phantom_geometry(seed: int) -> Geometry:
    """The grid on which a scanner would deliver the phantom: LPS as in DICOM, about 3 mm, different for each seed."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    plane, slices = float(rng.uniform(2.8, 3.2)), float(rng.choice([2.5, 3.0, 3.5, 4.0]))
    spacing = np.array([plane, plane, slices])
    shape = np.round(np.array(FIELD_OF_VIEW) / spacing).astype(int)
    direction = np.diag([-1.0, -1.0, 1.0])
    middle = rng.uniform(-60, 60, 3)
    return Geometry.from_parts(
        shape[::-1].tolist(), spacing, direction, middle - direction @ (spacing * (shape - 1) / 2)
    )


def make_phantom(seed: int, geometry: Geometry | None = None) -> tuple[Volume, LabelMap]:
    """Makes a body and its truth.

    The body is a function of the world: on another grid the same seed gives the same body (with other noise).

    Args:
        seed: which individual, at least 0.
        geometry: the grid to scan it on; ``phantom_geometry(seed)`` if None, in whose middle the body always lies.

    Returns:
        CT volume, ``(K, J, I)`` int16 HU, and the label map on the same grid: uint8, ``LABELS``. The same on every
        machine but for single voxels on a border, where the last digits of sines differ.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0]))
    grid = phantom_geometry(seed) if geometry is None else geometry
    home = phantom_geometry(seed)
    centre = home.index_to_ras((np.array(home.shape[::-1]) - 1) / 2)
    body = _Body(grid, _body_points(rng, grid, centre))
    _paint_trunk(rng, body)
    hu = body.hu + Waves.random(rng, (250, 700), rng.uniform(8, 14))(grid)
    hu += _noise(rng, grid.shape) * rng.uniform(20, 30)
    array = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return Volume(array, grid, "CT", Source(format="phantom")), LabelMap(body.labels, grid, LABELS)


class _Body:
    """What is painted: HU and labels of every voxel. Later paint covers earlier."""

    def __init__(self, grid: Geometry, points: Points) -> None:
        self.grid = grid
        self.points = points
        self.hu = np.full(grid.shape, AIR, dtype=np.float32)
        self.labels = np.zeros(grid.shape, dtype=np.uint8)
        self._edge = np.float32(grid.voxel_volume ** (1 / 3))

    def paint(self, distance: Field, hu: float | Field, label: int = 0) -> None:
        """Fills a shape. A voxel on its surface is mixed by the part of it that lies inside (partial volume)."""
        inside = np.clip(0.5 - distance / self._edge, 0, 1)
        self.hu += inside * (hu - self.hu)
        self.labels[distance < 0] = label

    def texture(self, rng: np.random.Generator, wavelength: tuple[float, float], deviation: float = 1.0) -> Field:
        """A smooth random field on the grid."""
        return Waves.random(rng, wavelength, deviation)(self.grid)


def _body_points(rng: np.random.Generator, grid: Geometry, centre: NDArray[np.float64]) -> Points:
    """``(3, K, J, I)`` float32: where each voxel lies in body coordinates: pose, size, and a smooth deformation."""
    pose = rotation(rng.normal(0, 4, 3)) * rng.uniform(0.94, 1.06, 3)
    shift = centre + rng.uniform(-8, 8, 3)
    to_body = np.linalg.inv(pose)
    matrix, offset = to_body @ grid.ijk_to_ras[:3, :3], to_body @ (grid.origin - shift)
    points = np.empty((3, *grid.shape), dtype=np.float32)
    slices, rows, columns = grid.shape
    k, j, i = np.ogrid[:slices, :rows, :columns]
    for axis, row in enumerate(matrix):
        points[axis] = row[0] * i + row[1] * j + row[2] * k + offset[axis]
        points[axis] += Waves.random(rng, (90, 260), 4.5)(grid)
        points[axis] += Waves.random(rng, (28, 60), 0.7)(grid)
    return points


def _paint_trunk(rng: np.random.Generator, body: _Body) -> None:
    """Everything from the skin inwards."""
    points = body.points
    x, y, z = points

    def soft() -> float:
        return rng.uniform(*SOFT)

    skin = column(points, (148, 104), 2.5)
    wall = skin + rng.uniform(9, 20)
    cavity = wall + rng.uniform(9, 13)
    diaphragm = z - _dome(x, y, rng)

    body.paint(skin, FAT + body.texture(rng, (30, 90), 8))
    body.paint(wall, soft() + body.texture(rng, (14, 50), 10))
    body.paint(cavity, _bowel(rng, body))
    mediastinum = column(points, (34, 92), 2.0, centre=(-4, 0))
    lungs = np.maximum(np.maximum(cavity + 4, -diaphragm), -mediastinum)
    body.paint(lungs, LUNG + body.texture(rng, (12, 50), 45))
    body.paint(np.maximum(np.abs(diaphragm) - 3.5, cavity), soft())
    _paint_bones(rng, body, wall, cavity)
    for side in (-1, 1):  # psoas, from the spine down and outwards: the kidneys lean on it
        body.paint(tube(points, ((side * 26, -56, 10), (side * 46, -42, -170)), rng.uniform(17, 21)), soft())
    body.paint(tube(points, ((20, -26, -170), (18, -22, 20), (16, -4, 80)), rng.uniform(10, 12)), soft())  # vena cava
    body.paint(Ellipsoid((-14, 4, -10), (52, 13, 14), (0, 14, -14)).varied(rng)(points), soft())  # pancreas
    _paint_organs(rng, body, diaphragm, cavity)


def _dome(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Height of the diaphragm: two domes, the right one higher."""
    low, right, left = rng.uniform(28, 40), rng.uniform(30, 40), rng.uniform(20, 30)
    height: Field = (
        low
        + right * np.exp(-(np.square(x - 62) + np.square(y)) / np.float32(2 * 48**2))
        + left * np.exp(-(np.square(x + 66) + np.square(y)) / np.float32(2 * 44**2))
    )
    return height


def _bowel(rng: np.random.Generator, body: _Body) -> Field:
    """Loops of bowel and other soft tissue with streaks of fat and pockets of gas between them."""
    loops = body.texture(rng, (28, 70))
    tissue = body.texture(rng, (18, 60), 15) + rng.uniform(*SOFT) + 6
    hu: Field = FAT + (tissue - FAT) * np.clip((loops + 0.9) * 4, 0, 1)
    hu += (LUNG - hu) * np.clip((loops - 2.3) * 8, 0, 1)
    return hu


def _paint_bones(rng: np.random.Generator, body: _Body, wall: Field, cavity: Field) -> None:
    """Spine of vertebrae and discs, ribs that slant forwards and down, sternum."""
    x, y, z = body.points
    spongy = MARROW + body.texture(rng, (8, 24), 40)
    disc = rng.uniform(60, 90)
    phase = rng.uniform(0, 34)
    vertebrae = column(body.points, (22, 18), 2.4, centre=(0, -66))
    between = np.abs((z + phase) % 34 - 17) - 13.5
    spinous = np.maximum(np.maximum(np.abs(x) - 5, np.abs(y + 96) - 16), between)
    body.paint(np.maximum(vertebrae, between), BONE)
    body.paint(np.maximum(vertebrae, between) + 3.5, spongy)
    body.paint(np.maximum(vertebrae, -between), disc)
    body.paint(spinous, MARROW + 60)
    body.paint(column(body.points, (9, 8), 2.0, centre=(0, -93)), 30.0)  # spinal canal
    slant = (z + 0.45 * y + phase) % 30 - 15
    ribs = np.hypot((wall + cavity) / 2 * 1.3, slant) - 5.5
    ribs = np.maximum(np.maximum(ribs, -30 - z - 0.5 * y), y - 78)
    body.paint(ribs, BONE - 120)
    sternum = np.maximum(np.maximum(np.abs(x) - 16, np.abs(wall + 7) - 5), np.maximum(58 - z, -y))
    body.paint(sternum, MARROW + 20)


_BARE = {"liver": 2.0, "heart": 3.0}
"""By how many mm the layer of fat is thinner than other organs': the liver and the heart lie on the diaphragm."""


def _paint_organs(rng: np.random.Generator, body: _Body, diaphragm: Field, cavity: Field) -> None:
    """The labelled organs, each within a layer of fat that is broken where it touches its neighbours."""
    layer = np.clip(body.texture(rng, (30, 80)) * 3.0 + 0.8, 0, 4.0)
    value = {label.name: label.value for label in LABELS}
    for name, shape in organ_shapes(rng, body.points, diaphragm, cavity).items():
        mean = rng.uniform(*SOFT)
        hu = mean + body.texture(rng, (16, 60), 11)
        body.paint(shape - np.maximum(layer - _BARE.get(name, 0), 0), FAT + 10)
        body.paint(shape, hu, value[name])
        if name == "stomach":
            gas = np.maximum(shape + 5, rng.uniform(24, 50) - body.points[1])
            body.paint(gas, LUNG - 100, value[name])
        elif name == "liver":  # the gallbladder lies in the liver's bed and is not liver
            gallbladder = Ellipsoid((44, 38, -22), (12, 14, 22), (20, 0, 0)).varied(rng)(body.points)
            body.paint(np.maximum(gallbladder, diaphragm + 4), rng.uniform(*SOFT) - 15)


def _noise(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Noise of deviation 1 whose neighbours in a slice resemble each other, as reconstructed CT has."""
    white = rng.standard_normal(shape, dtype=np.float32)
    for axis in (1, 2):
        white = 0.8 * white + 0.6 * np.roll(white, 1, axis)
    return white
