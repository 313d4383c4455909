"""``inference.json`` for models of many kinds: MONAI's runner finds what MedDL finds, or it is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.monai_bundles import GEOMETRIES, lively, phantom, run_with_monai
from MedDLCore.models import load_networks, write_package
from MedDLCore.models.networks.registry import build_network
from MedDLCore.pipeline import load, segment
from MedDLCore.readers import read
from MedDLCore.spec import (
    Channel,
    CleanUp,
    Clicks,
    Clip,
    FixedZScore,
    Foreground,
    FromMinimum,
    Grid,
    Inference,
    IntensityStep,
    ModelSpec,
    Network,
    Output,
    Percentiles,
    Scale,
    Triple,
    Weights,
    Window,
    ZScore,
)
from MedDLCore.volume import Label
from MedDLTraining.plan.architecture import architecture_for
from MedDLTraining.publish import Statement, publish, source_of
from MedDLTraining.publish.runner import NotInMonaiError, configuration, runner_networks
from MedDLTraining.publish.runner.dyn_unet import dyn_unet_arguments

LEAST_EQUAL = 0.9999

BETWEEN_FACES = Grid("RAS", spacing=(1.5, 1.5, 2.0), rule="extent", interpolation="cubic")
FROM_FIRST_VOXEL = Grid("LPS", spacing=(1.5, 1.5, 2.0), rule="first_voxel")
WINDOWS = Inference((16, 16, 12), windows="stepped", weighting="monai", padding_value=-2.4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def flat_at_first(outputs: int = 4, inputs: int = 1, **changes: Any) -> Network:
    """nnU-Net's U-Net for voxels that are long along axis 0: kernels that are flat in the first stage."""
    arguments = {
        "inputs": inputs,
        "outputs": outputs,
        "features": [6, 8, 8],
        "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 1]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "blocks": [2, 2, 2],
        "decoder_blocks": [2, 2],
        "norm_arguments": {"eps": 1e-5, "affine": True},
        "activation_arguments": {"inplace": True},
    }
    return Network("StagedUNet", {**arguments, **changes})


def model(*steps: IntensityStep, **changes: Any) -> ModelSpec:
    plain: dict[str, Any] = {
        "name": "m",
        "network": flat_at_first(),
        "weights": (Weights("models/model.safetensors"),),
        "labels": tuple(Label(n, name, (9, 9, 99)) for n, name in enumerate(("one", "two", "three"), start=1)),
        "channels": (Channel("image", "CT", steps or (FixedZScore(-200, 250, 20, 90),)),),
        "grid": BETWEEN_FACES,
        "inference": WINDOWS,
    }
    return ModelSpec(**{**plain, **changes})


def slices() -> ModelSpec:
    network = flat_at_first(kernels=[[3, 3]] * 3, strides=[[1, 1], [2, 2], [2, 2]])
    return model(network=network, inference=replace(WINDOWS, patch=(16, 12, 1)), grid=Grid("RAS"))


def of_monai(name: str, **arguments: Any) -> ModelSpec:
    return model(network=Network(name, arguments))


UNET = {"spatial_dims": 3, "in_channels": 1, "out_channels": 4, "channels": [4, 8], "strides": [2]}
STAGED = {"norm": "batch", "norm_arguments": {}}

