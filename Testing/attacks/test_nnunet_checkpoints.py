"""S1: checkpoints of nnU-Net that hold more than weights and numbers. None of it may run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.nnunet_folder import made_checkpoint, made_network, results_folder
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_model
from MedDLCore.models.weights import read_state_dict

FULLRES = "nnUNetTrainer__nnUNetPlans__3d_fullres"


class Opens:
    """Unpickled, it makes the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


class Scalar:
    """A number of numpy whose type is a Python object: its bytes would be another pickle."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return np.float64(0).__reduce__()[0], (np.dtype("O"), self.content)


PLACES = {
    "in the log": lambda c, payload: c["logging"].update(extra=payload),
    "as the best score": lambda c, payload: c.update(_best_ema=payload),
    "among the weights": lambda c, payload: c["network_weights"].update(extra=payload),
    "as the trainer's name": lambda c, payload: c.update(trainer_name=payload),
    "in its arguments": lambda c, payload: c["init_args"].update(plans=payload),
}


def refused(folder: Path) -> Code:
    with pytest.raises(MedDLError) as caught:
        load_networks(open_model(folder))
    return caught.value.code


@pytest.mark.parametrize("place", PLACES)
def test_code_in_a_checkpoint_does_not_run(place: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    folder = results_folder(tmp_path / FULLRES, checkpoint=lambda c: PLACES[place](c, Opens(marker)))
    assert refused(folder) is Code.MODEL_UNSAFE
    with pytest.raises(MedDLError):
        ModelStore(tmp_path / "store").add(folder)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Opens(marker)))
    assert marker.exists(), "the payload would not have run anyway"


def test_a_number_of_numpy_cannot_smuggle_a_pickle_in(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    inner = pickle.dumps(Opens(marker))
    folder = results_folder(tmp_path / FULLRES, checkpoint=lambda c: c["logging"].update(extra=Scalar(inner)))
    try:
        load_networks(open_model(folder))
    except MedDLError as error:
        assert error.code in (Code.MODEL_UNSAFE, Code.MODEL_CORRUPT)
    assert not marker.exists()


@pytest.mark.parametrize("value", [np.zeros(3), np.str_("text"), np.datetime64("2020-01-01"), np.complex128(1j)])
def test_of_numpy_only_numbers_are_read(value: Any, tmp_path: Path) -> None:
    folder = results_folder(tmp_path / FULLRES, checkpoint=lambda c: c["logging"].update(extra=value))
    assert refused(folder) is Code.MODEL_UNSAFE


def test_the_numbers_of_a_log_are_read_whatever_numpy_wrote_them(tmp_path: Path) -> None:
    """numpy renamed its core: real checkpoints name the same function in two modules."""
    folder = results_folder(tmp_path / FULLRES)
    (path,) = folder.glob("fold_0/*.pth")
    renamed = path.read_bytes()
    assert b"numpy._core.multiarray" in renamed or b"numpy.core.multiarray" in renamed
    assert set(read_state_dict(path)) == set(made_checkpoint(made_network(), "")["network_weights"])


def test_weights_that_were_exchanged_after_opening_are_noticed(tmp_path: Path) -> None:
    package = open_model(results_folder(tmp_path / FULLRES))
    other = results_folder(tmp_path / "other" / FULLRES, network=made_network(seed=5))
    (package.folder / "fold_0" / "checkpoint_final.pth").write_bytes(
        (other / "fold_0" / "checkpoint_final.pth").read_bytes()
    )
    with pytest.raises(MedDLError) as caught:
        load_networks(package)
    assert caught.value.code is Code.MODEL_CORRUPT


def test_a_checkpoint_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A link named as a checkpoint."""
    folder = results_folder(tmp_path / "model" / FULLRES)
    inside = folder / "fold_0" / "checkpoint_final.pth"
    outside = inside.rename(tmp_path / "outside.pth")
    inside.symlink_to(outside)
    assert refused(folder) is Code.MODEL_INVALID
