"""Where a person looks first."""

from __future__ import annotations

import numpy as np
import pytest

from MedDLCore.uncertainty import least_sure
from MedDLCore.volume import Geometry

TURNED = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
GRID = Geometry.from_parts((30, 24, 21), (2.0, 2.5, 4.0), TURNED, (5, 6, 7))


def test_what_is_unsure_over_a_centimetre_comes_before_a_single_voxel() -> None:
    unsure = np.zeros(GRID.shape, np.float32)
    unsure[2, 3, 4] = 0.6
    unsure[28:30, 20:24, 15:20] = 0.2
    unsure[29, 22, 17] = 0.3
    assert least_sure(unsure, GRID) == pytest.approx(tuple(GRID.index_to_ras((17, 22, 29))))


def test_the_last_and_smaller_block_of_each_axis_counts() -> None:
    unsure = np.zeros(GRID.shape, np.float32)
    unsure[29, 23, 20] = 0.1
    assert least_sure(unsure, GRID) == pytest.approx(tuple(GRID.index_to_ras((20, 23, 29))))


def test_of_a_scan_of_which_a_model_is_sure_nothing_is_named() -> None:
    assert least_sure(np.zeros(GRID.shape, np.float32), GRID) is None
