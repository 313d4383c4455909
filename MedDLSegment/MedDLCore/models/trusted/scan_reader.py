"""Gives MONAI's loading transforms the scan that MedDL has read, where they expect a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def scan_reader(affine: NDArray[np.float64]) -> Any:
    """A reader for MONAI of ``.npy`` files of ``(I, J, K)`` voxels that all lie at one place.

    Several files become the channels of one image, as MONAI's own readers have it.

    Args:
        affine: ``(4, 4)`` mm, from indices i, j, k to RAS.
    """
    from monai.data import ImageReader
    from monai.utils import ensure_tuple

    class ScanReader(ImageReader):  # type: ignore[misc]
        """Whatever a bundle asks for, this is what there is."""

        def verify_suffix(self, filename: Any) -> bool:  # noqa: ARG002
            return True

        def read(self, data: Any, **_: Any) -> Sequence[NDArray[Any]]:
            return [np.load(name, allow_pickle=False) for name in ensure_tuple(data)]

        def get_data(self, img: Any) -> tuple[NDArray[Any], dict[str, Any]]:
            array = np.stack(img) if len(img) > 1 else img[0]
            return array, {
                "affine": affine.copy(),
                "original_affine": affine.copy(),
                "space": "RAS",
                "spatial_shape": np.array(array.shape[-3:]),
                "original_channel_dim": 0 if len(img) > 1 else float("nan"),
            }

    return ScanReader()
