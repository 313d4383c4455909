"""The same labels as MONAIAuto3DSeg's procedure gives, put together here from MONAI's own transforms and inferer.

Where "not zero" is asked after the resampling, the spacings are such that no voxel of the network's lies exactly on one
of the scan's: MONAI's rounding makes numbers of 1e-6 out of zeros there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInfererAdapt
from monai.transforms import (
    Compose,
    ConcatItemsd,
    CropForegroundd,
    EnsureTyped,
    Invertd,
    Lambdad,
    NormalizeIntensityd,
    Orientationd,
    ScaleIntensityRanged,
    Spacingd,
)
from monai.utils import convert_to_dst_type
from numpy.typing import NDArray

from fixtures.auto3dseg import config, write_model
from MedDLCore.models import open_model
from MedDLCore.pipeline import load, segment
from MedDLCore.volume import Geometry, Volume

EQUAL = 0.9999
"""Part of the voxels that must have the same label."""

MODES = ("range", "ct", "meanstd", "mri", "meanstdtanh", "pet", "none")


def normalising(key: str, mode: str, bounds: Sequence[float]) -> list[Any]:
    if mode in ("range", "ct"):
        low, high = bounds
        ramp = ScaleIntensityRanged(keys=key, a_min=low, a_max=high, b_min=-1, b_max=1, clip=False)
        return [ramp, Lambdad(keys=key, func=torch.sigmoid)]
    standard = NormalizeIntensityd(keys=key, nonzero=True, channel_wise=True)
    return {
        "none": [],
        "meanstd": [standard],
        "mri": [standard],
        "meanstdtanh": [standard, Lambdad(keys=key, func=lambda x: 3 * torch.tanh(x / 3))],
        "pet": [Lambdad(keys=key, func=lambda x: torch.sigmoid((x - x.min()) / x.std()))],
    }[mode]


def placing(settings: dict[str, Any], source: str) -> list[Any]:
    """Orientation, crop by the foreground of ``source``, spacing. Only ``image`` is turned."""
    steps: list[Any] = []
    if settings.get("orientation_ras", False):
        steps.append(Orientationd(keys="image", axcodes="RAS", labels=None))
    if settings.get("crop_foreground", True):
        steps.append(CropForegroundd(keys="image", source_key=source, margin=10, allow_smaller=True))
    if (wanted := settings.get("resample_resolution")) is not None:
        near = {"min_pixdim": np.array(wanted) * 0.75, "max_pixdim": np.array(wanted) * 1.25}
        steps.append(Spacingd(keys="image", pixdim=list(wanted), mode="bilinear", dtype=torch.float, **near))
    return steps


def theirs(folder: Path, volumes: Sequence[Volume]) -> NDArray[np.uint8]:
    """``(K, J, I)``: the labels of the procedure, for inputs on one grid."""
    checkpoint = torch.load(folder / "model.pt", weights_only=True)
    settings = checkpoint["config"]
    network = ConfigParser(settings["network"]).get_parsed_content()
    network.load_state_dict(checkpoint["state_dict"])
    bounds, mode = settings["intensity_bounds"], settings["normalize_mode"]
    scans = {
        f"image{n}": MetaTensor(volume.array.transpose(2, 1, 0)[None].copy(), affine=volume.geometry.ijk_to_ras)
        for n, volume in enumerate(volumes, start=1)
    }
    typed = EnsureTyped(keys="image", data_type="tensor", dtype=torch.float)
    joined = [ConcatItemsd(keys=list(scans), name="image", dim=0), typed]
    if settings["sigmoid"] and len(scans) > 1:
        transforms = [*joined, *placing(settings, "image"), *normalising("image", mode, bounds)]
    elif len(scans) == 1:
        transforms = [*joined, *normalising("image", mode, bounds), *placing(settings, "image1")]
    else:
        modes = [mode, *settings["extra_modalities"].values()]
        each = [t for key, m in zip(scans, modes, strict=True) for t in normalising(key, m, bounds)]
        transforms = [*each, *joined, *placing(settings, "image1")]
    prepared = Compose(transforms)
    data = prepared(scans)
    inferer = SlidingWindowInfererAdapt(
        roi_size=settings["roi_size"], sw_batch_size=1, overlap=0.625, mode="gaussian", cache_roi_weight_map=False
    )
    with torch.no_grad():
        logits = inferer(data["image"][None].as_subclass(torch.Tensor), network.eval())[0]
    if settings["sigmoid"]:
        found = torch.sigmoid(logits) >= 0.5
    else:
        found = torch.softmax(logits, dim=0).argmax(dim=0, keepdim=True).to(torch.uint8)
    data["pred"] = convert_to_dst_type(found, data["image"], dtype=found.dtype)[0]
    back = Invertd(keys="pred", orig_keys="image", transform=prepared, nearest_interp=True)(data)["pred"]
    if settings["sigmoid"] and len(back) > 1:
        labels = 2 * back.any(0).to(torch.uint8)
        labels[back[1:].any(0)] = 1
        labels[back[2:].any(0)] = 3
    else:
        labels = back[0]
    return labels.numpy().astype(np.uint8).transpose(2, 1, 0)


def ours(folder: Path, volumes: Sequence[Volume]) -> NDArray[Any]:
    return segment(volumes, load(open_model(folder), "cpu", threads=1)).label_map.array


def turned(degrees: float) -> NDArray[np.float64]:
    """About an axis that is none of the patient's."""
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14)
    cross = np.cross(np.eye(3), axis)
    angle = np.radians(degrees)
    return np.eye(3) * np.cos(angle) - np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)


