"""S9: names that a shell would take for commands are only names."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.packages import threshold_package
from MedDLCore.models import ModelStore, load_networks, open_model, pack

NAMES = ["; touch x", "$(touch x)", "`touch x`", "a | touch x", "-rf", "x' \"y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_store_and_a_model_may_be_named_like_a_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = ModelStore(tmp_path / name)
    source = threshold_package(tmp_path / f"{name} model").folder
    pack(source, tmp_path / f"{name}.zip")
    store.add(tmp_path / f"{name}.zip")
    source.rename(store.path / f"{name} again")
    assert [model.error for model in store.list()] == [None, None]
    assert load_networks(open_model(f"{name} again", store))
    store.remove(f"{name} again")
    store.remove("threshold")
    assert store.list() == []
    assert not (tmp_path / "x").exists()
