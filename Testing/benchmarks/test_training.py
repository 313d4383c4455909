"""The benchmark of trainings runs, so that it cannot rot unseen. What it measures on such small scans means nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.training import meddl, nnunet, running, shipped
from benchmarks.training.cases import FOLDS, LABELS, divided, names_of, write_data_set
from benchmarks.training.command import main
from benchmarks.training.figures import difference, mean_of
from benchmarks.training.jobs import COUNTS, SEEDS, Job, cross, curve, versus
from benchmarks.training.ledger import Ledger
from benchmarks.training.nnunet import Schedule, schedule_within
from benchmarks.training.pace import Pace
from benchmarks.training.place import Place
from benchmarks.training.running import BegunError, run_job
from benchmarks.training.scoring import WrongGridError, score
from MedDLCore.models.package import open_folder, weights_path

MINUTES = 0.02
LISTS = {"train": 8, "test": 2}


def write_scan(folder: Path, name: str, seed: int) -> None:
    """Two balls, one before the other, brighter than what is around them."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*[np.arange(n) for n in (18, 24, 18)], indexing="ij"), axis=-1)
    labels = np.zeros(at.shape[:3], np.uint8)
    for value, j in ((1, 16), (2, 8)):
        labels[np.linalg.norm(at - (9 + rng.uniform(-1, 1), j, 9), axis=-1) < 4] = value
    image = (100.0 * labels + rng.normal(0, 10, labels.shape)).astype(np.float32)
    for place, array in (("images", image), ("labels", labels)):
        (folder / place).mkdir(exist_ok=True, parents=True)
        written = sitk.GetImageFromArray(array)
        written.SetOrigin((3.0, -20.0, 7.0))
        sitk.WriteImage(written, str(folder / place / f"{name}.nii.gz"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for part, count in LISTS.items():
        names = [f"{part}_{n}" for n in range(count)]
        for n, name in enumerate(names):
            write_scan(folder, name, n + 100 * (part == "test"))
        (folder / f"{part}.txt").write_text("\n".join(names))
    return folder


@pytest.fixture(scope="module")
def place(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where the short trainings of all tests lie."""
    return Place(data, tmp_path_factory.mktemp("trainings"))


def job_of(place: Place, engine: str, seed: int = 0) -> Job:
    (job,) = (job for job in versus(place.data, MINUTES, (seed,)) if job.engine == engine)
    return job


@pytest.mark.parametrize("engine", ["nnunet", "meddl"])
def test_an_engine_trains_predicts_and_is_scored(place: Place, engine: str) -> None:
    result = run_job(job_of(place, engine), place)
    assert set(result["scores"]) == {"test_0", "test_1"}
    assert all(set(scores) == set(LABELS) for scores in result["scores"].values())
    assert all(result["seconds"][stage] > 0 for stage in ("plan", "train", "predict"))
    assert result["plan"]


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("engine", [nnunet, meddl])
def test_a_training_that_was_killed_comes_to_the_same_scores(
    place: Place, engine: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nnU-Net's shortened schedule goes on where it was, and draws what it would have drawn."""
    name = engine.__name__.rpartition(".")[2]
    job = job_of(place, name)
    run_job(job, place, resume=True)  # its plan is the plan of all seeds
    shorten(place, name)
    whole, again = (replace(job, seed=7, name=f"{name}_{which}") for which in ("whole", "again"))
    expected = run_job(whole, place)["scores"]
    keep = Ledger.keep
    kept = []

    def killed(ledger: Ledger) -> None:
        keep(ledger)
        kept.append(ledger)
        if len(kept) == 2:
            raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(Ledger, "keep", killed)
        run_job(again, place)
    with pytest.raises(BegunError, match="--resume"):
        run_job(again, place)
    result = run_job(again, place, resume=True)
    assert result["scores"] == expected
    assert result["seconds"]["train"] > kept[0].seconds["train"]
    with pytest.raises(BegunError, match="budget"):
        running._begin(replace(again, minutes=1), place, resume=True)


def shorten(place: Place, engine: str) -> None:
    """Three epochs."""
    (path,) = (place.root / "plans").glob(f"{engine}_*.json")
    plan = json.loads(path.read_text())
    if engine == "nnunet":
        plan["schedule"] = {"epochs": 3, "iterations": 1, "looks": 1}
    else:
        plan |= {"epochs": 3, "iterations": 2}
        plan["validation"]["every"] = 1
    path.write_text(json.dumps(plan))


def test_the_summary_has_a_row_for_each_engine_and_their_difference(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for engine in ("nnunet", "meddl"):
        run_job(job_of(place, engine), place, resume=True)
    options = ["versus", "--minutes", str(MINUTES), "--into", str(place.root), "--data", str(place.data)]
    main([*options, "--summary"])
    said = capsys.readouterr().out
    assert said.startswith("2 of 6 jobs are done")
    assert "meddl - nnunet" in said
    found = json.loads((place.root / "versus.json").read_text())
    assert set(found["rows"]) == {"nnunet", "meddl"}
    main([*options, "--list", "--engine", "meddl"])
    assert next(line.split() for line in capsys.readouterr().out.splitlines()) == ["versus_meddl_seed0", "done"]


def test_a_network_of_merged_labels_gets_a_new_head_for_both(place: Place) -> None:
    learnt, watched = divided(names_of(place.data, "train"), 0)
    start = Job("curve", "start", "meddl", MINUTES, 0, learnt, watched, (), merged=True)
    tuned = Job("curve", "tuned", "meddl", MINUTES, 0, learnt, watched, ("test_0",), "start")
    assert [label["name"] for label in run_job(start, place)["plan"]["labels"]] == [meddl.WHOLE]
    result = run_job(tuned, place)
    assert [label["name"] for label in result["plan"]["labels"]] == list(LABELS)
    assert result["plan"]["start"]["model"].endswith("start/training/model")


def test_the_model_that_comes_with_meddl_is_made_by_one_command_and_judged_by_what_it_never_saw(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "tree")
    command = ["--minutes", str(MINUTES), "--into", str(tmp_path / "made"), "--data", str(data)]
    shipped.main(command)
    assert not (tmp_path / "tree").exists()
    training = tmp_path / "made" / shipped.NAME / "model" / "models" / "model.safetensors"
    trained = training.read_bytes()
    shipped.main([*command, "--install"])
    package = open_folder(tmp_path / "tree" / shipped.NAME)
    assert weights_path(package.folder, package.spec.weights[0]).read_bytes() == trained == training.read_bytes()
    assert [label.name for label in package.spec.labels] == list(shipped.STRUCTURES)
    card = (package.folder / "docs" / "README.md").read_text(encoding="utf-8")
    assert "on 2 cases (it has learnt from 0 of them)" in card and "not stated" not in card
    assert "cases for training: 7" in card and "cases for validation: 1" in card

    shipped.main([*command, "--listening", str(MINUTES), "--install"])
    package = open_folder(tmp_path / "tree" / shipped.CLICKS)
    assert package.spec.name == shipped.CLICKS and package.spec.clicks is not None
    card = (package.folder / "docs" / "README.md").read_text(encoding="utf-8")
    assert "- clicks: on anterior hippocampus, posterior hippocampus" in card and "not stated" not in card
    plan = json.loads((tmp_path / "made" / shipped.CLICKS / "plan.json").read_text(encoding="utf-8"))
    assert plan["optimiser"]["rate"] == shipped.GENTLE_RATE and plan["start"]["model"].endswith("hippocampus.published")


def test_no_study_scores_what_it_has_seen(data: Path) -> None:
    train = set(names_of(data, "train"))
    for job in [*versus(data, 1), *curve(data, 1), *cross(data, 1)]:
        assert not set(job.learnt) & {*job.watched, *job.scored}
        assert {*job.learnt, *job.watched} <= train
    folds = cross(data, 1)
    assert sorted(case for job in folds for case in job.scored) == sorted(train)
    assert len(folds) == FOLDS


def test_the_few_cases_of_the_curve_are_none_that_its_start_has_learnt_from(tmp_path: Path) -> None:
    names = [f"case_{n:03d}" for n in range(201)]
    (tmp_path / "train.txt").write_text("\n".join(names))
    (tmp_path / "test.txt").write_text("other")
    start, *few = curve(tmp_path, 1)
    known = {*start.learnt, *start.watched}
    assert len(known) == 100
    assert not any(known & {*job.learnt, *job.watched} for job in few)
    assert len(few) == 2 * len(COUNTS) * len(SEEDS)
    assert sorted({len(job.learnt) + len(job.watched) for job in few}) == list(COUNTS)


def test_nnunet_is_given_as_many_iterations_as_fit() -> None:
    assert schedule_within(3240, Pace(10, 2.5)) == Schedule(61, 5, 1)
    assert schedule_within(1e9, Pace(10, 2.5)) == Schedule(1000, 250, 50)
    assert schedule_within(3, Pace(10, 2.5)) == Schedule(1, 1, 1)


def ball(shift: int, size: int = 24) -> sitk.Image:
    at = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1)
    image = sitk.GetImageFromArray(
        (np.linalg.norm(at - (size // 2, size // 2, 8 + shift), axis=-1) < 5).astype(np.uint8)
    )
    image.SetSpacing((2.0, 1.0, 1.0))
    return image


def test_labels_on_another_grid_are_not_scored(tmp_path: Path) -> None:
    paths = tmp_path / "truth.nii.gz", tmp_path / "found.nii.gz"
    sitk.WriteImage(ball(0), str(paths[0]))
    moved = ball(0)
    moved.SetOrigin((0.0, 0.0, 1.0))
    sitk.WriteImage(moved, str(paths[1]))
    with pytest.raises(WrongGridError):
        score(*paths)
    sitk.WriteImage(ball(0), str(paths[1]))
    assert score(*paths)["Anterior"] == {"dice": 1.0, "hd95": 0.0}
    sitk.WriteImage(ball(3), str(paths[1]))
    assert 5 <= score(*paths)["Anterior"]["hd95"] <= 6  # 3 voxels of 2 mm, along which most of the surface lies nearer
    assert np.isnan(score(*paths)["Posterior"]["hd95"])


def test_a_difference_is_paired() -> None:
    """Cases differ far more than engines do: unpaired, nothing could be said."""
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.5, 0.9, 20)
    one, other = (hard + better + rng.normal(0, 0.002, (3, 20)) for better in (0.01, 0.0))
    gain = difference(one, other)
    assert gain.low > 0 and gain.mean == pytest.approx(0.01, abs=0.002)
    assert mean_of(one).low < mean_of(other).mean


def test_the_data_set_is_links_to_the_scans(data: Path, tmp_path: Path) -> None:
    root = write_data_set(data, ["train_0"], tmp_path)
    assert (root / "imagesTr" / "train_0_0000.nii.gz").resolve() == data / "images" / "train_0.nii.gz"
    assert not list(root.rglob("*test*"))


def test_cpu_time_of_a_killed_process_counts_up_to_what_it_kept(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "seconds.json")
    first.enter("train")
    sum(range(10**6))
    first.keep()
    kept = first.seconds["train"]
    sum(range(10**6))
    second = Ledger(tmp_path / "seconds.json")
    assert second.seconds["train"] == kept > 0