GEOMETRIES = {
    "anisotropic": Geometry.from_parts((17, 33, 29), (0.8, 1.3, 3.4), origin=(-12, 4, 31)),
    "as a scanner stores it": Geometry.from_parts((17, 33, 29), (0.8, 1.3, 3.4), np.diag([-1.0, -1, 1])),
    "oblique": Geometry.from_parts((19, 30, 27), (0.9, 1.1, 2.2), turned(25) @ np.diag([-1.0, -1, 1])),
    "sagittal": Geometry.from_parts((21, 34, 30), (0.9, 1.2, 3.1), np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]])),
    "left-handed": Geometry.from_parts((17, 29, 31), (1.1, 0.7, 2.9), np.diag([1.0, -1, 1])),
}


def scan(geometry: Geometry, seed: int, modality: str = "CT") -> Volume:
    """Blobs over a range of Hounsfield units, off centre, in a field of zeros."""
    generator = np.random.default_rng(seed)
    k, j, i = (np.linspace(-1, 1, n) for n in geometry.shape)
    field = np.zeros(geometry.shape)
    for _ in range(8):
        at, width = generator.uniform(-0.6, 0.4, 3), generator.uniform(0.15, 0.5)
        distance = (k[:, None, None] - at[0]) ** 2 + (j[:, None] - at[1]) ** 2 + (i - at[2]) ** 2
        field += generator.uniform(-300, 500) * np.exp(-distance / width**2)
    field += generator.normal(0, 20, geometry.shape)
    radius = k[:, None, None] ** 2 + (j[:, None] + 0.15) ** 2 + (i + 0.2) ** 2
    field[radius > 0.4] = 0
    return Volume(np.round(field).astype(np.int16), geometry, modality)


def assert_same(folder: Path, volumes: Sequence[Volume]) -> None:
    expected, got = theirs(folder, volumes), ours(folder, volumes)
    assert len(np.unique(expected)) > 2, "there is something to compare"
    assert expected.shape == got.shape
    assert (expected == got).mean() >= EQUAL


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", GEOMETRIES)
def test_every_mode_gives_the_same_labels_wherever_the_scan_lies(tmp_path: Path, mode: str, place: str) -> None:
    folder = write_model(tmp_path / "model", config(normalize_mode=mode))
    assert_same(folder, [scan(GEOMETRIES[place], 1)])


@pytest.mark.parametrize("place", ["as a scanner stores it", "oblique", "sagittal"])
@pytest.mark.parametrize(
    "changes",
    [
        {"orientation_ras": False},
        {"crop_foreground": False},
        {"resample_resolution": None},
        {"resample_resolution": [3.07, 3.13, 3.19]},
        {"resample_resolution": [1.8, 2.2, 4.4]},
        {"orientation_ras": False, "crop_foreground": False, "resample_resolution": None, "normalize_mode": "meanstd"},
        {"roi_size": [48, 16, 32]},
    ],
    ids=[
        "stored axes",
        "no crop",
        "own spacing",
        "quick",
        "twice as coarse",
        "as it comes",
        "a patch larger than the scan",
    ],
)
def test_every_setting_gives_the_same_labels(tmp_path: Path, place: str, changes: dict[str, Any]) -> None:
    folder = write_model(tmp_path / "model", config(**changes))
    assert_same(folder, [scan(GEOMETRIES[place], 2)])


@pytest.mark.parametrize("place", ["as a scanner stores it", "oblique"])
@pytest.mark.parametrize("modes", [("meanstd", "meanstd"), ("meanstd", "range"), ("none", "meanstdtanh")])
def test_inputs_with_modes_of_their_own_give_the_same_labels(
    tmp_path: Path, place: str, modes: tuple[str, str]
) -> None:
    settings = config(2, 3, modality="mri", normalize_mode=modes[0], extra_modalities={"adc": modes[1]})
    folder = write_model(tmp_path / "model", settings)
    assert_same(folder, [scan(GEOMETRIES[place], seed, "MR") for seed in (3, 4)])


@pytest.mark.parametrize("place", GEOMETRIES)
@pytest.mark.parametrize("mode", ["meanstd", "meanstdtanh", "range"])
def test_regions_that_overlap_are_painted_as_for_brats(tmp_path: Path, place: str, mode: str) -> None:
    regions = [[1, 2, 3], [1, 3], [3]]
    settings = config(4, 3, modality="mri", sigmoid=True, class_index=regions, normalize_mode=mode)
    settings["resample_resolution"] = [1.93, 1.87, 1.71]
    folder = write_model(tmp_path / "model", settings, ["necrosis", "edema", "tumour"])
    assert_same(folder, [scan(GEOMETRIES[place], seed, "MR") for seed in (5, 6, 7, 8)])


def test_a_single_structure_gives_the_same_labels(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", config(1, 1, sigmoid=True))
    volumes = [scan(GEOMETRIES["oblique"], 9)]
    expected = theirs(folder, volumes)
    assert 0.05 < expected.mean() < 0.95
    assert (expected == ours(folder, volumes)).mean() >= EQUAL
