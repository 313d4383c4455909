"""Weights files: recognised by their content, checked, and read without running anything in them.

Two kinds are read: safetensors, and PyTorch's zip format through its restricted unpickler. Everything else that PyTorch
can open (older pickles, whole pickled modules, TorchScript) may run code and is refused.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Code, MedDLError

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 20
"""Bytes that are hashed or copied at a time."""

CONVERT = (
    "Ask its author for the weights alone: safetensors.torch.save_file(model.state_dict(), 'model.safetensors'), "
    "or torch.save(model.state_dict(), 'model.pt') with a current PyTorch."
)

STATE_DICT_KEYS = ("state_dict", "model", "network_weights")
"""Where training programs keep the state dict within a checkpoint."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Reads a state dict. From safetensors the tensors' data stay in the file until they are used (memory-mapped).

    Raises:
        MedDLError: MODEL_UNSAFE for a file that may run code; MODEL_CORRUPT for a damaged one; MODEL_INVALID where
            it holds something else than named dense tensors of real numbers.
    """
    if is_safetensors(path):
        state: Any = _read_safetensors(path)
    else:
        state = read_checkpoint(path)
    return _checked(state, path.name)


def read_checkpoint(path: Path) -> Any:
    """What a file of PyTorch's zip format holds, plain values and tensors.

    Raises:
        MedDLError: MODEL_UNSAFE, MODEL_CORRUPT, as ``read_state_dict``.
    """
    if _begins_with(path, b"PK\x03\x04"):
        return _read_zip(path)
    if path.stat().st_size == 0:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is empty.")
    raise MedDLError(
        Code.MODEL_UNSAFE,
        f"{path.name} is neither safetensors nor PyTorch's zip format; opening it could run code. It was not opened.",
        CONVERT,
    )


def is_safetensors(path: Path) -> bool:
    """The content, whatever the name: a 64-bit length that lies within the file, then a JSON object."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size - 8


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: {error}.") from error


def _read_zip(path: Path) -> Any:
    import pickle

    import torch

    _check_zip(path)
    try:
        with path.open("rb") as file, torch.serialization.safe_globals(_numbers_of_numpy()):
            # not the path: torch.load takes the suffix for the content
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        first_line = str(error).splitlines()[0] if str(error) else "a forbidden instruction"
        raise MedDLError(
            Code.MODEL_UNSAFE, f"{path.name} holds more than weights and was not opened: {first_line}", CONVERT
        ) from error
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: PyTorch cannot read it.") from error


def _numbers_of_numpy() -> list[Any]:
    """What the numbers in a checkpoint's log are made of, beyond what PyTorch's restricted unpickler knows.

    Those that numpy wrote before and after it renamed its core, and nothing else.
    """
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType]


def _check_zip(path: Path) -> None:
    """Refuses TorchScript, which is code, and compressed members, which PyTorch never writes and a bomb needs."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: {error}.") from error
    parts = [member.filename.split("/") for member in members]
    if any("code" in part[:-1] or part[-1] == "constants.pkl" for part in parts):
        raise MedDLError(Code.MODEL_UNSAFE, f"{path.name} is TorchScript, which is code. It was not opened.", CONVERT)
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise MedDLError(
            Code.MODEL_UNSAFE, f"{path.name} is compressed, as PyTorch never writes it. It was not opened.", CONVERT
        )


def _checked(state: Any, name: str) -> dict[str, Tensor]:
    import torch

    if isinstance(state, Mapping):
        for key in STATE_DICT_KEYS:
            if isinstance(state.get(key), Mapping):
                state = state[key]
                break
    if not isinstance(state, Mapping) or not state:
        raise MedDLError(Code.MODEL_INVALID, f"{name} does not hold a state dict.", CONVERT)
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise MedDLError(Code.MODEL_INVALID, f"{name}: {key!r} is not a named tensor.", CONVERT)
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise MedDLError(Code.MODEL_INVALID, f"{name}: {key!r} is not a dense tensor of real numbers.")
    return {key: tensor.detach() for key, tensor in state.items()}
