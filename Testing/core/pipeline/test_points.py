"""A model that was trained on crops looks around points, and finds there what it finds in the crop alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.balls import THRESHOLD, ball, ball_mask, centroid, positions, turned
from fixtures.models import BALL, model, spec, threshold_network, threshold_package
from MedDLCore.admission import Options
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.metrics import dice
from MedDLCore.models import open_model
from MedDLCore.pipeline import Model, Segmentation, plan, segment
from MedDLCore.preprocess import Region
from MedDLCore.spec import Channel, Crops, Grid, Inference, Output, ZScore
from MedDLCore.volume import Geometry, Label, Volume

OBLIQUE = Geometry.from_parts(
    (30, 90, 80), (1.2, 0.9, 2.5), turned(17, 2) @ turned(9, 0) @ np.diag([-1.0, 1, -1]), (60, -50, 40)
)
LEFT, RIGHT, RADIUS = (-8.0, -3.0, 10.0), (28.0, 2.0, 5.0), 7.0
EXTENT = (24.0, 24.0, 30.0)
CROPS = Crops(EXTENT, (28.0, 26.0, 31.0))
GRID = Grid("RAS", spacing=(1.5, 1.5, 1.5), rule="extent")

CHANGES: dict[str, Any] = {"crops": CROPS, "grid": GRID, "intensity": (ZScore(),), "inference": Inference((8, 8, 8))}


def of_crops(**changes: Any) -> Model:
    """Finds what is a deviation above the mean of what it sees."""
    return model(threshold_network(1.0, weight=1.0), spec(**{**CHANGES, **changes}))


def by_value(**changes: Any) -> Model:
    """Finds what is above -300 HU."""
    return model(threshold_network(THRESHOLD), spec(**{**CHANGES, "intensity": (), **changes}))


def scan_of(*centres: tuple[float, float, float], geometry: Geometry = OBLIQUE) -> Volume:
    """Balls, and a block so bright that in the scan's own statistics no ball stands out."""
    array = np.max([ball(geometry, centre, RADIUS).array for centre in centres], axis=0)
    array[:, :, 70:] = 30_000
    return Volume(array, geometry, "CT")


def around(
    scan: Volume, *points: tuple[float, float, float], ready: Model | None = None, **options: Any
) -> Segmentation:
    return segment([scan], ready or of_crops(), Options(points=points, **options))


def crop_of(scan: Volume, point: tuple[float, float, float]) -> tuple[Volume, Any]:
    """A box of the trained extent, cut by hand: 20 x 27 x 12 voxels of 1.2 x 0.9 x 2.5 mm."""
    index = scan.geometry.ras_to_index(point)
    i, j, k = (round(at - (n - 1) / 2) for at, n in zip(index, (20, 27, 12), strict=True))
    box = np.s_[k : k + 12, j : j + 27, i : i + 20]
    matrix = scan.geometry.ijk_to_ras.copy()
    matrix[:3, 3] = scan.geometry.index_to_ras((i, j, k))
    return Volume(scan.array[box], Geometry((12, 27, 20), matrix), scan.modality), box


def codes(result: Segmentation) -> list[Code]:
    return [notice.code for notice in result.notices]


def test_in_a_large_oblique_scan_it_finds_what_it_finds_in_the_crop_alone() -> None:
    scan = scan_of(LEFT, RIGHT)
    crop, box = crop_of(scan, LEFT)
    alone = segment([crop], of_crops())
    result = around(scan, LEFT)
    found = result.label_map
    assert found.geometry is scan.geometry
    assert np.array_equal(found.array[box], alone.label_map.array)
    assert np.count_nonzero(found.array) == np.count_nonzero(alone.label_map.array)
    assert dice(found.array > 0, ball_mask(OBLIQUE, LEFT, RADIUS)) > 0.9
    assert np.linalg.norm(centroid(found.array > 0, OBLIQUE) - LEFT) < 0.5
    assert result.notices == ()