MODELS = {
    "as planned for CT": model(grid=replace(BETWEEN_FACES, apart=3.0), output=Output(apart=3.0)),
    "as planned for MR": model(ZScore(), grid=replace(BETWEEN_FACES, apart=3.0), output=Output(apart=3.0)),
    "an axis on its own": model(grid=replace(BETWEEN_FACES, apart=1.2), output=Output(apart=1.2)),
    "the network's axis on its own": model(
        grid=replace(BETWEEN_FACES, spacing=(1.1, 1.1, 4.0), apart=3.0), output=Output(apart=3.0)
    ),
    "linear, on the scan, probabilities": model(
        *(ZScore(nonzero=True), Scale(0.5, 0.1)),
        grid=replace(BETWEEN_FACES, interpolation="linear"),
        steps_on_scan=1,
        output=Output(interpolate="probabilities"),
    ),
    "from the first voxel": model(Window(-150, 250, -1, 1), grid=FROM_FIRST_VOXEL),
    "overlapping structures": model(
        Percentiles(1, 99, clip=False), network=flat_at_first(3), output=Output("sigmoid"), grid=FROM_FIRST_VOXEL
    ),
    "as it is stored": model(Clip(-100, 200), Scale(0.01), grid=Grid(None, (2, 1, 0), rule="first_voxel")),
    "labels brought back": model(
        grid=FROM_FIRST_VOXEL,
        output=Output(interpolate="labels"),
        inference=replace(WINDOWS, weighting="constant", overlap=0.25, padding="edge"),
    ),
    "statistics of the network's grid": model(ZScore(), Clip(-1, 1), statistics="grid"),
    "batch normalisation": model(network=flat_at_first(**STAGED)),
    "slices": slices(),
    "slices through a network for volumes": model(
        network=flat_at_first(kernels=[[3, 3, 1]] * 3, strides=[[1, 1, 1], [2, 2, 1], [2, 2, 1]]),
        inference=replace(WINDOWS, patch=(16, 12, 1)),
        grid=Grid("RAS"),
    ),
    "a network of MONAI": of_monai("UNet", **UNET),
}


def written(spec: ModelSpec, folder: Path, members: int = 1) -> Path:
    return write_package(spec, [lively(build_network(spec.network), n) for n in range(members)], folder).folder


