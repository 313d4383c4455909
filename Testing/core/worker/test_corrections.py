"""Corrections in a real worker: each answer, laid over what was there, is the result without a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.balls import ball
from fixtures.listening import listening_package
from fixtures.models import BALL
from fixtures.packages import threshold_package
from MedDLCore.admission import Options
from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import open_model
from MedDLCore.pipeline import load
from MedDLCore.refine import Refinement, segment_with_clicks
from MedDLCore.spec import Crops
from MedDLCore.volume import Geometry, LabelMap, Volume
from MedDLCore.worker import Correction, Event, Job, Worker, give_label_map, give_volume, take_array, take_label_map
from MedDLCore.worker.corrections import Corrections

PLACE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), origin=(-20, 10, 5))
SCAN = ball(PLACE, (5, 30, 15), 8)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listening_package(tmp_path_factory.mktemp("model") / "listening").folder


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(log=tmp_path_factory.mktemp("log") / "worker.log") as running:
        yield running


def job_of(worker: Worker, package: Path) -> Job:
    return Job(str(package), (give_volume(SCAN, worker.folder),), device="cpu", threads=1, backend="torch")


def clicks_at(*voxels: tuple[int, int, int]) -> list[Click]:
    points = [PLACE.index_to_ras((i, j, k)).tolist() for k, j, i in voxels]
    return [Click((r, a, s), "ball", positive=n != 1) for n, (r, a, s) in enumerate(points)]


def directly(package: Path, clicks: Sequence[Click]) -> NDArray[Any]:
    model = load(open_model(str(package)), "cpu", 1, "torch")
    return segment_with_clicks([SCAN], model, clicks).label_map.array


def laid_over(shown: NDArray[Any], answer: Mapping[str, Any], folder: Path) -> NDArray[Any]:
    """What a program shows once it has the answer."""
    if "label_map" in answer:
        return np.array(take_label_map(answer["label_map"], folder).array)
    if answer["box"] is not None:
        shown[tuple(slice(*ends) for ends in answer["box"])] = take_array(answer["array"], folder)[0]
    return shown


def test_answers_laid_over_each_other_are_the_result_whatever_was_undone(worker: Worker, package: Path) -> None:
    job, clicks = job_of(worker, package), clicks_at((3, 3, 3), (15, 20, 12), (20, 25, 35), (3, 3, 30))
    shown = np.zeros(PLACE.shape, np.uint8)
    wholes = 0
    for wanted in ([], clicks[:1], clicks[:1], clicks[:3], clicks[:2], [clicks[0], clicks[3]], clicks, []):
        answer = worker.run("refine", Correction(job, tuple(wanted)))
        wholes += "label_map" in answer
        shown = laid_over(shown, answer, worker.folder)
        assert np.array_equal(shown, directly(package, wanted))
    assert wholes == 1, "what is kept is gone on with"


def test_another_scan_or_start_begins_anew(worker: Worker, package: Path) -> None:
    (click,) = clicks_at((3, 3, 3))
    empty = LabelMap(np.zeros(PLACE.shape, np.uint8), PLACE, (BALL,))
    start = give_label_map(empty, worker.folder)
    begun = Correction(job_of(worker, package), (click,), start)
    assert "label_map" in worker.run("refine", Correction(job_of(worker, package)))
    shown = laid_over(np.zeros(0), worker.run("refine", begun), worker.folder)
    refinement = Refinement([SCAN], load(open_model(str(package)), "cpu", 1, "torch"), empty)
    refinement.add(click)
    assert np.array_equal(shown, refinement.label_map.array) and refinement.label_map.array.any()
    assert worker.run("refine", begun)["box"] is None


def test_after_an_edit_by_hand_the_scan_stays_prepared(package: Path, tmp_path: Path) -> None:
    """The scan was read and prepared again for each click that came after a brush stroke."""
    model = load(open_model(str(package)), "cpu", 1, "torch")
    corrections, (first, second) = Corrections(), clicks_at((3, 3, 3), (20, 25, 35))
    job, asked = Job(str(package), (give_volume(SCAN, tmp_path),)), list[int]()

    def answer(clicks: Sequence[Click], start: LabelMap | None) -> NDArray[Any]:
        given = None if start is None else give_label_map(start, tmp_path)
        correction = Correction(job, tuple(clicks), given)
        got = corrections.answer(correction, model, volumes, Options(), tmp_path, lambda *_: None)
        return np.array(take_label_map(got["label_map"], tmp_path).array)

    def volumes() -> list[Volume]:
        asked.append(1)
        return [SCAN]

    shown = answer([first], None)
    shown[10:14, 5:9, 20:30] = 1
    drawn = LabelMap(shown, PLACE, (BALL,))
    fresh = Refinement([SCAN], model, drawn)
    fresh.add(second)
    assert np.array_equal(answer([second], drawn), fresh.label_map.array)
    assert len(asked) == 1
    assert np.array_equal(answer([], None), directly(package, []))
    assert len(asked) == 2, "what the network finds on its own is asked for"


def test_a_click_that_is_refused_or_cancelled_midway_is_not_lost_sight_of(worker: Worker, package: Path) -> None:
    job, (first, second) = job_of(worker, package), clicks_at((3, 3, 3), (20, 25, 35))
    shown = laid_over(np.zeros(0), worker.run("refine", Correction(job)), worker.folder)
    stranger = Click(second.point, "spleen")
    with pytest.raises(MedDLError) as caught:
        worker.run("refine", Correction(job, (first, stranger)))
    assert caught.value.code is Code.CLICKS_MISMATCH
    answer = worker.run("refine", Correction(job, (first,)))
    assert np.array_equal(laid_over(shown, answer, worker.folder), directly(package, [first]))


def test_what_a_person_did_not_let_a_click_have_is_brought_again_by_the_next(package: Path, tmp_path: Path) -> None:
    """The worker held for given what a mask had kept from the segment, and a click there changed nothing any more."""
    model = load(open_model(str(package)), "cpu", 1, "torch")
    corrections, (here, there, away) = Corrections(), clicks_at((3, 3, 3), (20, 25, 35), (3, 3, 30))
    job, again = Job(str(package), (give_volume(SCAN, tmp_path),)), Click(here.point, "ball")

    def answer(clicks: Sequence[Click], *shown: Mapping[str, Any] | None) -> Mapping[str, Any]:
        asked = Correction(job, tuple(clicks), shown=shown)
        return corrections.answer(asked, model, lambda: [SCAN], Options(), tmp_path, lambda *_: None)

    answer([])
    low, high = zip(*answer([here])["box"], strict=True)
    assert answer([here])["box"] == list(zip(low, high, strict=True)), "it was taken back, and made again"
    empty = LabelMap(np.zeros(np.subtract(high, low), np.uint8), PLACE.cropped(low, high), (BALL,))
    kept = give_label_map(empty, tmp_path)
    assert answer([here], None)["box"] is None and answer([here], kept)["box"] is None, "it knows what is shown"
    brought = answer([here, again], kept)
    assert brought["box"] == list(zip(low, high, strict=True)) and take_array(brought["array"], tmp_path).any()
    answer([here, again, away], kept)
    answer([there])
    shown = laid_over(directly(package, [there]), answer([]), tmp_path)
    assert np.array_equal(shown, directly(package, [])), "what is shown after a click is taken back with it"


def test_an_answer_that_the_disk_did_not_take_is_in_the_next_one(package: Path, tmp_path: Path) -> None:
    """What had changed was held for told, or the whole label map: the program went on without it."""
    model = load(open_model(str(package)), "cpu", 1, "torch")
    corrections, (click,) = Corrections(), clicks_at((3, 3, 3))
    job = Job(str(package), (give_volume(SCAN, tmp_path),))

    def answer(clicks: Sequence[Click], folder: Path) -> Mapping[str, Any]:
        asked = Correction(job, tuple(clicks))
        return corrections.answer(asked, model, lambda: [SCAN], Options(), folder, lambda *_: None)

    def refused(clicks: Sequence[Click]) -> None:
        with pytest.raises(MedDLError) as caught:
            answer(clicks, tmp_path / "gone")
        assert caught.value.code is Code.OUTPUT_UNWRITABLE

    refused([])
    shown = np.array(take_label_map(answer([], tmp_path)["label_map"], tmp_path).array)
    refused([click])
    owed = answer([click], tmp_path)
    shown[tuple(slice(*ends) for ends in owed["box"])] = take_array(owed["array"], tmp_path)[0]
    assert np.array_equal(shown, directly(package, [click]))


def test_a_click_tells_its_stages_and_pays_for_no_other(worker: Worker, package: Path) -> None:
    job, clicks = job_of(worker, package), clicks_at((3, 3, 3), (20, 25, 35))
    worker.run("refine", Correction(job, tuple(clicks[:1])))
    events: list[Event] = []
    answer = worker.run("refine", Correction(job, tuple(clicks)), events.append)
    assert set(answer["seconds"]) == {"prepare", "network", "finish"}
    patches = [event for event in events if event.kind == "progress" and event.data["stage"] == "network"]
    assert len(patches) <= 2, "begun and done: one patch"


def test_a_model_of_crops_looks_where_clicks_are(worker: Worker, tmp_path: Path) -> None:
    crops = Crops((16.0, 16.0, 16.0), (20.0, 20.0, 20.0))
    package = listening_package(tmp_path / "crops", crops=crops).folder
    job, clicks = job_of(worker, package), clicks_at((12, 15, 10), (12, 15, 20), (12, 10, 36))
    shown = laid_over(np.zeros(0), worker.run("refine", Correction(job)), worker.folder)
    assert not shown.any(), "it waits for a click"
    for wanted in (clicks[:1], clicks, clicks[:2]):
        shown = laid_over(shown, worker.run("refine", Correction(job, tuple(wanted))), worker.folder)
        assert np.array_equal(shown, directly(package, wanted)) and shown.any()


def test_a_model_that_does_not_listen_is_refused_and_the_worker_lives_on(
    worker: Worker, package: Path, tmp_path: Path
) -> None:
    deaf = threshold_package(tmp_path / "deaf").folder
    with pytest.raises(MedDLError) as caught:
        worker.run("refine", Correction(job_of(worker, deaf)))
    assert caught.value.code is Code.CLICKS_MISMATCH
    with pytest.raises(MedDLError, match="clicks") as caught:
        worker.run("refine", Correction(job_of(worker, package), clicks=(1,)))  # type: ignore[arg-type]
    assert caught.value.code is Code.REQUEST_INVALID
    assert "label_map" in worker.run("refine", Correction(job_of(worker, package)))