def test_each_point_has_a_box_with_statistics_of_its_own() -> None:
    scan = scan_of(LEFT, RIGHT)
    scan.array[positions(OBLIQUE)[..., 0] > 10] *= 0.3  # as of a coil that is far away
    both = around(scan, LEFT, RIGHT).label_map.array
    single = [around(scan, point).label_map.array for point in (LEFT, RIGHT)]
    assert np.array_equal(both, single[0] + single[1])
    for n, point in enumerate((LEFT, RIGHT)):
        assert dice(single[n] > 0, ball_mask(OBLIQUE, point, RADIUS)) > 0.9
    assert np.array_equal(around(scan, RIGHT, LEFT, RIGHT).label_map.array, both)


def test_a_box_ends_where_the_scan_ends() -> None:
    at_edge = tuple(OBLIQUE.index_to_ras((4.0, 3.0, 14.0)).tolist())
    result = around(scan_of(at_edge), at_edge)
    assert dice(result.label_map.array > 0, ball_mask(OBLIQUE, at_edge, RADIUS)) > 0.85
    assert result.notices == ()  # it is cut off by the scan, not by the box


def test_neighbours_whose_boxes_meet_are_found_once_and_whole() -> None:
    """Each box cuts the other ball; that piece counts for the point that is nearer."""
    near = (LEFT[0] + 17, LEFT[1], LEFT[2])
    scan = scan_of(LEFT, near)
    result = around(scan, LEFT, near)
    truth = ball_mask(OBLIQUE, LEFT, RADIUS) | ball_mask(OBLIQUE, near, RADIUS)
    assert dice(result.label_map.array > 0, truth) > 0.9
    assert codes(around(scan, LEFT)) == [Code.GRID_CUTS]
    assert codes(result) == []
    assert np.array_equal(around(scan, near, LEFT).label_map.array, result.label_map.array)


def test_what_is_larger_than_its_box_is_a_warning() -> None:
    result = around(ball(OBLIQUE, LEFT, 16), LEFT, ready=by_value())
    assert codes(result) == [Code.GRID_CUTS]
    assert "ball" in result.notices[0].message


def test_a_point_where_nothing_is_is_named() -> None:
    nowhere = (12.0, -45.0, 12.0)
    result = around(scan_of(LEFT), LEFT, nowhere, ready=by_value())
    (notice,) = [notice for notice in result.notices if notice.code is Code.EMPTY_RESULT]
    assert str(nowhere) in notice.message


def test_overlapping_structures_and_a_choice_of_them() -> None:
    two = (BALL, Label(2, "again", (0, 0, 0)))
    ready = of_crops(labels=two, output=Output("sigmoid"))
    scan = scan_of(LEFT, RIGHT)
    result = around(scan, LEFT, RIGHT, ready=ready, structures=("again",))
    truth = ball_mask(OBLIQUE, LEFT, RADIUS) | ball_mask(OBLIQUE, RIGHT, RADIUS)
    assert [label.name for label in result.label_map.labels] == ["again"]
    assert dice(result.label_map.mask(result.label_map.labels[0]), truth) > 0.9
    every = around(scan, LEFT, RIGHT, ready=ready).label_map
    assert np.array_equal(every.mask(every.labels[1]), result.label_map.mask(result.label_map.labels[0]))


def test_a_second_channel_is_cut_where_it_lies() -> None:
    other = Geometry.from_parts((70, 60, 75), (2, 2, 2), np.eye(3), (-70, -60, -60))
    channels = (Channel("image", "CT"), Channel("other"))
    ready = model(threshold_network(2.0, channels=2, weight=1.0), spec(**{**CHANGES, "channels": channels}))
    second = Volume(ball(other, LEFT, RADIUS).array, other)
    result = segment([scan_of(LEFT, RIGHT), second], ready, Options(points=(LEFT,)))
    assert dice(result.label_map.array > 0, ball_mask(OBLIQUE, LEFT, RADIUS)) > 0.9


def test_a_model_on_the_patients_axes_gets_a_box_along_the_scans() -> None:
    ready = by_value(grid=Grid("RAS", spacing=(1.5, 1.5, 1.5), straight=True))
    assert dice(around(scan_of(LEFT), LEFT, ready=ready).label_map.array > 0, ball_mask(OBLIQUE, LEFT, RADIUS)) > 0.9


