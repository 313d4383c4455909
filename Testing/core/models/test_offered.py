"""The list of models to choose from."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.listening import listening_package
from fixtures.nnunet_folder import results_folder
from fixtures.packages import threshold_package
from MedDLCore.models import ModelStore, Offered, offered_models
from MedDLCore.models.offered import Input
from MedDLCore.spec import Channel


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Offered]:
    """A model of the store, a broken one, one of TotalSegmentator's, and what comes with MedDL."""
    threshold_package(
        tmp_path / "store" / "mine",
        title="Mine",
        channels=(Channel("T1", "MR"), Channel("FLAIR", "MR")),
        measured={"seconds": 40, "memory_bytes": 3e9, "dice": "0.9"},
    )
    listening_package(tmp_path / "store" / "listening", name="listening")
    (tmp_path / "store" / "broken").mkdir()
    results_folder(tmp_path / "total" / "Dataset001_Made" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "total"))
    return {model.name: model for model in offered_models(ModelStore(tmp_path / "store"))}


def test_a_model_is_told_with_what_must_be_known_to_choose_it(offered: dict[str, Offered]) -> None:
    mine = offered["mine"]
    assert (mine.title, mine.licence, mine.structures) == ("Mine", "CC0-1.0", ("ball",))
    assert mine.inputs == (Input("T1", "MR"), Input("FLAIR", "MR"))
    assert (mine.seconds, mine.memory) == (40.0, 3e9) and mine.size > 0 and not mine.problem


def test_a_model_that_listens_names_what_can_be_clicked(offered: dict[str, Offered]) -> None:
    assert offered["listening"].clickable == ("ball",) and offered["mine"].clickable == ()


def test_a_broken_model_is_told_with_what_is_wrong_with_it(offered: dict[str, Offered]) -> None:
    assert offered["broken"].problem and not offered["broken"].structures


def test_models_of_meddl_and_of_totalsegmentator_are_there(offered: dict[str, Offered]) -> None:
    assert len(offered["phantom"].structures) == 7
    assert offered["Dataset001_Made"].size > 0
