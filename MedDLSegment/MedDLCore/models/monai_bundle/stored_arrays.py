"""Arrays that a bundle keeps in a file of its own, such as a searched architecture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import Code, MedDLError
from ..inside import path_inside
from ..weights import read_checkpoint

MOST_VALUES = 10_000
"""Numbers of an array that a description can hold."""


class StoredArrays:
    """A dictionary in PyTorch's zip format: its numbers, lists and arrays as plain data.

    It is read with PyTorch's restricted unpickler, which makes tensors and numpy's arrays of numbers and nothing else.
    """

    def __init__(self, folder: Path, file: str) -> None:
        """Takes a path within the bundle's folder; read when it is asked for something.

        Raises:
            MedDLError: MODEL_INVALID for a path out of the folder.
        """
        self._path = path_inside(folder, file)

    def __getitem__(self, key: str) -> Any:
        """Plain data: numbers, and lists of them.

        Raises:
            KeyError: for a name that is not there.
            MedDLError: MODEL_INVALID where it is something else; MODEL_UNSAFE, MODEL_CORRUPT.
        """
        return _plain(self._content[key], f"{self._path.name}: {key}")

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        if not self._path.is_file():
            raise MedDLError(Code.MODEL_INVALID, f"The file {self._path.name!r} is missing.")
        content = read_checkpoint(self._path, arrays=True)
        if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
            raise MedDLError(Code.MODEL_INVALID, f"{self._path.name} does not hold named values.")
        return content


def _plain(value: Any, where: str) -> Any:
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, (list, tuple)):
        value = np.array(value)
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biuf" or value.size > MOST_VALUES or not np.isfinite(value).all():
            raise MedDLError(Code.MODEL_INVALID, f"{where} is not an array of at most {MOST_VALUES} numbers.")
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise MedDLError(Code.MODEL_INVALID, f"{where} is not plain data.")