def test_of_thick_slices_a_box_has_as_many_as_come_nearest() -> None:
    thick = Geometry.from_parts((6, 60, 60), (1.5, 1.5, 26.0), np.eye(3), (-50, -50, -60))
    result = around(ball(thick, LEFT, 20), LEFT, ready=by_value(grid=Grid("RAS")))
    used = np.flatnonzero(result.label_map.array.any(axis=(1, 2)))
    assert used.tolist() == [round(float(thick.ras_to_index(LEFT)[2]))]


def refused(scan: Volume, ready: Model, options: Options = Options()) -> MedDLError:
    """Before the network runs, and the same by a plan."""
    started: list[str] = []
    with pytest.raises(MedDLError) as refusal:
        segment([scan], ready, options, on_progress=lambda stage, *_: started.append(stage))
    with pytest.raises(MedDLError) as foreseen:
        plan([scan], ready, options, timed=False)
    assert not started
    assert str(foreseen.value) == str(refusal.value)
    return refusal.value


def test_a_scan_that_is_larger_than_the_crops_needs_a_point() -> None:
    error = refused(scan_of(LEFT), of_crops())
    assert error.code is Code.POINTS_MISMATCH
    assert "24 x 24 x 30 mm" in error.message
    assert "--at" in error.hint


def test_a_scan_no_larger_than_the_crops_needs_none_and_is_not_judged_by_its_air() -> None:
    crop, _ = crop_of(scan_of(LEFT), LEFT)
    nameless = Volume(crop.array + 1100, crop.geometry, None)
    found = segment([nameless], of_crops())
    assert codes(found) == [Code.MODALITY_UNKNOWN]
    assert found.label_map.array.any()
    whole = segment([nameless], model(threshold_network(THRESHOLD)))
    assert Code.UNITS_DUBIOUS in codes(whole)


def test_a_model_of_whole_scans_takes_no_points() -> None:
    error = refused(scan_of(LEFT), model(threshold_network(THRESHOLD)), Options(points=(LEFT,)))
    assert error.code is Code.POINTS_MISMATCH
    assert "--roi" in error.hint


def test_points_and_a_region_exclude_each_other() -> None:
    region = Region((-20, -20, -20), (20, 20, 20))
    assert refused(scan_of(LEFT), of_crops(), Options(region=region, points=(LEFT,))).code is Code.POINTS_MISMATCH


@pytest.mark.parametrize("point", [(0.0, 0.0, 500.0), (float("nan"), 0.0, 0.0), (0.0, float("inf"), 0.0)])
def test_a_point_outside_the_scan_is_refused(point: tuple[float, float, float]) -> None:
    error = refused(scan_of(LEFT), of_crops(), Options(points=(LEFT, point)))
    assert error.code is Code.REGION_OUTSIDE
    assert str(point) in error.message


def test_a_corner_of_the_box_around_an_oblique_scan_is_outside() -> None:
    corner = tuple(OBLIQUE.corners().max(axis=0).tolist())
    assert refused(scan_of(LEFT), of_crops(), Options(points=(corner,))).code is Code.REGION_OUTSIDE


def test_the_plan_counts_boxes_and_not_the_scan() -> None:
    scan, whole = scan_of(LEFT, RIGHT), model(threshold_network(1.0), spec(**{**CHANGES, "crops": None}))
    one, two = (plan([scan], of_crops(), Options(points=points)) for points in ((LEFT,), (LEFT, RIGHT)))
    assert one.patches * 2 == two.patches < plan([scan], whole, timed=False).patches / 4
    assert one.memory == two.memory < plan([scan], whole, timed=False).memory
    assert two.seconds is not None and two.seconds > 0


def test_the_body_is_not_looked_for_in_a_box() -> None:
    assert codes(around(scan_of(LEFT), LEFT, crop_body=True)) == [Code.NOT_CROPPED]


def test_progress_goes_forward_over_all_boxes() -> None:
    told: list[float] = []

    def tell(stage: str, done: int, of: int) -> None:
        if stage == "network":
            told.append(done / of)

    segment([scan_of(LEFT, RIGHT)], of_crops(), Options(points=(LEFT, RIGHT)), tell)
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize(
    "crops",
    [
        Crops((30.0, 24.0, 30.0), (28.0, 26.0, 31.0)),
        Crops((0.0, 24.0, 30.0), (28.0, 26.0, 31.0)),
        Crops((24.0, 24.0, float("nan")), (28.0, 26.0, 31.0)),
        Crops((24.0, 24.0, 30.0), (28.0, 26.0, float("inf"))),
    ],
)
def test_crops_that_cannot_be_are_refused(crops: Crops) -> None:
    with pytest.raises(MedDLError) as refusal:
        spec(crops=crops)
    assert refusal.value.code is Code.MODEL_INVALID


