"""The benchmark of the ranking runs, so that it cannot rot unseen, and goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.clicks.active import Course, main, table
from benchmarks.clicks.sets import write_set

SIZES = (2, 3)


def test_the_table_compares_orders_over_seeds() -> None:
    dice = {("ranked", 0): (0.5, 0.7), ("random", 0): (0.5, 0.6), ("ranked", 1): (0.4, 0.6), ("random", 1): (0.4, 0.7)}
    courses = [Course(seed, order, (), its) for (order, seed), its in dice.items()]  # type: ignore[arg-type]
    found = table(courses, SIZES)
    assert found["ranked"] == [0.45, 0.65] and found["random"] == [0.45, 0.65]
    assert found["gain"] == [0, 0] and found["ranked better"] == [0, 1] and found["seeds"] == 2


def test_it_trains_ranks_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for n in range(6):
        labels = np.zeros((12, 14, 16), np.uint8)
        labels[3:7, 3 + n % 3 : 9, 4:9], labels[7:10, 4:9, 4:9] = 1, 2
        for place, array in (("images", labels * 50.0 + rng.normal(0, 5, labels.shape)), ("labels", labels)):
            (tmp_path / place).mkdir(exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / place / f"case{n}.nii.gz"))
    (tmp_path / "train.txt").write_text("case0\ncase1\ncase2\ncase3\n")
    (tmp_path / "test.txt").write_text("case4\ncase5\n")
    given = [str(tmp_path / "out"), "--data", str(tmp_path), "--sizes", "2", "3", "--seeds", "1", "--iterations", "5"]
    given += ["--patch", "12", "16", "16", "--width", "2"]
    main(given)
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert first["cases"] == [2, 3] and 0 <= first["ranked"][1] <= 1 and first["ranked"][0] == first["random"][0]
    ranking = json.loads((tmp_path / "out" / "seed0" / "first" / "ranking.json").read_text())
    assert len(ranking) == 2 and set(ranking) < {f"case{n}" for n in range(4)}
    (tmp_path / "out" / "seed0" / "ranked3" / "dice.json").write_text("0.123")
    main(given)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ranked"][1] == 0.123, "what is there is not done again"


def test_sets_are_held_out_by_patients(shared_data: Path, tmp_path: Path) -> None:
    held_out = write_set("sts", shared_data, tmp_path / "sts")
    assert sorted(held_out) == [f"STS_{n}" for n in ("002", "003", "010", "012", "028", "035", "041", "050")]
    left = (tmp_path / "sts" / "without_STS_010.txt").read_text().split()
    assert len(left) == 7 and "STS_010" not in left
    held_out = write_set("sunnybrook", shared_data, tmp_path / "lv")
    patients = [{case.partition("-IM-")[0] for case in cases} for cases in held_out.values()]
    assert len(patients) == 5 and all(not a & b for n, a in enumerate(patients) for b in patients[:n])
    scan = sitk.ReadImage(str(tmp_path / "lv" / "labels" / f"{held_out['fold0'][0]}.nii.gz"))
    assert scan.GetSize() == (256, 256, 1) and sitk.GetArrayFromImage(scan).max() == 1
