"""Pictures show left on the right, circles as circles, and everything that was found. They need no Slicer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.balls import INSIDE, OUTSIDE, ball, ball_mask, turned
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Label, LabelMap, Volume
from MedDLScene.pictures import BOX, GAP, LEGEND, PANEL, ROWS, drawPicture, renderPicture, volumesInMillilitres
from MedDLScene.planes import LUNG_HU, SOFT_TISSUE_HU, mostOf, windowOf
from MedDLScene.relief import paintRelief

GRID = Geometry.from_parts((30, 50, 60), (2.0, 2.0, 3.0), origin=(-60, -50, -45))
OBLIQUE = Geometry.from_parts((28, 90, 90), (1.2, 1.2, 4.0), turned(25, 0) @ turned(15, 2), (-40, -80, -40))
PANELS = {"axial": (0, 0), "surfaces": (1, 0), "coronal": (0, 1), "sagittal": (1, 1)}
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def panels(picture: Image.Image) -> dict[str, np.ndarray]:
    """``(PANEL, PANEL, 3)`` of each panel, 0 to 255."""
    pixels = np.asarray(picture).astype(int)
    step = PANEL + GAP
    return {
        name: pixels[GAP + y * step : GAP + y * step + PANEL, GAP + x * step : GAP + x * step + PANEL]
        for name, (x, y) in PANELS.items()
    }


def middle_of(panel: np.ndarray, channel: int) -> tuple[float, float]:
    """Where the panel is tinted with red, green or blue: row and column, -1 to 1 from the panel's middle."""
    row, column = np.nonzero(tinted(panel, channel))
    return (row.mean() / PANEL * 2 - 1, column.mean() / PANEL * 2 - 1)


def tinted(panel: np.ndarray, channel: int) -> np.ndarray:
    others = [n for n in range(3) if n != channel]
    return panel[..., channel] > panel[..., others].max(axis=-1) + 60


def balls(geometry: Geometry, *centres, radius: float = 9.0) -> LabelMap:
    """A ball for each centre, red, green, blue."""
    array = np.zeros(geometry.shape, np.uint8)
    for n, centre in enumerate(centres):
        array[ball_mask(geometry, centre, radius)] = n + 1
    labels = tuple(Label(n + 1, f"ball {n}", (RED, GREEN, BLUE)[n]) for n in range(len(centres)))
    return LabelMap(array, geometry, labels)


def test_the_patients_left_is_on_the_right() -> None:
    found = panels(drawPicture(ball(GRID, (0, 0, 0), 40), balls(GRID, (-30, 20, 25))))
    for name in ("axial", "coronal"):
        assert middle_of(found[name], 0)[1] > 0.2, name
    assert middle_of(found["axial"], 0)[0] < -0.1, "front is up"
    assert middle_of(found["coronal"], 0)[0] < -0.1, "head is up"
    assert middle_of(found["sagittal"], 0)[0] < -0.1, "head is up"
    assert middle_of(found["sagittal"], 0)[1] < -0.1, "the face looks to the left"


