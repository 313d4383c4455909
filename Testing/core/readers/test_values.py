"""Values: finite, no wider than needed, Hounsfield units or a doubt."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers import read
from MedDLCore.readers.values import check_hounsfield, check_values, narrowed, rescaled


@pytest.fixture(autouse=True)
def any_warning_is_an_error() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def a_body(seed: int = 0, padding: float | None = None) -> NDArray[np.int16]:
    """``(12, 60, 60)`` HU: noisy air, a rim of fat around muscle, a lung, a bone; padding outside the circle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:60j, -1:1:60j]
    radius = np.hypot(x, y)
    plane = np.full((60, 60), -1000.0)
    plane[radius < 0.8] = -100
    plane[radius < 0.7] = 50
    plane[np.hypot(x - 0.3, y) < 0.2] = -800
    plane[np.hypot(x + 0.3, y) < 0.1] = 700
    volume = plane + rng.normal(0, 15, (12, 60, 60))
    if padding is not None:
        volume[:, radius > 1] = padding
    return np.round(volume).astype(np.int16)


Corruption = Callable[[NDArray[Any]], NDArray[Any]]
CORRUPTIONS: dict[str, Corruption] = {
    "no intercept": lambda hu: hu + 1024,
    "no intercept, clipped": lambda hu: np.clip(hu + 1024, 0, 4095),
    "intercept twice": lambda hu: hu - 1024,
    "slope 2 left out": lambda hu: (hu + 1024) / 2 - 1024,
    "slope 1/2 left out": lambda hu: (hu + 1024) * 2 - 1024,
    "8 bits": lambda hu: np.round((np.clip(hu, -1000, 1000) + 1000) * 0.1275),
    "8 bits, soft window": lambda hu: np.round((np.clip(hu, -160, 240) + 160) * 0.6375),
    "0 to 1": lambda hu: (np.clip(hu, -1000, 1000) + 1000) / 2000,
    "z-score": lambda hu: (hu - hu.mean()) / hu.std(),
    "times ten": lambda hu: hu * 10.0,
}


def test_finite_values_are_handed_on_untouched() -> None:
    for array in (a_body(), a_body().astype(np.float32)):
        same, notices = check_values(array, "MR")
        assert same is array
        assert notices == ()


