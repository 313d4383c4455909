"""Weights files: recognised by their content, checked, and read without running anything in them.

Two kinds are read: safetensors, and PyTorch's zip format through its restricted unpickler. Everything else that PyTorch
can open (older pickles, whole pickled modules, TorchScript) may run code and is refused.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Code, MedDLError
from ..text import shown

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 20
"""Bytes that are hashed or copied at a time."""

CONVERT = (
    "Ask its author for the weights alone: safetensors.torch.save_file(model.state_dict(), 'model.safetensors'), "
    "or torch.save(model.state_dict(), 'model.pt') with a current PyTorch."
)

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that Git LFS has left in place of a large one."""

MOST_QUOTED = 300
"""Characters of a library's message, which may quote the file."""

NO_CRC = 0
"""What PyTorch writes where it was told to compute no CRC-32 (``torch.serialization.set_crc32_options``)."""

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
    """Reads a state dict.

    From safetensors the tensors' data stay in the file until they are used (memory-mapped). Of a checkpoint, the state
    dict alone is taken into memory; an optimiser's state, which is twice as large, is never read.

    Raises:
        MedDLError: MODEL_UNSAFE for a file that may run code; MODEL_CORRUPT for a damaged one; MODEL_INVALID where
            it holds something else than named dense tensors of real numbers.
    """
    if is_safetensors(path):
        state: Any = _read_safetensors(path)
        return _checked(state, path.name)
    mapped = _checked(read_checkpoint(path), path.name)
    _check_records(path)
    return _in_memory(mapped)


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
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: {str(error)[:MOST_QUOTED]}.") from error


def read_checkpoint(path: Path, arrays: bool = False) -> Any:
    """What a file of PyTorch's zip format holds, read through its restricted unpickler.

    Tensors, whose data stay in the file until they are used (memory-mapped), Python's plain types, and the numbers of
    numpy that training programs leave in their logs.

    Args:
        path: the file.
        arrays: numpy's arrays of numbers are made too.

    Raises:
        MedDLError: MODEL_UNSAFE for a file that may run code; MODEL_CORRUPT for a damaged one.
    """
    if _begins_with(path, b"PK\x03\x04"):
        return _read_zip(path, arrays)
    if path.stat().st_size == 0:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is empty.")
    if _begins_with(path, LFS_POINTER):
        raise MedDLError(
            Code.MODEL_INVALID,
            f"{path.name} holds no weights, only their address in Git LFS: they were not fetched.",
            "In the clone of the repository: git lfs pull. Then add the model again.",
        )
    raise MedDLError(
        Code.MODEL_UNSAFE,
        f"{path.name} is neither safetensors nor PyTorch's zip format; opening it could run code. It was not opened.",
        CONVERT,
    )


def _read_zip(path: Path, arrays: bool) -> Any:
    import pickle

    import torch

    _check_zip(path)
    allowed = [*_number_types(), *(_array_types() if arrays else ())]
    try:
        with torch.serialization.safe_globals(allowed):
            if path.suffix != ".safetensors":  # which torch.load would take for the content, of a path
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MedDLError(
            Code.MODEL_UNSAFE, f"{path.name} holds more than weights and was not opened: {_reason(error)}", CONVERT
        ) from error
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: PyTorch cannot read it.") from error


def _reason(error: Exception) -> str:
    """What PyTorch found, without its advice to open the file all the same."""
    found = re.search(r"WeightsUnpickler error: ([^\n]*)", str(error))
    text = found[1] if found else next(iter(str(error).splitlines()), "")
    return text.partition(". Please")[0][:MOST_QUOTED] or "a forbidden instruction"


def _number_types() -> list[Any]:
    """What a pickled number of numpy is made of, under the names that numpy 1 and 2 give it."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType]


def _array_types() -> list[Any]:
    """What a pickled array of numbers is made of, beside ``_number_types``."""
    import numpy as np

    make = np.empty(0).__reduce__()[0]
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
    return [np.ndarray, *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}, *((make, name) for name in names)]


def _check_zip(path: Path) -> None:
    """Refuses TorchScript, which is code, and compressed members, which PyTorch never writes and a bomb needs."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: {str(error)[:MOST_QUOTED]}.") from error
    parts = [member.filename.split("/") for member in members]
    if any("code" in part[1:-1] or part[-1] == "constants.pkl" for part in parts):
        raise MedDLError(Code.MODEL_UNSAFE, f"{path.name} is TorchScript, which is code. It was not opened.", CONVERT)
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise MedDLError(
            Code.MODEL_UNSAFE, f"{path.name} is compressed, as PyTorch never writes it. It was not opened.", CONVERT
        )


def _check_records(path: Path) -> None:
    """Compares the records of a checkpoint with their CRC-32, which PyTorch writes and never looks at.

    Of most foreign weights nobody has published a digest; without this, a bit that has flipped would go unnoticed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.CRC == NO_CRC:
                    continue
                with archive.open(member) as record:
                    while record.read(CHUNK):
                        pass
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise MedDLError(Code.MODEL_CORRUPT, f"{path.name} is damaged: its own checksums do not hold.") from error


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
            raise MedDLError(Code.MODEL_INVALID, f"{name}: {shown(key)} is not a named tensor.", CONVERT)
        if tensor.is_meta:
            raise MedDLError(Code.MODEL_INVALID, f"{name}: {shown(key)} has a shape and no data.", CONVERT)
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise MedDLError(Code.MODEL_INVALID, f"{name}: {shown(key)} is not a dense tensor of real numbers.")
    return {key: tensor.detach() for key, tensor in state.items()}


def _in_memory(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on copies of their storages, which take no more than the file, whatever shape the tensors claim."""
    copies: dict[int, Any] = {}
    for tensor in state.values():
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in copies:
            copies[storage.data_ptr()] = storage.clone()  # type: ignore[no-untyped-call]
    return {
        key: tensor.new_empty(0).set_(
            copies[tensor.untyped_storage().data_ptr()], tensor.storage_offset(), tensor.shape, tensor.stride()
        )
        for key, tensor in state.items()
    }