def test_the_surfaces_are_seen_from_the_front() -> None:
    colours, _ = paintRelief(balls(GRID, (-30, 0, 25), (30, 0, -25)), 180)
    height, width, _ = colours.shape
    upper_right, lower_left = colours[: height // 3, -width // 3 :], colours[-height // 3 :, : width // 3]
    assert upper_right[..., 0].sum() > 10 * upper_right[..., 1].sum()
    assert lower_left[..., 1].sum() > 10 * lower_left[..., 0].sum()


@pytest.mark.parametrize("geometry", [GRID, OBLIQUE, GRID.reoriented("SPL")])
def test_what_lies_in_front_hides_what_lies_behind(geometry) -> None:
    at = geometry.corners().mean(axis=0)
    shift = np.array([0, 14, 0])
    colours, _ = paintRelief(balls(geometry, at + shift, at - shift, radius=10), 180)
    middle = colours[colours.shape[0] // 2, colours.shape[1] // 2]
    assert middle[3] > 0.9
    assert middle[0] > 4 * middle[1]


def test_a_body_around_other_segments_is_of_glass() -> None:
    array = np.zeros(GRID.shape, np.uint8)
    array[ball_mask(GRID, (0, 0, 0), 38)] = 1
    array[ball_mask(GRID, (-12, 0, 0), 9)] = 2
    array[ball_mask(GRID, (12, 0, 0), 9)] = 3
    labels = (Label(1, "body", RED), Label(2, "left", GREEN), Label(3, "right", BLUE))
    colours, _ = paintRelief(LabelMap(array, GRID, labels), 240)
    row, width = colours[colours.shape[0] // 2], colours.shape[1]
    third = width // 6
    assert row[width // 2 + third][:3].argmax() == 1
    assert row[width // 2 - third][:3].argmax() == 2


@pytest.mark.parametrize("geometry", [GRID, OBLIQUE])
def test_a_ball_is_a_circle_whatever_the_voxels(geometry) -> None:
    at = geometry.corners().mean(axis=0)
    found = panels(drawPicture(ball(geometry, at, 30), balls(geometry, at, radius=18)))
    for name in ("axial", "coronal", "sagittal"):
        row, column = np.nonzero(tinted(found[name], 0))
        assert row.std() == pytest.approx(column.std(), rel=0.08), name
        assert len(row) == pytest.approx(4 * np.pi * row.std() * column.std(), rel=0.04), "a disk, not an ellipse"
        assert abs(np.corrcoef(row, column)[0, 1]) < 0.08, name


def test_the_overlay_lies_on_the_scan() -> None:
    """The ball's own voxels are bright, and its label covers just those."""
    geometry = OBLIQUE
    at = geometry.corners().mean(axis=0)
    mask = ball_mask(geometry, at, 20)
    volume = Volume(np.where(mask, INSIDE, OUTSIDE).astype(np.float32), geometry, "CT")
    for panel in (panels(drawPicture(volume, balls(geometry, at, radius=20)))[n] for n in ("axial", "sagittal")):
        inner = panel[40:-40, 40:-40]
        bright, red = inner.min(axis=-1) > 120, tinted(inner, 0)
        assert red.sum() > 1000
        assert (bright & ~red).sum() < 0.15 * red.sum()


def test_planes_lie_where_most_segments_are() -> None:
    labels = balls(GRID, (-30, 20, 25))
    assert np.allclose(mostOf(labels, GRID), (-30, 20, 25), atol=3.1)
    array = np.zeros(GRID.shape, np.uint8)
    array[...] = 1
    array[20:24, 20:24, 10:14], array[21:25, 21:25, 15:19] = 2, 3
    many = LabelMap(array, GRID, tuple(Label(n, str(n), RED) for n in (1, 2, 3)))
    assert GRID.ras_to_index(mostOf(many, GRID))[1] == pytest.approx(22, abs=1.5), "the body does not outvote the small"


def test_an_empty_segmentation_shows_the_middle_of_the_scan() -> None:
    empty = LabelMap(np.zeros(GRID.shape, np.uint8), GRID, ())
    assert np.allclose(mostOf(empty, GRID), GRID.corners().mean(axis=0))
    found = panels(drawPicture(ball(GRID, (0, 0, 0), 40), empty))
    assert not any(tinted(panel, 0).any() for name, panel in found.items() if name != "surfaces")


def test_windows_suit_what_is_shown() -> None:
    body = ball(GRID, (0, 0, 0), 40)
    soft, lung = balls(GRID, (0, 0, 0)), LabelMap((body.array < -700).astype(np.uint8), GRID, (Label(1, "a", RED),))
    assert windowOf(body, soft) == SOFT_TISSUE_HU
    assert windowOf(body, lung) == LUNG_HU
    assert windowOf(Volume(body.array, GRID, None), soft) == SOFT_TISSUE_HU
    scan = np.random.default_rng(0).normal(500, 100, GRID.shape).astype(np.float32)
    scan[0] = np.nan
    low, high = windowOf(Volume(scan, GRID, "MR"), soft)
    assert low == pytest.approx(267, abs=15)
    assert high == pytest.approx(758, abs=15)
    flat = windowOf(Volume(np.zeros(GRID.shape, np.int16), GRID, "MR"), soft)
    assert flat[1] > flat[0]


def test_volumes_are_those_of_the_voxels() -> None:
    array = np.zeros((2, *GRID.shape), np.uint16)
    array[0, :2], array[1, 5:6], array[1, 7] = 1, 1, 65535
    labels = (Label(1, "a", RED), Label(1, "b", RED, layer=1), Label(65535, "c", RED, layer=1), Label(9, "d", RED))
    slice_ml = 50 * 60 * (2 * 2 * 3) / 1000
    assert volumesInMillilitres(LabelMap(array, GRID, labels)) == pytest.approx(
        {labels[0]: 2 * slice_ml, labels[1]: slice_ml, labels[2]: slice_ml, labels[3]: 0.0}
    )


def test_no_text_leaves_its_place() -> None:
    names = ["x" * 300, "Größe\nüber\tzwei Zeilen", "漢字", "", *(f"structure number {n}" for n in range(46))]
    array = np.zeros(GRID.shape, np.uint8)
    array[...] = np.arange(50)[:, None] + 1
    labels = tuple(Label(n + 1, name, RED) for n, name in enumerate(names))
    assert len(labels) > ROWS
    pixels = np.asarray(drawPicture(ball(GRID, (0, 0, 0), 40), LabelMap(array, GRID, labels)))
    legend = pixels[GAP:-GAP, -GAP - LEGEND : -GAP]
    for edge in (legend[:, :20], legend[:, -20:], legend[:10], legend[-10:]):
        assert (edge == BOX).all()
    for panel in panels(Image.fromarray(pixels)).values():
        for edge in (panel[:2], panel[-2:], panel[:, :2], panel[:, -2:]):
            assert (edge == BOX).all()


@pytest.mark.parametrize("shape", [(1, 40, 40), (40, 1, 40), (3, 2, 1), (1, 1, 1)])
def test_thin_scans_and_single_voxels_are_drawn(shape) -> None:
    geometry = Geometry.from_parts(shape, (1, 2, 3))
    array = np.zeros(shape, np.uint8)
    array[0, 0, 0] = 1
    drawPicture(Volume(np.ones(shape, np.int16), geometry), LabelMap(array, geometry, (Label(1, "dot", RED),)))


def test_channels_and_overlapping_layers_are_drawn() -> None:
    volume = ball(GRID, (0, 0, 0), 40)
    layers = np.stack([balls(GRID, (0, 0, 0)).array, balls(GRID, (10, 0, 0)).array])
    labels = (Label(1, "a", RED), Label(1, "b", GREEN, layer=1))
    found = panels(drawPicture(Volume(np.stack([volume.array] * 2), GRID), LabelMap(layers, GRID, labels)))
    assert tinted(found["axial"], 0).any()
    assert tinted(found["axial"], 1).any()


def test_a_picture_is_a_png_without_any_metadata(tmp_path) -> None:
    renderPicture(ball(GRID, (0, 0, 0), 40), balls(GRID, (0, 0, 0)), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert picture.info == {}
        assert picture.size == (2 * PANEL + 4 * GAP + LEGEND, 2 * PANEL + 3 * GAP)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(MedDLError) as refused:
        renderPicture(ball(GRID, (0, 0, 0), 40), balls(GRID, (0, 0, 0)), tmp_path / "none" / "a.png")
    assert refused.value.code is Code.OUTPUT_UNWRITABLE


def run(code: str) -> subprocess.CompletedProcess[str]:
    library = Path(__file__).resolve().parents[2] / "MedDLSegment"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(library)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_pictures_need_neither_slicer_nor_vtk() -> None:
    done = run("import MedDLScene.pictures\nprint({'vtk', 'slicer', 'torch'} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr


def test_scenes_without_slicers_libraries_are_refused_with_what_to_install() -> None:
    done = run(
        "sys.modules['slicer'] = None\n"
        "from MedDLCore.errors import MedDLError\n"
        "try:\n    import MedDLScene.segmentation_node\n"
        "except MedDLError as error:\n    print(error.code.value, error.hint)"
    )
    assert done.stdout.strip() == "EXTRA_MISSING pip install 'meddl[scene]'", done.stderr