def by_both(spec: ModelSpec, folder: Path, scans: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    made = publish(source_of(written(spec, folder / "model")), folder / "bundle", Statement("MIT"))
    assert made.notices == ()
    (theirs,) = run_with_monai(made.path, scans[0].parent, folder / "out").values()
    ready = load(source_of(made.path).package, "cpu", 1, "torch")
    found = segment([read(scan)[0] for scan in scans], ready).label_map
    if spec.output.activation == "sigmoid":
        return np.stack([found.mask(label) for label in found.labels]), theirs > 0
    return found.array, theirs


CASES = [(name, "flipped") for name in MODELS] + [(name, "oblique") for name in list(MODELS)[:2]]


@pytest.mark.parametrize(("name", "geometry"), CASES)
def test_monai_s_runner_finds_what_meddl_finds(name: str, geometry: str, tmp_path: Path) -> None:
    scan = phantom(tmp_path / "scans" / "case.nii.gz", GEOMETRIES[geometry])
    ours, theirs = by_both(MODELS[name], tmp_path, [scan])
    assert len(np.unique(ours)) > 1 and ours.shape == theirs.shape
    assert np.bincount(ours.ravel()).max() < 0.97 * ours.size, "nearly all voxels are alike: this shows nothing"
    assert (ours == theirs).mean() >= LEAST_EQUAL


def test_several_inputs_are_files_with_numbers(tmp_path: Path) -> None:
    channels = (Channel("T1", "MR", (ZScore(),)), Channel("T2", "MR", (Window(-150, 250),)))
    spec = model(channels=channels, network=flat_at_first(inputs=2))
    scans = [phantom(tmp_path / "scans" / f"a_{n:04d}.nii.gz", GEOMETRIES["oblique"], seed=n) for n in range(2)]
    ours, theirs = by_both(spec, tmp_path, scans)
    assert (ours == theirs).mean() >= LEAST_EQUAL


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (model(inference=replace(WINDOWS, windows="even")), "inference.windows 'even'"),
        (model(inference=replace(WINDOWS, weighting="nnunet")), "inference.weighting 'nnunet'"),
        (model(inference=replace(WINDOWS, mirror_axes=(0,))), "inference.mirror_axes"),
        (model(inference=Inference(divisor=4)), "inference.divisor"),
        (model(clean_up=CleanUp(keep_largest=(1,))), "clean_up"),
        (model(output=Output("regions", paint=(1, 2, 3, 1))), "output.activation 'regions'"),
        (model(grid=Grid("RAS"), foreground=Foreground()), "foreground"),
        (model(grid=replace(BETWEEN_FACES, crop="nonzero")), "grid.crop 'nonzero'"),
        (model(grid=replace(BETWEEN_FACES, rule="centred")), "grid.rule 'centred'"),
        (model(grid=Grid("RAS", shape=(32, 32, 32))), "grid.shape"),
        (model(grid=Grid("RAS", straight=True)), "grid.straight"),
        (model(grid=replace(BETWEEN_FACES, transpose=(2, 1, 0))), "grid.transpose"),
        (model(grid=replace(BETWEEN_FACES, tolerance=0.1)), "grid.tolerance"),
        (model(grid=replace(FROM_FIRST_VOXEL, interpolation="cubic")), "from the first voxel"),
        (model(output=Output(interpolate="labels")), "labels that are interpolated back"),
        (model(FromMinimum()), "from_minimum"),
        (model(Percentiles(1, 99)), "percentiles"),
        (model(ZScore(nonzero=True)), "zscore"),
        (model(network=flat_at_first(residual=True)), "residual encoder"),
        (model(network=flat_at_first(blocks=[1, 2, 2])), "two convolutions"),
        (model(network=flat_at_first(activation_first=True)), "activation before"),
        (model(network=flat_at_first(norm=None)), "no normalisation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_monai_cannot_do_is_refused_by_name(spec: ModelSpec, reason: str, tmp_path: Path) -> None:
    with pytest.raises(NotInMonaiError, match=reason):
        configuration(spec, runner_networks(spec, load_networks(source_of(written(spec, tmp_path / "m")).package)))


@pytest.mark.parametrize(
    ("patch", "spacing"),
    [((32, 32, 16), (1.0,) * 3), ((32, 32, 16), (0.8, 0.8, 5.0)), ((32, 32, 1), (1.0,) * 3)],
    ids=str,
)
def test_the_networks_that_are_planned_are_networks_of_monai(patch: Triple, spacing: tuple[float, ...]) -> None:
    network = architecture_for(patch, spacing).network(8, 1, 4)
    own = build_network(network).eval()
    own.load_state_dict(lively(own))
    translated = runner_networks(model(network=network, inference=replace(WINDOWS, patch=patch)), [own])
    assert translated.definition["_target_"] == "monai.networks.nets.DynUNet"
    assert translated.dimensions == (2 if 1 in patch else 3)


def test_a_kernel_of_dyn_unet_holds_those_of_both_its_stages() -> None:
    arguments = dyn_unet_arguments(flat_at_first().arguments)
    assert arguments["kernel_size"] == [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
    with pytest.raises(NotInMonaiError, match="fewer than 3"):
        given = {"kernels": [[3] * 3] * 2, "strides": [[1] * 3, [2] * 3], "blocks": [2, 2], "decoder_blocks": [2]}
        dyn_unet_arguments({**flat_at_first().arguments, **given})


def test_a_network_that_gives_other_logits_is_refused(tmp_path: Path) -> None:
    spec = model()
    network = load_networks(source_of(written(spec, tmp_path / "m")).package)[0]
    odd = replace(spec, network=flat_at_first(activation_arguments={"negative_slope": 0.3}))
    with pytest.raises(NotInMonaiError, match="other logits"):
        runner_networks(odd, [network])


def test_what_a_model_would_hear_monai_does_not_say(tmp_path: Path) -> None:
    package = source_of(written(model(), tmp_path / "m")).package
    networks = runner_networks(package.spec, load_networks(package))
    padded = replace(package.spec.inference, padding="constant", padding_value=0.0)
    with pytest.raises(NotInMonaiError, match="listens to clicks"):
        configuration(replace(package.spec, clicks=Clicks((1,), 2.0), inference=padded), networks)
