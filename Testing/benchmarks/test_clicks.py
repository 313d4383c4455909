"""The benchmark of clicks runs, so that it cannot rot unseen; its figures are what they are called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.clicks import held_out
from benchmarks.clicks.__main__ import main
from benchmarks.clicks.answering import ByNetwork
from benchmarks.clicks.figures import figures
from benchmarks.clicks.person import Session, correct
from fixtures.balls import ball
from fixtures.listening import listening, listening_package
from fixtures.trainings import data_in_memory, staged_unet, tiny_plan
from MedDLCore.click import Click
from MedDLCore.spec import Channel, Grid, ZScore
from MedDLCore.volume import Geometry, Label
from MedDLTraining.plan import Listening, write_plan

PLACE = Geometry.from_parts((20, 22, 24), (1.0, 1.0, 1.0))
CLICK = Click((0.0, 0.0, 0.0), "ball")


def session(*dice: float) -> Session:
    clicks = (CLICK,) * (len(dice) - 1)
    return Session(dice, clicks, len(clicks), ({"network": 0.5},) * len(clicks))


def test_figures_are_means_over_cases_and_a_session_that_ended_keeps_its_last_dice() -> None:
    found = figures([session(0.5, 0.91, 0.93), session(0.7, 0.7, 0.7, 0.7, 0.7, 0.7), session(0.95)], most=5)
    assert found["dice"] == {0: 0.7167, 1: 0.8533, 3: 0.86, 5: 0.86}
    assert found["noc"] == {"90%": 2.0, "92%": 2.3333}  # (1 + 5 + 0) / 3 and (2 + 5 + 0) / 3
    assert found["never"] == {"90%": 1, "92%": 1}
    assert found["cpu_seconds"] == {"network": 0.5} and found["obeyed"] == 1.0


def test_a_person_clicks_until_nothing_is_wrong() -> None:
    volume, model = ball(PLACE, (10, 10, 10), 5), listening()
    truth = (volume.array > 100).astype(np.uint8)
    truth[2:5, 2:5, 2:5] = 0
    missing = truth.copy()
    missing[16, 16, 16] = 1
    right = correct(ByNetwork(volume, model), truth, PLACE, model.spec, 3)
    assert right.dice == (1.0,) and right.clicks == ()
    wrong = correct(ByNetwork(volume, model), missing, PLACE, model.spec, 1)
    assert wrong.clicks == (Click((16.0, 16.0, 16.0), "ball"),) and wrong.obeyed == 1


def write_balls(folder: Path, count: int) -> list[str]:
    for n in range(count):
        volume = ball(PLACE, (10 + n, 10, 10), 5)
        for place, array in (("images", volume.array), ("labels", (volume.array > 100).astype(np.uint8))):
            (folder / place).mkdir(exist_ok=True, parents=True)
            sitk.WriteImage(sitk.GetImageFromArray(np.roll(array, n)), str(folder / place / f"case{n}.nii.gz"))
    return [f"case{n}" for n in range(count)]


def test_it_runs_from_files_to_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.txt").write_text("\n".join(write_balls(tmp_path, 2)))
    package = listening_package(tmp_path / "model", modality=None)
    main([str(package.folder), "--data", str(tmp_path), "--cases", "2", "--most", "1"])
    found = json.loads(capsys.readouterr().out)
    assert found["all"]["network"]["cases"] == 2 and found["all"]["network"]["dice"]["0"] > 0.99
    assert found["worst quartile"]["grow-cut"]["dice"]["0"] == 0


def test_each_part_is_held_out_once_and_what_was_done_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three balls, each found by a network that has learnt from the other two."""

    def parts(_: str, __: Path, folder: Path) -> dict[str, list[str]]:
        names = write_balls(folder, 3)
        for name in names:
            (folder / f"without_{name}.txt").write_text("\n".join(other for other in names if other != name))
        return {name: [name] for name in names}

    monkeypatch.setattr(held_out, "write_set", parts)
    label, listens = Label(1, "tumour", (9, 9, 9)), Listening(2.0)
    network = staged_unet(2, inputs=4)
    plain = tiny_plan(data_in_memory(), labels=(label,), network=network, grid=Grid(spacing=(1.0, 1.0, 1.0)))
    channels = (Channel("MRI", "MR", (ZScore(),)),)
    write_plan(replace(plain, channels=channels, listening=listens, folds=0, epochs=1), tmp_path / "plan.json")
    words = ["sts", str(tmp_path / "out"), "--plan", str(tmp_path / "plan.json"), "--most", "1"]
    held_out.main(words)
    found = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert found["all"]["network"]["cases"] == 3 and found["worst quartile"]["network"]["cases"] == 1
    learnt = json.loads((tmp_path / "out" / "case1" / "training" / "split.json").read_text())
    assert len(learnt["training"] + learnt["validation"]) == 2

    def again(*_: object) -> None:
        raise AssertionError("it was done")

    monkeypatch.setattr(held_out, "run", again)
    held_out.main(words)
    assert json.loads((tmp_path / "out" / "figures.json").read_text()) == found
