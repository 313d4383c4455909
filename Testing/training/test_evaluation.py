"""Judging a model on data of known content: what is matched, kept, told, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.data_sets import InMemory, id_of, labels_of, name_of
from fixtures.evaluations import organs_model
from fixtures.trainings import data_in_memory, overlapping_in_memory
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import Model
from MedDLCore.volume import Concept, Label, LabelMap, Terminology, Volume
from MedDLCore.writers import content_hash
from MedDLTraining.data import DataSet, Split
from MedDLTraining.evaluation import (
    CaseResult,
    Evaluation,
    ModelPredictions,
    Settings,
    cases_named,
    cases_of_part,
    compare,
    evaluate,
    matched,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return organs_model(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="module")
def data_set() -> DataSet:
    return data_in_memory(3)


def judged(data_set: DataSet, model: Model, folder: Path, *args: Any, **more: Any) -> Evaluation:
    return evaluate(data_set, data_set.cases, ModelPredictions(model, data_set.channels), folder, *args, **more)


class Counting(ModelPredictions):
    """Remembers the cases that the model was run on."""

    def __init__(self, model: Model, data_set: DataSet) -> None:
        super().__init__(model, data_set.channels)
        self.ran: list[str] = []

    def of(self, case: Any, *args: Any, **more: Any) -> Any:
        self.ran.append(case.id)
        return super().of(case, *args, **more)


def test_structures_are_matched_by_name_whatever_their_numbers_are(
    data_set: DataSet, model: Model, tmp_path: Path
) -> None:
    report = judged(data_set, model, tmp_path)
    assert [structure.name for structure in report.structures] == ["liver", "left kidney", "right kidney"]
    assert [(structure.truth, structure.found) for structure in report.structures] == [(1, 2), (2, 3), (3, 1)]
    for summary in report.summaries:
        assert summary.scores["dice"].mean > 0.9 and summary.scores["dice"].cases == 3
        assert summary.scores["hd95"].low <= summary.scores["hd95"].mean <= summary.scores["hd95"].high
    confusion = report.confusion
    assert (np.diag(confusion) > 0.9 * confusion.sum(axis=1)).all()
    assert confusion.sum() == sum(case.images[0].value.array.size for case in data_set.cases)
    assert [case.dice for case in report.cases] == sorted(case.dice for case in report.cases)


def test_a_code_goes_before_a_name_and_two_of_one_meaning_are_told_apart_by_name() -> None:
    def coded(value: int, name: str, code: str) -> Label:
        category = Concept("123037004", "SCT", "Anatomical Structure")
        return Label(value, name, (1, 2, 3), Terminology(category, Concept(code, "SCT", name)))

    truth = (coded(1, "Leber", "10200004"), coded(2, "spleen", "78961009"), Label(3, "thing", (0, 0, 0)))
    found = (Label(7, "thing", (0, 0, 0)), coded(5, "spleen", "10200004"), coded(6, "lien", "78961009"))
    structures, notices = matched(truth, found)
    assert [(one.truth, one.found) for one in structures] == [(1, 5), (2, 6), (3, 7)]
    assert notices == ()
    twice = (coded(1, "lobe one", "10200004"), coded(2, "lobe two", "10200004"))
    structures, notices = matched(twice[::-1], (*twice, Label(9, "extra", (0, 0, 0))))
    assert [(one.name, one.found) for one in structures] == [("lobe two", 2), ("lobe one", 1)]
    assert [notice.code for notice in notices] == [Code.LABEL_UNKNOWN] and "extra" in notices[0].message
    _, notices = matched(truth, found[:2])
    assert "spleen" in notices[0].message
    with pytest.raises(MedDLError) as refused:
        matched(labels_of("liver"), labels_of("spleen"))
    assert refused.value.code is Code.LABEL_UNKNOWN


def test_what_is_there_for_the_same_scan_truth_and_model_is_not_done_again(model: Model, tmp_path: Path) -> None:
    data_set = data_in_memory(3)
    counting = Counting(model, data_set)
    first = evaluate(data_set, data_set.cases, counting, tmp_path)
    again = evaluate(data_set, data_set.cases, counting, tmp_path)
    assert counting.ran == [id_of(n) for n in range(3)]
    assert again.to_json() == first.to_json()
    case = data_set.cases[1]
    truth: LabelMap = case.truths[0].read(case.images[0].read())
    redrawn = replace(truth, array=np.roll(truth.array, 1, axis=0))
    cases = (data_set.cases[0], replace(case, truths=(InMemory(redrawn),)), data_set.cases[2])
    changed = replace(data_set, cases=cases)
    other = evaluate(changed, changed.cases, counting, tmp_path)
    assert counting.ran[3:] == [id_of(1)]
    assert other.mean["dice"].mean < first.mean["dice"].mean
    (tmp_path / "cases" / f"{id_of(0)}.json").write_text("{")
    evaluate(changed, changed.cases, counting, tmp_path)
    assert counting.ran[4:] == [id_of(0)]


def test_cancelled_in_a_case_the_cases_before_it_stay_and_are_used(
    data_set: DataSet, model: Model, tmp_path: Path
) -> None:
    def cancel(stage: str, done: int, of: int) -> None:
        assert stage == "evaluate" and 0 <= done <= of
        if done > 0.5 * of:
            raise KeyboardInterrupt

    counting = Counting(model, data_set)
    with pytest.raises(KeyboardInterrupt):
        evaluate(data_set, data_set.cases, counting, tmp_path, on_progress=cancel)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [f"{id_of(0)}.json"]
    told: list[int] = []
    evaluate(data_set, data_set.cases, counting, tmp_path, on_progress=lambda _, done, of: told.append(done))
    assert counting.ran == [id_of(n) for n in (0, 1, 1, 2)]
    assert told == sorted(told) and told[-1] == 3000


def test_the_evaluation_of_another_model_is_not_replaced_unasked(
    data_set: DataSet, model: Model, tmp_path: Path
) -> None:
    judged(data_set, model, tmp_path)
    with pytest.raises(MedDLError) as refused:
        judged(data_set, model, tmp_path, Settings(tolerance=3.0))
    assert refused.value.code is Code.OUTPUT_EXISTS
    report = judged(data_set, model, tmp_path, Settings(tolerance=3.0, overwrite=True))
    assert json.loads((tmp_path / "evaluation.json").read_text())["tolerance_mm"] == report.tolerance == 3.0


def test_a_case_that_cannot_be_judged_is_named_and_the_others_are_judged(model: Model, tmp_path: Path) -> None:
    data_set = data_in_memory(3)
    case = data_set.cases[1]
    scan: Volume = case.images[0].read()
    broken = replace(case, images=(InMemory(replace(scan, modality="MR")),))
    data_set = replace(data_set, cases=(data_set.cases[0], broken, data_set.cases[2]))
    told: list[Any] = []
    report = judged(data_set, model, tmp_path, on_case=lambda result, case: told.append((case.id, type(result))))
    assert {key: error.code for key, error in report.failed.items()} == {id_of(1): Code.WRONG_MODALITY}
    assert told == [(id_of(0), CaseResult), (id_of(1), MedDLError), (id_of(2), CaseResult)]
    assert report.to_json()["failed"] == [{"case": id_of(1), "code": "WRONG_MODALITY"}]
    assert "WRONG_MODALITY" in (tmp_path / "report.html").read_text()
    with pytest.raises(MedDLError) as refused:
        judged(replace(data_set, cases=(broken,)), model, tmp_path / "other")
    assert refused.value.code is Code.WRONG_MODALITY


def by_content(data_set: DataSet, numbers: list[int]) -> dict[str, Any]:
    """The digests of some cases, called as no case of the data set is."""
    images = [content_hash(data_set.cases[n].images[0].read()) for n in numbers]
    ids = [f"case_9{n:03d}" for n in numbers]
    return {"training": ids[:-1], "validation": ids[-1:], "images_sha256": {i: [h] for i, h in zip(ids, images)}}  # noqa: B905


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (lambda data_set: by_content(data_set, [0, 2, 1]), "The model has learnt from 2 of the 3"),
        (lambda _: {"training": [id_of(0), id_of(2)], "validation": []}, "If it was trained on this data set"),
    ],
    ids=["by content", "by pseudonym"],
)
def test_cases_that_the_model_has_learnt_from_are_warned_of(
    split: Callable[[DataSet], Any], said: str, data_set: DataSet, tmp_path: Path
) -> None:
    model = organs_model(tmp_path / "run" / "model")
    assert judged(data_set, model, tmp_path / "unknown").learnt is None
    (tmp_path / "run" / "split.json").write_text(json.dumps(split(data_set)))
    report = judged(data_set, model, tmp_path / "out")
    assert report.learnt == (id_of(0), id_of(2))
    (notice,) = report.notices
    assert notice.code is Code.LEARNT_FROM and said in notice.message and id_of(2) in notice.message
    assert report.to_json()["learnt_from"] == [id_of(0), id_of(2)]
    assert "LEARNT_FROM" in (tmp_path / "out" / "report.html").read_text()
    (tmp_path / "run" / "split.json").write_text(json.dumps({"training": 3}))
    with pytest.raises(MedDLError) as refused:
        judged(data_set, model, tmp_path / "out")
    assert refused.value.code is Code.DATA_INVALID


def test_a_published_model_is_known_to_have_learnt_from_cases_by_what_it_tells_of_its_data(
    data_set: DataSet, tmp_path: Path
) -> None:
    """The models that come with MedDL were judged on what they had learnt from without a word."""
    model, folds = organs_model(tmp_path / "organs"), [by_content(data_set, [0, 2]), by_content(data_set, [2, 0])]
    images = {name: digests for fold in folds for name, digests in fold.pop("images_sha256").items()}
    (tmp_path / "organs" / "docs").mkdir(exist_ok=True)
    (tmp_path / "organs" / "docs" / "data.json").write_text(json.dumps({"folds": folds, "images_sha256": images}))
    assert judged(data_set, model, tmp_path / "out").learnt == (id_of(0), id_of(2))


def test_only_the_cases_of_a_list_or_of_a_part_are_judged(data_set: DataSet) -> None:
    assert [case.id for case in cases_named(data_set, [name_of(2), id_of(0)])] == [id_of(0), id_of(2)]
    with pytest.raises(MedDLError, match="nobody"):
        cases_named(data_set, [name_of(0), "nobody"])
    with pytest.raises(MedDLError, match="no case"):
        cases_named(data_set, [])
    split = replace(data_set, splits=(Split((("train", (name_of(0),)), ("val", (name_of(1),)), ("test", ()))),))
    assert [case.id for case in cases_of_part(split, "validation")] == [id_of(1)]
    assert [case.id for case in cases_of_part(split, "Train")] == [id_of(0)]
    for other, part in ((data_set, "test"), (split, "holdout"), (split, "test")):
        with pytest.raises(MedDLError) as refused:
            cases_of_part(other, part)
        assert refused.value.code is Code.DATA_INVALID


def test_overlapping_structures_are_compared_each_in_its_layer() -> None:
    data_set = overlapping_in_memory(1)
    truth = data_set.load(data_set.cases[0]).truth
    assert truth.layers > 1
    structures, _ = matched(truth.labels, truth.labels)
    scores, confusion = compare(truth, truth, structures, 1.0)
    assert all((its.dice, its.hd95, its.surface_dice) == (1, 0, 1) for its in scores.values())
    assert confusion[1, 2] == confusion[2, 1] > 0, "the kidney's segment covers the liver"
    empty = replace(truth, array=truth.array * 0)
    scores, confusion = compare(truth, empty, structures, 1.0)
    assert all(its.dice == 0 and its.hd95 != its.hd95 for its in scores.values())
    assert confusion[:, 1:].sum() == 0 and confusion.sum() >= truth.array[0].size


def test_a_model_for_other_channels_is_refused(data_set: DataSet, model: Model) -> None:
    with pytest.raises(MedDLError) as refused:
        ModelPredictions(model, (*data_set.channels, *data_set.channels))
    assert refused.value.code is Code.CHANNELS_MISMATCH