@pytest.mark.parametrize(("modality", "fill"), [("CT", -1024), ("MR", 0), (None, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_few_voxels_that_are_no_numbers_are_replaced_with_a_warning(
    modality: str | None, fill: float, dtype: Any
) -> None:
    array = a_body().astype(dtype)
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    before = array.copy()
    repaired, notices = check_values(array, modality)
    np.testing.assert_array_equal(repaired[0, 0, :3], fill)
    np.testing.assert_array_equal(repaired[1:], before[1:])
    np.testing.assert_array_equal(array, before)
    assert repaired.dtype == dtype
    assert [notice.code for notice in notices] == [Code.NONFINITE]
    assert f"3 of {array.size}" in notices[0].message


def test_exactly_one_percent_is_replaced_and_more_is_refused_unless_allowed() -> None:
    array = np.ones((10, 10, 10), np.float32)
    array[0].flat[:10] = np.nan
    assert np.isfinite(check_values(array, None)[0]).all()
    array[0].flat[10] = np.inf
    with pytest.raises(MedDLError) as caught:
        check_values(array, None)
    assert caught.value.code is Code.NONFINITE
    forced, notices = check_values(array, None, frozenset({Code.NONFINITE}))
    assert np.isfinite(forced).all()
    assert [notice.code for notice in notices] == [Code.NONFINITE]


@pytest.mark.parametrize("padding", [None, -1500, -2000, -2048, -3024, -1024])
def test_hounsfield_units_raise_no_doubt(padding: float | None) -> None:
    for seed in range(3):
        assert check_hounsfield(a_body(seed, padding)) is None
        assert check_values(a_body(seed, padding), "CT")[1] == ()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("padding", [None, -1500, -2000])
def test_other_values_raise_a_doubt(corruption: str, padding: float | None) -> None:
    for seed in range(10):
        array = CORRUPTIONS[corruption](a_body(seed, padding).astype(np.float64))
        notice = check_hounsfield(array)
        assert notice is not None, (corruption, padding)
        assert notice.code is Code.UNITS_DUBIOUS


def test_a_crop_without_air_is_said_to_be_one_that_cannot_be_checked() -> None:
    notice = check_hounsfield(a_body()[:, 26:34, 8:14])
    assert notice is not None
    assert "cannot be checked" in notice.message


def test_nothing_but_padding_raises_a_doubt() -> None:
    assert check_hounsfield(np.full((3, 3, 3), -2000)) is not None


def test_only_a_ct_is_asked_for_hounsfield_units() -> None:
    assert check_values(a_body() + 1024, "MR")[1] == ()
    assert [notice.code for notice in check_values(a_body() + 1024, "CT")[1]] == [Code.UNITS_DUBIOUS]


def test_a_large_scan_is_sampled_alike_along_every_axis() -> None:
    large = np.tile(a_body(), (8, 4, 4))
    assert large.size > 1_000_000
    assert check_hounsfield(large) is None
    assert check_hounsfield(large + 1024) is not None


@pytest.mark.parametrize("stored", ["<i2", ">i2", "<u2", ">u4", "<i4", "u1", ">f4"])
def test_usual_types_stay_in_the_machines_byte_order(stored: str) -> None:
    result = narrowed(np.array([0, 1, 100], stored))
    assert result.dtype == np.dtype(stored).newbyteorder("=")
    np.testing.assert_array_equal(result, [0, 1, 100])


@pytest.mark.parametrize(("values", "stored", "kept"), [
    ([0.1, 0.2, 100.0], "f8", "f4"), ([0.0, 0.0], "f8", "f4"), ([1e300, 0.0], "f8", "f8"),
    ([1e-300, 2e-300], "f8", "f8"), ([1e9, 1e9 + 1], "f8", "f8"), ([-3e38, 3e38], "f8", "f4"),
    ([np.nan, 1.0, 2.0], ">f8", "f4"), ([np.inf, 1e39], "f8", "f8"), ([0.5, 65504.0], "f2", "f4"),
    ([1, 2**31 - 1], "i8", "i4"), ([1, 2**31], "i8", "i8"), ([2**63], "u8", "u8"), ([2**32 - 1], "u4", "u4"),
])  # fmt: skip
def test_wide_types_are_narrowed_where_nothing_is_lost(values: list[float], stored: str, kept: str) -> None:
    array = np.array(values, stored)
    result = narrowed(array)
    assert result.dtype == np.dtype(kept)
    np.testing.assert_allclose(result.astype("f8"), array.astype("f8"), rtol=6e-8)


@pytest.mark.parametrize(("stored", "slope", "intercept", "dtype"), [
    (np.array([0, 4095], "i2"), 1.0, -1024.0, "i2"), (np.array([0, 65535], "u2"), 1.0, -32768.0, "i2"),
    (np.array([0, 65535], "u2"), 1.0, 0.0, "u2"), (np.array([0, 65535], "u2"), 1.0, -1024.0, "i4"),
    (np.array([-32768, 32767], "i2"), 1000.0, 1.0, "i4"), (np.array([0, 2**31 - 1], "i4"), 1e6, 0.0, "i8"),
    (np.array([0, 2**31 - 1], "i4"), 1e12, 0.0, "f4"), (np.array([0, 100], "i2"), 0.25, 0.5, "f4"),
    (np.array([0, 1], "u1"), 1e-3, 1e6, "f8"), (np.array([1.0, 2.0], "f4"), 3e38, 0.0, "f8"),
    (np.array([np.nan, 2.0], "f4"), 2.0, 1.0, "f8"), (np.array([np.nan, np.inf], "f4"), 2.0, 1.0, "f4"),
    (np.array([-100, 200], "i2"), -1.0, 0.0, "i2"), (np.array([-(2**31), 0], "i4"), -1.0, 0.0, "i8"),
])  # fmt: skip
def test_slope_and_intercept_lose_nothing(stored: Any, slope: float, intercept: float, dtype: str) -> None:
    result = rescaled(stored.reshape(-1, 1, 1), slope, intercept).ravel()
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_allclose(result, stored.astype("f8") * slope + intercept, rtol=1e-7)


@pytest.mark.shared
def test_real_cts_raise_no_doubt_and_real_mrs_do(shared_data: Path) -> None:
    cts = [*sorted(shared_data.glob("ibsi_sts/nifti/*/CT_image.nii.gz")), shared_data / "slicerio" / "CTChest4.nrrd",
           *sorted(shared_data.glob("totalsegmentator/example_ct*.nii.gz"))]  # fmt: skip
    assert len(cts) > 10
    for path in cts:
        assert check_hounsfield(read(path)[0].array) is None, path
    for folder in ("dicom/ge_tilt_head_ct", "totalsegmentator/example_ct_dicom"):
        (volume,) = read(shared_data / folder)
        assert Code.UNITS_DUBIOUS not in [notice.code for notice in volume.notices], folder
    mrs = [*sorted(shared_data.glob("ibsi_sts/nifti/*/MR*_image.nii.gz")), shared_data / "brain_t1" / "t1_crop.nii.gz"]
    for path in mrs:
        assert check_hounsfield(read(path)[0].array) is not None, path


@pytest.mark.shared
@pytest.mark.parametrize("corruption", [name for name in CORRUPTIONS if name != "times ten"])
def test_corrupted_real_cts_raise_a_doubt(corruption: str, shared_data: Path) -> None:
    cts = [*sorted(shared_data.glob("ibsi_sts/nifti/*/CT_image.nii.gz")), shared_data / "slicerio" / "CTChest4.nrrd",
           shared_data / "totalsegmentator" / "example_ct_sm.nii.gz"]  # fmt: skip
    assert len(cts) == 10
    for path in cts:
        assert check_hounsfield(CORRUPTIONS[corruption](read(path)[0].array.astype(np.float64))) is not None, path


@pytest.mark.shared
def test_a_real_crop_without_air_is_said_to_be_one_that_cannot_be_checked(shared_data: Path) -> None:
    (volume,) = read(shared_data / "tptbox_spine" / "sample_ct" / "sub-ct_label-22_ct.nii.gz")
    notice = check_hounsfield(volume.array)
    assert notice is not None
    assert "cannot be checked" in notice.message
