"""A scan is cut to its foreground before the network's grid is laid over it, and the rest is background."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.models import model, spec, threshold_network
from MedDLCore.admission import Options
from MedDLCore.errors import Code, MedDLError
from MedDLCore.pipeline import plan, segment
from MedDLCore.preprocess import Region, prepare
from MedDLCore.spec import Channel, Foreground, Grid, Inference, ModelSpec, Scale, ZScore
from MedDLCore.volume import Geometry, Volume

GEOMETRY = Geometry.from_parts((10, 20, 30), (1, 2, 3), np.diag([-1.0, -1, 1]), (7, 8, 9))


def scan(*boxes: tuple[slice, slice, slice], value: int = 200) -> Volume:
    array = np.zeros(GEOMETRY.shape, dtype=np.int16)
    for box in boxes:
        array[box] = value
    return Volume(array, GEOMETRY, "CT")


OFF_CENTRE = (slice(2, 5), slice(3, 6), slice(4, 7))
"""K, J, I."""


def cut(axes: str = "turned", **more: object) -> ModelSpec:
    foreground = Foreground(margin=1, grid="scan", axes=axes, **more)  # type: ignore[arg-type]
    return spec(foreground=foreground, inference=Inference(patch=(4, 4, 4)), grid=Grid("RAS", rule="first_voxel"))


def test_the_network_sees_the_box_of_the_foreground_with_its_margin() -> None:
    prepared = prepare([scan(OFF_CENTRE)], cut())
    assert prepared.array.shape == (1, 5, 5, 5) and prepared.notices == ()
    np.testing.assert_array_equal(prepared.array[0, 1:4, 1:4, 1:4], 200)
    assert prepared.array.sum() == 27 * 200
    assert prepared.part.shape == (5, 5, 5)


def test_what_the_box_leaves_out_is_background_and_the_rest_lies_where_it_was() -> None:
    volume = scan(OFF_CENTRE)
    found = segment([volume], model(threshold_network(-1e6), cut())).label_map
    assert found.geometry.same_as(GEOMETRY)
    expected = np.zeros(GEOMETRY.shape)
    expected[1:6, 2:7, 3:8] = 1
    np.testing.assert_array_equal(found.array, expected)


def test_the_box_takes_part_in_a_region_of_interest() -> None:
    volume = scan(OFF_CENTRE)
    low, high = np.sort(GEOMETRY.index_to_ras([(0, 0, 0), (5, 19, 9)]), axis=0)
    region = Region(tuple(low - 0.5), tuple(high + 0.5))
    found = segment([volume], model(threshold_network(-1e6), cut()), Options(region=region)).label_map
    expected = np.zeros(GEOMETRY.shape)
    expected[1:6, 2:7, 3:6] = 1
    np.testing.assert_array_equal(found.array, expected)


FAR_END = ((29, 19, 9), (20, 12, 6))
"""I, J, K of two corners, many patches away from ``OFF_CENTRE``."""


@pytest.mark.parametrize(
    "changes",
    [
        {"foreground": Foreground(grid="scan"), "grid": Grid("RAS", rule="first_voxel")},
        {"foreground": Foreground(grid="scan"), "grid": Grid("RAS", spacing=(2.0, 2.0, 2.0))},
        {"grid": Grid("RAS", crop="nonzero")},
        {"grid": Grid("RAS", spacing=(2.0, 2.0, 2.0), rule="extent", crop="nonzero")},
        {"grid": Grid("RAS", shape=(6, 6, 6), crop="nonzero")},
    ],
)
def test_a_region_beside_the_foreground_is_an_empty_result_and_no_refusal(changes: dict[str, object]) -> None:
    """It meets the scan. It was refused as if it did not."""
    low, high = np.sort(GEOMETRY.index_to_ras(FAR_END), axis=0)
    options = Options(region=Region(tuple(low), tuple(high)))
    ready = model(threshold_network(-1e6), spec(inference=Inference(patch=(4, 4, 4)), **changes))
    assert plan([scan(OFF_CENTRE)], ready, options).fits
    found = segment([scan(OFF_CENTRE)], ready, options)
    assert not found.label_map.array.any()
    assert Code.EMPTY_RESULT in [notice.code for notice in found.notices]
    beyond = Options(region=Region((500, 500, 500), (600, 600, 600)))
    with pytest.raises(MedDLError) as refusal:
        segment([scan(OFF_CENTRE)], ready, beyond)
    assert refusal.value.code is Code.REGION_OUTSIDE


def test_without_a_foreground_nothing_is_cut() -> None:
    assert prepare([scan()], cut()).array.shape == (1, 30, 20, 10)


def test_bounds_of_the_stored_axes_cut_a_mirrored_scan_elsewhere_with_a_warning() -> None:
    prepared = prepare([scan(OFF_CENTRE)], cut("stored"))
    assert prepared.array.shape == (1, 5, 5, 5) and prepared.array.sum() == 0
    [notice] = prepared.notices
    assert notice.code is Code.FOREGROUND_CUT and "100.00%" in notice.message
    notices = segment([scan(OFF_CENTRE)], model(threshold_network(100), cut("stored"))).notices
    assert Code.FOREGROUND_CUT in [notice.code for notice in notices]


def test_bounds_of_the_stored_axes_are_the_foregrounds_where_the_scan_is_stored_as_the_network_sees_it() -> None:
    straight = Geometry.from_parts(GEOMETRY.shape, (1, 2, 3))
    prepared = prepare([Volume(scan(OFF_CENTRE).array, straight, "CT")], cut("stored"))
    assert prepared.array.sum() == 27 * 200 and prepared.notices == ()


def test_the_foreground_may_be_that_of_one_input_after_its_own_steps() -> None:
    channels = (Channel("a", "CT"), Channel("b", "CT", (ZScore(nonzero=True), Scale(-1))))
    first, second = scan(OFF_CENTRE), scan((slice(8, 9), slice(10, 12), slice(20, 22)))
    second.array[8, 10, 20] = 300
    described = spec(
        channels=channels,
        steps_on_scan=2,
        foreground=Foreground(steps=2, channel=1, grid="scan"),
        grid=Grid("RAS", rule="first_voxel"),
    )
    prepared = prepare([first, second], described)
    assert prepared.array.shape == (2, 2, 2, 1), "minus the deviations: all but the brightest are above 0"
    assert prepare([first, second], spec(channels=channels, steps_on_scan=2)).array[0].max() == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"foreground": Foreground(channel=1)},
        {"foreground": Foreground(channel=-1)},
        {"foreground": Foreground(steps=1, grid="scan"), "intensity": (Scale(),)},
    ],
)
def test_a_foreground_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MedDLError) as caught:
        spec(**changes)
    assert caught.value.code is Code.MODEL_INVALID and "foreground" in caught.value.message
