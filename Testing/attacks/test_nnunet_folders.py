"""S1, S2: nnU-Net folders whose checkpoints unpickle code, or whose plans name it. Nothing of them runs.

nnU-Net itself opens its checkpoints without limits and imports what its plans name.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fixtures.hostile_bundles import evil_module
from fixtures.hostile_nnunet import (
    DATASETS,
    NAMED,
    SIZES,
    UNUSED,
    checkpoint,
    dataset,
    pickled_checkpoints,
    plans,
    with_value,
    write_nnunet,
)
from fixtures.watched import Opened, open_watched

REFUSALS = {"MODEL_INVALID", "MODEL_UNSAFE", "MODEL_CORRUPT"}
Write = Callable[[Path, Path], Path]


def _hostile() -> dict[str, Write]:
    there = Path("canary")
    found: dict[str, Write] = {}
    for what in pickled_checkpoints(there):
        found[f"checkpoint: {what}"] = lambda folder, canary, what=what: write_nnunet(  # type: ignore[misc]
            folder, saved=pickled_checkpoints(canary)[what]
        )
    for kind, changes in (("names", NAMED), ("sizes", SIZES)):
        for what, (place, value) in changes.items():
            found[f"{kind}: {what}"] = lambda folder, canary, place=place, value=value: write_nnunet(  # type: ignore[misc]
                folder,
                with_value(plans(), place, value),
                more={"evil.py": evil_module(canary).encode(), "fold_0/evil.py": evil_module(canary).encode()},
            )
    for what, (place, value) in DATASETS.items():
        found[f"dataset: {what}"] = lambda folder, canary, place=place, value=value: write_nnunet(  # type: ignore[misc]
            folder, dataset_json=with_value(dataset(), place, value)
        )
    found["pickled plans"] = lambda folder, canary: write_nnunet(
        folder, plans_json="[]", more={"plans.pkl": pickled_checkpoints(canary)["bare"]}
    )
    for what, text in {"empty": "", "deep": "[" * 100_000 + "]" * 100_000, "twice": '{"a": 1, "a": 2}'}.items():
        found[f"plans: {what}"] = lambda folder, canary, text=text: write_nnunet(folder, text)  # type: ignore[misc]
    return found


def _beside() -> dict[str, Write]:
    """Attacks at places that prediction does not need: such a folder may open, but nothing of them runs."""
    found: dict[str, Write] = {"nothing": lambda folder, canary: write_nnunet(folder)}
    for what, (place, value) in UNUSED.items():
        found[what] = lambda folder, canary, place=place, value=value: write_nnunet(  # type: ignore[misc]
            folder, with_value(plans(), place, value), more={"evil.py": evil_module(canary).encode()}
        )
    found["a reader of the data set"] = lambda folder, canary: write_nnunet(
        folder, dataset_json={**dataset(), "overwrite_image_reader_writer": "evil.Evil"}
    )
    found["a trainer of its own"] = lambda folder, canary: write_nnunet(folder, saved=checkpoint(trainer_name="Evil"))
    found["pickled postprocessing"] = lambda folder, canary: write_nnunet(
        folder, more={"postprocessing.pkl": pickled_checkpoints(canary)["bare"]}
    )
    found["a fold elsewhere"] = _fold_elsewhere
    return found


def _fold_elsewhere(folder: Path, canary: Path) -> Path:
    """The fold's folder is a link out of the model."""
    trained = write_nnunet(folder)
    secret = folder.parent / "secret"
    (trained / "fold_0").rename(secret)
    (trained / "fold_0").symlink_to(secret)
    return trained


HOSTILE, BESIDE = _hostile(), _beside()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Opened]:
    """Every folder of this file, opened in one watched process."""
    root = tmp_path_factory.mktemp("nnunet")
    folders = {}
    for number, (name, write) in enumerate({**HOSTILE, **BESIDE}.items()):
        (root / str(number)).mkdir()
        folders[name] = write(root / str(number) / "results", root / str(number) / "canary")
    assert not list(root.rglob("canary*")), "an attack ran while it was made"
    results = open_watched(folders, first=write_nnunet(root / "first"))
    assert [str(path) for path in root.rglob("canary*")] == [], "something ran"
    return results


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_folder_is_refused_in_words_and_nothing_in_it_runs(opened: dict[str, Opened], attack: str) -> None:
    assert opened[attack].events == ()
    assert opened[attack].code in REFUSALS, opened[attack]


@pytest.mark.parametrize("attack", BESIDE)
def test_what_prediction_does_not_need_never_runs(opened: dict[str, Opened], attack: str) -> None:
    assert opened[attack].events == ()
    assert opened[attack].code in {*REFUSALS, "LOADED"}, opened[attack]


def test_the_folder_without_an_attack_loads(opened: dict[str, Opened]) -> None:
    """Else every refusal above could have another reason."""
    pytest.importorskip("MedDLCore.models.nnunet", reason="this MedDL does not read nnU-Net's folders")
    assert opened["nothing"].code == "LOADED", opened["nothing"]


@pytest.mark.parametrize("attack", pickled_checkpoints(Path("canary")))
def test_the_pickles_are_real(attack: str, tmp_path: Path) -> None:
    """Opened as nnU-Net opens it, each one leaves its canary."""
    path, canary = tmp_path / "checkpoint_final.pth", tmp_path / "canary"
    path.write_bytes(pickled_checkpoints(canary)[attack])
    try:
        torch.load(path, weights_only=False, map_location="cpu")
    except (RuntimeError, pickle.UnpicklingError):
        pickle.loads(path.read_bytes()) if attack == "bare" else None
    assert canary.exists()
