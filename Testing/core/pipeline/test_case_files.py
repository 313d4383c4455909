"""The files of a case: all of them or none, and never two runs' at once."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.balls import THRESHOLD, ball
from fixtures.models import threshold_package
from MedDLCore.case import Beside, Outputs, run_case
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import open_model
from MedDLCore.pipeline import Model, load
from MedDLCore.volume import Geometry, LabelMap, Volume

GEOMETRY = Geometry.from_parts((24, 30, 28), (1.5, 1.5, 1.5))
Write = Callable[[Volume, LabelMap, Path], None]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    threshold_package(tmp_path / "package", THRESHOLD)
    return load(open_model(str(tmp_path / "package")), "cpu", 1)


@pytest.fixture
def scan() -> Volume:
    return ball(GEOMETRY, (20.0, 25.0, 18.0), 9.0)


def text_beside(write: Write = lambda _, __, path: (path.write_text("beside"), None)[1]) -> tuple[Beside, ...]:
    return (Beside("picture", ".png", "picture", write),)


def test_what_is_made_beside_the_result_stands_in_the_manifest(model: Model, scan: Volume, tmp_path: Path) -> None:
    """Pictures and scenes were written after the manifest, which did not name them."""
    result = run_case([scan], model, Outputs(tmp_path / "out", beside=text_beside()))
    manifest = json.loads(result.files["manifest"].read_text())
    assert {output["kind"] for output in manifest["outputs"]} == {"nrrd", "statistics", "picture"}
    assert result.files["picture"].read_text() == "beside"
    assert "picture" in manifest["seconds"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_run_that_ends_while_its_picture_is_drawn_leaves_nothing_and_can_be_run_again(
    error: BaseException, model: Model, scan: Volume, tmp_path: Path
) -> None:
    """The finished files stayed, and the next run ended in OUTPUT_EXISTS."""

    def fail(*_: object) -> None:
        raise error

    out = tmp_path / "out"
    with pytest.raises((KeyboardInterrupt, MedDLError)):
        run_case([scan], model, Outputs(out, beside=text_beside(fail)))
    assert not list(out.iterdir())
    run_case([scan], model, Outputs(out, beside=text_beside()))


def test_a_run_that_fails_leaves_the_earlier_result_whole(model: Model, scan: Volume, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    run_case([scan], model, Outputs(out, beside=text_beside()))
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        run_case([scan], model, Outputs(out, beside=text_beside(fail), overwrite=True))
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_replacing_a_result_removes_the_formats_that_are_not_asked_for_again(
    model: Model, scan: Volume, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = run_case([scan], model, Outputs(out, ("nrrd", "nifti"), beside=text_beside()))
    again = run_case([scan], model, Outputs(out, ("nrrd",), overwrite=True))
    assert set(again.files) == {"nrrd", "statistics", "manifest"}
    assert sorted(out.iterdir()) == sorted(again.files.values())
    assert set(again.files.values()) < set(first.files.values())


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_two_runs_at_once_for_one_result_the_second_is_refused(
    overwrite: bool, model: Model, scan: Volume, tmp_path: Path
) -> None:
    """Both ended well, and the last one won without a word."""
    refusals = []

    def run_it_again(_: Volume, __: LabelMap, path: Path) -> None:
        path.write_text("first")
        with pytest.raises(MedDLError) as caught:
            run_case([scan], model, Outputs(tmp_path / "out", overwrite=overwrite))
        refusals.append(caught.value.code)

    result = run_case([scan], model, Outputs(tmp_path / "out", beside=text_beside(run_it_again), overwrite=overwrite))
    assert refusals == [Code.OUTPUT_EXISTS]
    assert result.files["picture"].read_text() == "first"
    assert sorted((tmp_path / "out").iterdir()) == sorted(result.files.values())