def test_a_model_after_another_one_is_no_model_of_crops() -> None:
    with pytest.raises(MedDLError) as refusal:
        replace(of_crops().spec, previous=(1,))
    assert refusal.value.code is Code.MODEL_INVALID


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))
    changes = {key: value for key, value in CHANGES.items() if key != "intensity"}
    return threshold_package(tmp_path / "package", THRESHOLD, **changes)


def write(path: Path, *arrays: NDArray[Any]) -> Path:
    data = np.stack([array.transpose(2, 1, 0) for array in arrays], axis=-1).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data if len(arrays) > 1 else data[..., 0], OBLIQUE.ijk_to_ras), path)
    return path


def meddl(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


def text(point: tuple[float, float, float]) -> str:
    return ",".join(map(str, point))


def test_a_package_says_that_it_needs_points(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert open_model(package).spec.crops == CROPS
    assert meddl("models", "info", package) == Exit.OK
    assert "24 x 24 x 30 mm; in a larger scan, name points with --at R,A,S" in capsys.readouterr().out
    assert "24 x 24 x 30 mm" in (package / "docs" / "README.md").read_text()


def test_points_of_the_command_line_and_of_a_file_reach_every_frame_and_the_manifest(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [np.maximum(ball(OBLIQUE, LEFT, r).array, ball(OBLIQUE, RIGHT, r).array) for r in (5, 7)]
    scan = write(tmp_path / "scan.nii.gz", *frames)
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [{"position": [-28.0, -2.0, 5.0]}]}
    (tmp_path / "F.mrk.json").write_text(json.dumps({"markups": [markup]}))
    common = (scan, "-m", package, "--modality", "CT", "--threads", 1, "--frame", "all")
    points = ("--at", text(LEFT), "--at", tmp_path / "F.mrk.json")
    assert meddl("segment", *common, *points, "--format", "nifti", "--no-picture", "-o", tmp_path / "out") == Exit.OK
    results = sorted((tmp_path / "out").glob("*.nii.gz"))
    assert len(results) == 2
    for result, radius in zip(results, (5, 7), strict=True):
        found = np.asarray(nibabel.load(result).dataobj).transpose(2, 1, 0) > 0
        assert dice(found, ball_mask(OBLIQUE, LEFT, radius) | ball_mask(OBLIQUE, RIGHT, radius)) > 0.85
    manifest = json.loads(next((tmp_path / "out").glob("*_manifest.json")).read_text())
    assert manifest["settings"]["points"] == [list(LEFT), list(RIGHT)]
    capsys.readouterr()
    assert meddl("plan", *common, *points, "--json") == Exit.OK
    assert "patches" in json.loads(capsys.readouterr().out.splitlines()[-1])


def test_without_a_point_the_command_says_what_to_do(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = write(tmp_path / "scan.nii.gz", ball(OBLIQUE, LEFT, RADIUS).array)
    out = tmp_path / "out"
    assert meddl("segment", scan, "-m", package, "--modality", "CT", "--no-picture", "-o", out) == Exit.INPUT
    said = capsys.readouterr().err
    assert "POINTS_MISMATCH" in said
    assert "--at R,A,S" in said


@pytest.mark.parametrize("at", ["1,2", "1,2,3,4", "1;2;3", "a,b,c", "nan,0,0", "0,inf,0", ""])
def test_what_is_no_point_is_wrong_usage(package: Path, at: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert meddl("plan", "scan.nii.gz", "-m", package, "--at", at) == Exit.USAGE
    assert "--at" in capsys.readouterr().err


def test_a_file_of_points_that_is_not_there_is_refused(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert meddl("plan", "scan.nii.gz", "-m", package, "--at", "absent.mrk.json") == Exit.INPUT
    assert "FILE_NOT_FOUND" in capsys.readouterr().err
