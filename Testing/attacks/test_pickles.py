"""S1: weights that run code when they are opened. None of it may run: each attack would leave a marker file."""

from __future__ import annotations

import copyreg
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from fixtures.packages import threshold_spec
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import load_networks, open_model
from MedDLCore.models.description import description_of
from MedDLCore.models.weights import read_state_dict
from MedDLCore.spec import Weights


class Opens:
    """Unpickled, it makes the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


class Executes:
    """The same through ``exec``, with a state setter on top."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w')",)


class Module(torch.nn.Module):
    """A whole pickled module, whose class would be looked up by name."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.layer = torch.nn.Conv3d(1, 2, 1)
        self.payload = Opens(marker)


def _pickle(protocol: int) -> Callable[[Path, Path], None]:
    def write(path: Path, marker: Path) -> None:
        path.write_bytes(pickle.dumps({"model.0.weight": Opens(marker)}, protocol))

    return write


def _zip_of_torch(path: Path, marker: Path) -> None:
    torch.save({"model.0.weight": torch.zeros(1), "extra": Opens(marker)}, path)


def _zip_with_exec(path: Path, marker: Path) -> None:
    torch.save({"model.0.weight": Executes(marker)}, path)


def _whole_module(path: Path, marker: Path) -> None:
    torch.save(Module(marker), path)


def _legacy_torch(path: Path, marker: Path) -> None:
    torch.save({"model.0.weight": Opens(marker)}, path, _use_new_zipfile_serialization=False)


def _tar(path: Path, marker: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(Opens(marker))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _torchscript(path: Path, marker: Path) -> None:
    """What ``torch.jit.save`` writes, by its members; with a pickle in it that acts."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(Opens(marker)))
        archive.writestr("m/constants.pkl", pickle.dumps(Opens(marker)))
        archive.writestr("m/code/__torch__.py", f"open({str(marker)!r}, 'w')")
        archive.writestr("m/version", "3\n")


def _numpy_objects(path: Path, marker: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([Opens(marker)], dtype=object), allow_pickle=True)


def _pickle_behind_compression(path: Path, marker: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"a": Opens(marker)}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))


def _pickle_with_extension_code(path: Path, marker: Path) -> None:
    copyreg.add_extension("builtins", "open", 240)
    try:
        path.write_bytes(b"\x80\x02\x82\xf0" + pickle.dumps((str(marker), "w"), 2)[2:-1] + b"R.")
    finally:
        copyreg.remove_extension("builtins", "open", 240)


ATTACKS = {
    "pickle protocol 0": _pickle(0),
    "pickle protocol 2": _pickle(2),
    "pickle protocol 5": _pickle(5),
    "pickle in torch's zip": _zip_of_torch,
    "exec in torch's zip": _zip_with_exec,
    "a whole pickled module": _whole_module,
    "torch's older format": _legacy_torch,
    "torch's oldest format, a tar": _tar,
    "TorchScript": _torchscript,
    "a numpy array of objects": _numpy_objects,
    "a compressed zip": _pickle_behind_compression,
    "an extension code": _pickle_with_extension_code,
}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_weights_that_run_code_are_refused_and_nothing_runs(attack: str, suffix: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    folder = tmp_path / "model"
    folder.mkdir()
    file = f"model{suffix}"
    ATTACKS[attack](folder / file, marker)
    assert not marker.exists(), "the attack ran while it was made"
    spec = threshold_spec(weights=(Weights(file),))
    (folder / "meddl.json").write_text(json.dumps(description_of(spec)))
    with pytest.raises(MedDLError) as caught:
        load_networks(open_model(folder))
    assert caught.value.code is Code.MODEL_UNSAFE
    assert "safetensors" in caught.value.hint
    assert not marker.exists()


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in ("TorchScript", "an extension code")])
def test_the_attacks_are_real(attack: str, tmp_path: Path) -> None:
    """Opened the careless way, each one leaves its marker: else the test above would show nothing."""
    path, marker = tmp_path / "model.pth", tmp_path / "marker"
    ATTACKS[attack](path, marker)
    try:
        if attack.startswith("pickle protocol"):
            pickle.loads(path.read_bytes())
        elif attack == "a numpy array of objects":
            np.load(path, allow_pickle=True)
        else:
            torch.load(path, weights_only=False)
    except (RuntimeError, pickle.UnpicklingError, TypeError, ValueError, AttributeError):
        pass
    assert marker.exists()


def test_plain_state_dicts_are_read_whatever_their_suffix(tmp_path: Path) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3)}
    torch.save(state, tmp_path / "zip.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "checkpoint.bin")
    (tmp_path / "st.pth").write_bytes(save(state))
    for path in tmp_path.iterdir():
        assert torch.equal(read_state_dict(path)["a"], state["a"])


def _with_header(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        _with_header(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'),
        _with_header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', b"\0" * 4),
        _with_header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', b"\0" * 4),
        _with_header(b'{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}', b"\0" * 4),
        _with_header(b'{"a":'),
        _with_header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"\0" * 400),
        b"PK\x03\x04" + b"\0" * 100,
    ],
)
def test_hostile_or_damaged_headers_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(MedDLError) as caught:
        read_state_dict(tmp_path / "model.safetensors")
    assert caught.value.code is Code.MODEL_CORRUPT


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_truncated_checkpoint_is_corrupt(cut: float, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "m.pt")
    data = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(MedDLError) as caught:
        read_state_dict(tmp_path / "m.pt")
    assert caught.value.code is Code.MODEL_CORRUPT


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {},
        {"a": 5},
        {1: torch.zeros(1)},
        {"a": torch.zeros(2).to_sparse()},
        {"a": torch.zeros(2, dtype=torch.cfloat)},
    ],
)
def test_what_is_not_a_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(MedDLError) as caught:
        read_state_dict(tmp_path / "m.pt")
    assert caught.value.code is Code.MODEL_INVALID
