"""Bundles in the idioms of published ones: the same labels as MONAI's own runner writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import DiNTS, DynUNet, SegResNet, TopologyInstance, UNet

from fixtures.monai_bundles import (
    GEOMETRIES,
    activation,
    compose,
    decide,
    inference_json,
    invert,
    loading,
    phantom,
    placing,
    run_with_monai,
    save,
    unet_def,
    window,
    write_bundle,
)
from MedDLCore.errors import Code
from MedDLCore.models.package import open_folder
from MedDLCore.pipeline import load, segment
from MedDLCore.readers import read
from MedDLCore.volume import LabelMap

LEAST_EQUAL = 0.9999

Writer = Callable[[Path], Path]


def by_meddl(folder: Path, scans: Sequence[Path]) -> LabelMap:
    model = load(open_folder(folder), "cpu", threads=1)
    return segment([read(scan)[0] for scan in scans], model).label_map


def equal_part(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The part of the voxels with equal labels, where the labels are not nearly all the same."""
    assert len(np.unique(theirs)) > 2
    assert np.bincount(ours.ravel()).max() < 0.97 * ours.size
    return float((ours == theirs).mean())


def small_unet(**changes: Any) -> UNet:
    arguments = {key: value for key, value in unet_def(**changes).items() if key != "_target_"}
    return UNet(**arguments)


def probabilities_brought_back(folder: Path) -> Path:
    return write_bundle(folder, inference_json(), small_unet())


def nearest_labels_brought_back(folder: Path) -> Path:
    network = {"in_channels": 1, "out_channels": 4, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}
    steps = [
        {"_target_": "LoadImaged", "keys": "@image_key"},
        {"_target_": "EnsureTyped", "keys": "@image_key"},
        {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
        *placing(pixdim="@pixdim"),
        {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": True},
        {"_target_": "ScaleIntensityd", "keys": "@image_key", "minv": -1.0, "maxv": 1.0},
    ]
    config = inference_json(
        displayable_configs={"highres": True, "sw_overlap": 0.25, "sw_batch_size": 1},
        pixdim="$[1.7, 1.7, 1.7] if @displayable_configs#highres else [3.0, 3.0, 3.0]",
        modelname="$'model.pt' if @displayable_configs#highres else 'model_lowres.pt'",
        network_def={"_target_": "SegResNet", "spatial_dims": 3, **network},
        preprocessing=compose(*steps),
        inferer={
            "_target_": "SlidingWindowInferer",
            "roi_size": [20, 20, 24],
            "sw_batch_size": "@displayable_configs#sw_batch_size",
            "overlap": "@displayable_configs#sw_overlap",
            "padding_mode": "replicate",
            "mode": "gaussian",
            "device": "$torch.device('cpu')",
        },
        postprocessing=compose(activation(), decide(), invert(nearest=True), save()),
        checkpointloader={
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/' + @modelname",
            "load_dict": {"model": "@network"},
        },
    )
    return write_bundle(folder, config, SegResNet(spatial_dims=3, **network))


def logits_brought_back(folder: Path) -> Path:
    config = inference_json(postprocessing=compose(invert(), activation(), decide(), save()))
    return write_bundle(folder, config, small_unet())


def intensity_before_the_grid(folder: Path) -> Path:
    config = inference_json(preprocessing=compose(*loading(), window(), *placing(codes="LPS")))
    return write_bundle(folder, config, small_unet())


def a_cut_to_the_foreground(folder: Path) -> Path:
    text = """
imports:
- "$import glob"
- "$import scripts.of_its_own"
workflow_type: inference
output_channels: 4
bundle_root: "."
output_dir: "$@bundle_root + '/eval'"
dataset_dir: "/nowhere"
datalist: "$[{'image': i} for i in glob.glob(@dataset_dir + '/*.nii.gz')]"
device: "$torch.device('cpu')"
spatial_size: [16, 16, 16]
spatial_dims: "$len(@spatial_size)"
network_def:
  _target_: monai.networks.nets.DynUNet
  spatial_dims: "@spatial_dims"
  in_channels: 1
  out_channels: "@output_channels"
  kernel_size: [3, 3, 3]
  strides: [1, 2, [2, 2, 1]]
  upsample_kernel_size: [2, [2, 2, 1]]
  filters: [4, 8, 8]
  norm_name: "instance"
  deep_supervision: false
  res_block: true
network: "$@network_def.to(@device)"
image_key: image
preprocessing:
  _target_: Compose
  transforms:
  - {_target_: LoadImaged, keys: "@image_key"}
  - {_target_: EnsureChannelFirstd, keys: "@image_key"}
  - {_target_: Orientationd, keys: image, axcodes: RAS}
  - _target_: Spacingd
    keys: ["@image_key"]
    pixdim: [1.5, 1.5, 3.0]
    mode: [bilinear]
  - {_target_: ScaleIntensityRanged, keys: "@image_key", a_min: -150, a_max: 250, b_min: 0, b_max: 1, clip: true}
  - _target_: CropForegroundd
    keys: ["@image_key"]
    source_key: "@image_key"
    mode: ["minimum"]
  - {_target_: EnsureTyped, keys: image}
  - {_target_: CastToTyped, keys: "@image_key", dtype: "$torch.float32"}
dataset: {_target_: Dataset, data: "@datalist", transform: "@preprocessing"}
dataloader: {_target_: DataLoader, dataset: "@dataset", batch_size: 1, num_workers: 0}
inferer: {_target_: SlidingWindowInferer, roi_size: "@spatial_size", sw_batch_size: 4, overlap: 0.75}
postprocessing:
  _target_: Compose
  transforms:
  - {_target_: Activationsd, keys: pred, softmax: true}
  - _target_: Invertd
    keys: pred
    transform: "@preprocessing"
    orig_keys: image
    meta_key_postfix: meta_dict
    nearest_interp: false
    to_tensor: true
  - {_target_: AsDiscreted, keys: pred, argmax: true}
  - _target_: SaveImaged
    keys: pred
    meta_keys: pred_meta_dict
    output_dir: "@output_dir"
    separate_folder: false
    output_dtype: "$torch.int16"
handlers:
- _target_: CheckpointLoader
  load_path: "$@bundle_root + '/models/dynunet_FT.pt'"
  load_dict: {model: "@network"}
- {_target_: StatsHandler, iteration_log: false}
evaluator:
  _target_: SupervisedEvaluator
  device: "@device"
  val_data_loader: "@dataloader"
  network: "@network"
  inferer: "@inferer"
  postprocessing: "@postprocessing"
  val_handlers: "@handlers"
  amp: true
run:
- "$@evaluator.run()"
"""
    network = DynUNet(
        3, 1, 4, [3, 3, 3], [1, 2, [2, 2, 1]], [2, [2, 2, 1]], [4, 8, 8], norm_name="instance", res_block=True
    )
    folder = write_bundle(folder, text, network, weights="dynunet_FT.pt", names_key="label_def")
    # The runner imports what a bundle asks for, whether it is used or not.
    config = folder / "configs" / "inference.yaml"
    config.write_text(config.read_text().replace('- "$import scripts.of_its_own"\n', ""))
    return folder


def slices_of_a_volume(folder: Path) -> Path:
    config = inference_json(
        network_def=unet_def(spatial_dims=2),
        preprocessing=compose(
            {"_target_": "LoadImaged", "keys": "image", "image_only": False},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "ScaleIntensityd", "keys": "image"},
            {"_target_": "EnsureTyped", "keys": "image", "device": "@device"},
        ),
        inferer={"_target_": "SliceInferer", "roi_size": [24, 40], "spatial_dim": 2},
        postprocessing=compose(activation(), invert(meta_key_postfix="meta_dict"), decide(), save()),
    )
    return write_bundle(folder, config, small_unet(spatial_dims=2), modality="MR")


def whole_volume_padded(folder: Path) -> Path:
    padding = {"_target_": "DivisiblePadd", "keys": "@image_key", "k": 4}
    config = inference_json(
        preprocessing=compose(*loading(), *placing(), window(), padding), inferer={"_target_": "SimpleInferer"}
    )
    return write_bundle(folder, config, small_unet())


def brought_back_while_saving(folder: Path) -> Path:
    config = inference_json(postprocessing=compose(activation(), decide(), save(resample=True)))
    return write_bundle(folder, config, small_unet())


def a_searched_topology(folder: Path) -> Path:
    blocks, depths = 2, 2
    present = np.ones((blocks, 3 * depths - 2), dtype=np.int64)
    operations = np.array([[0, 1, 2, 3], [4, 0, 1, 0]])
    nodes = np.ones((blocks + 1, depths))
    space = {"channel_mul": 0.25, "num_blocks": blocks, "num_depths": depths, "use_downsample": True}
    config = inference_json(
        arch_ckpt_path="$@bundle_root + '/models/search_code.pt'",
        arch_ckpt="$torch.load(@arch_ckpt_path, map_location=torch.device('cpu'), weights_only=False)",
        dints_space={
            "_target_": "monai.networks.nets.TopologyInstance",
            **space,
            "arch_code": ["$@arch_ckpt['arch_code_a']", "$@arch_ckpt['arch_code_c']"],
            "device": "$torch.device('cpu')",
        },
        network_def={
            "_target_": "monai.networks.nets.DiNTS",
            "dints_space": "@dints_space",
            "in_channels": 1,
            "num_classes": 4,
            "use_downsample": True,
            "node_a": "$torch.from_numpy(@arch_ckpt['node_a'])",
        },
        inferer={"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "sw_batch_size": 4, "overlap": 0.625},
    )
    topology = TopologyInstance(arch_code=[present, operations], **space)
    network = DiNTS(topology, 1, 4, use_downsample=True, node_a=torch.from_numpy(nodes))
    folder = write_bundle(folder, config, network)
    found = {"node_a": nodes, "arch_code_a": present, "arch_code_c": operations, "best_dsc": np.float64(0.5)}
    torch.save(found, folder / "models" / "search_code.pt")
    return folder


IDIOMS: list[Writer] = [
    probabilities_brought_back,
    nearest_labels_brought_back,
    logits_brought_back,
    intensity_before_the_grid,
    a_cut_to_the_foreground,
    slices_of_a_volume,
    whole_volume_padded,
    brought_back_while_saving,
    a_searched_topology,
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("write", IDIOMS, ids=lambda write: write.__name__)
def test_a_bundle_gives_the_labels_of_monai_s_runner(write: Writer, geometry: str, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle")
    scan = phantom(tmp_path / "scans" / "case.nii.gz", GEOMETRIES[geometry])
    (theirs,) = run_with_monai(bundle, scan.parent, tmp_path / "eval").values()
    assert equal_part(by_meddl(bundle, [scan]).array, theirs) >= LEAST_EQUAL


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_overlapping_structures_are_those_that_the_runner_paints_over_each_other(geometry: str, tmp_path: Path) -> None:
    """Four files are the channels of one case; the bundle paints three structures into one label map."""
    inputs = ("T1c", "T1", "T2", "FLAIR")
    paint = "$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))"
    config = inference_json(
        datalist="$[{'image': sorted(glob.glob(@dataset_dir + '/*.nii.gz'))}]",
        dataset={"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        network_def=unet_def(in_channels=4, out_channels=3),
        preprocessing=compose(
            {"_target_": "LoadImaged", "keys": "@image_key", "image_only": False},
            {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": True, "channel_wise": True},
        ),
        inferer={"_target_": "SlidingWindowInferer", "roi_size": [24, 16, 20], "sw_batch_size": 1, "overlap": 0.5},
        postprocessing=compose(
            activation("sigmoid"),
            invert(meta_keys="pred_meta_dict"),
            decide(threshold=0.5),
            {"_target_": "Lambdad", "keys": "pred", "func": paint},
            save(meta_keys="pred_meta_dict", resample=False, squeeze_end_dims=True),
        ),
    )
    structures = ("Tumor core", "Whole tumor", "Enhancing tumor")
    network = small_unet(in_channels=4, out_channels=3)
    bundle = write_bundle(tmp_path / "bundle", config, network, structures, inputs, "MR")
    scans = [phantom(tmp_path / "scans" / f"{n}.nii.gz", GEOMETRIES[geometry], seed=n) for n in range(4)]
    (theirs,) = run_with_monai(bundle, tmp_path / "scans", tmp_path / "eval").values()
    package = open_folder(bundle)
    assert [notice.code for notice in package.notices] == [Code.MODEL_ADAPTED]
    found = by_meddl(bundle, scans)
    painted = np.zeros(found.array.shape[-3:], dtype=np.uint8)
    for channel, value in ((1, 2), (0, 1), (2, 4)):
        painted[found.mask(found.labels[channel])] = value
    assert [label.name for label in found.labels] == list(structures)
    assert equal_part(painted, theirs) >= LEAST_EQUAL


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_volumes_of_their_own_become_channels_in_their_order(geometry: str, tmp_path: Path) -> None:
    keys = ["artery", "vein"]
    pairs = "$[{'artery': @dataset_dir + '/0.nii.gz', 'vein': @dataset_dir + '/1.nii.gz'}]"
    config = inference_json(
        dataset={"_target_": "Dataset", "data": pairs, "transform": "@preprocessing"},
        network_def=unet_def(in_channels=2),
        preprocessing=compose(
            *loading(keys),
            *placing(keys),
            {
                "_target_": "ScaleIntensityRangePercentilesd",
                "keys": keys,
                "lower": 1,
                "upper": 99.0,
                "b_min": 0,
                "b_max": 1,
            },
            {"_target_": "ConcatItemsd", "keys": keys, "name": "@image_key"},
        ),
        postprocessing=compose(activation(), invert(orig_keys="artery"), decide(), save()),
    )
    bundle = write_bundle(tmp_path / "bundle", config, small_unet(in_channels=2), inputs=keys)
    scans = [phantom(tmp_path / "scans" / f"{n}.nii.gz", GEOMETRIES[geometry], seed=n) for n in range(2)]
    (theirs,) = run_with_monai(bundle, tmp_path / "scans", tmp_path / "eval").values()
    assert equal_part(by_meddl(bundle, scans).array, theirs) >= LEAST_EQUAL


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_largest_component_is_that_on_the_network_s_grid(geometry: str, tmp_path: Path) -> None:
    """The bundle interpolates label numbers, of which MedDL takes the nearest: the runner is told to do so too."""
    largest = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 2]}
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "map_location": {"_target_": "torch.device", "device": "@device"},
        "load_dict": {"model": "@network"},
    }
    config = inference_json(
        imports=["$import glob", "$import numpy", "$import csv as pd"],
        network_def=unet_def(act="prelu", dropout=0.15),
        preprocessing=compose(
            *loading(),
            *placing(pixdim=(0.9, 0.9, 0.9)),
            {"_target_": "ScaleIntensityd", "keys": "image", "minv": 0, "maxv": 1},
            {"_target_": "NormalizeIntensityd", "keys": "image"},
            {"_target_": "EnsureTyped", "keys": "image"},
        ),
        postprocessing=compose(decide(), largest, invert(), save(resample=False)),
        handlers=[loader, {"_target_": "StatsHandler", "iteration_log": False}],
        initialize=["$setattr(torch.backends.cudnn, 'benchmark', True)"],
    )
    bundle = write_bundle(tmp_path / "bundle", config, small_unet(), modality="MRI")
    scan = phantom(tmp_path / "scans" / "case.nii.gz", GEOMETRIES[geometry])
    found = by_meddl(bundle, [scan]).array
    nearest = {"postprocessing::transforms::2::nearest_interp": True}
    (theirs,) = run_with_monai(bundle, scan.parent, tmp_path / "nearest", **nearest).values()
    assert equal_part(found, theirs) >= LEAST_EQUAL
    (between,) = run_with_monai(bundle, scan.parent, tmp_path / "eval").values()
    assert (between != np.round(between)).any()
    assert [notice.code for notice in open_folder(bundle).notices] == [Code.MODEL_ADAPTED]


def test_a_template_in_yaml_gives_the_labels_of_monai_s_runner(tmp_path: Path) -> None:
    text = """
# names of keys are constants of MONAI
imports: [$import os, $import torch, $import glob]
image: $monai.utils.CommonKeys.IMAGE
pred: $monai.utils.CommonKeys.PRED
num_classes: 4
device: $torch.device('cpu')
bundle_root: .
ckpt_path: $@bundle_root + '/models/model.pt'
dataset_dir: $@bundle_root + '/test_data'
output_dir: './outputs'
network_def:
  _target_: UNet
  spatial_dims: 3
  in_channels: 1
  out_channels: '@num_classes'
  channels: [4, 8, 8]
  strides: [2, 2]
  num_res_units: 1
  norm: batch
network: $@network_def.to(@device)
file_pattern: '*.nii*'
data_list: '$list(sorted(glob.glob(os.path.join(@dataset_dir, @file_pattern))))'
data_dicts: '$[{@image:i} for i in @data_list]'
transforms:
- {_target_: LoadImaged, keys: '@image', image_only: true}
- {_target_: EnsureChannelFirstd, keys: '@image'}
- {_target_: ScaleIntensityd, keys: '@image'}
- {_target_: NormalizeIntensityd, keys: '@image', subtrahend: 7, _disabled_: '$not @num_classes == 5'}
preprocessing:
  _target_: Compose
  transforms: $@transforms
dataset: {_target_: Dataset, data: '@data_dicts', transform: '@preprocessing'}
dataloader: {_target_: ThreadDataLoader, dataset: '@dataset', batch_size: 1, num_workers: 0}
inferer: {_target_: SimpleInferer}
postprocessing:
  _target_: Compose
  transforms:
  - {_target_: Activationsd, keys: '@pred', softmax: true}
  - {_target_: AsDiscreted, keys: '@pred', argmax: true}
  - _target_: SaveImaged
    keys: '@pred'
    meta_keys: pred_meta_dict
    data_root_dir: '@dataset_dir'
    output_dir: '@output_dir'
    dtype: $None
    output_dtype: $None
    output_postfix: ''
    resample: false
    separate_folder: true
handlers:
- _target_: CheckpointLoader
  _disabled_: $not os.path.exists(@ckpt_path)
  load_path: '@ckpt_path'
  load_dict: {model: '@network'}
- _target_: StatsHandler
  name: null
  output_transform: '$lambda x: None'
evaluator:
  _target_: SupervisedEvaluator
  device: '@device'
  val_data_loader: '@dataloader'
  network: '@network'
  inferer: '@inferer'
  postprocessing: '@postprocessing'
  val_handlers: '@handlers'
run:
- $@evaluator.run()
"""
    bundle = write_bundle(tmp_path / "bundle", text, small_unet(), modality="none")
    scan = phantom(tmp_path / "scans" / "case.nii.gz", GEOMETRIES["oblique"], shape=(32, 28, 16))
    (theirs,) = run_with_monai(bundle, scan.parent, tmp_path / "eval").values()
    package = open_folder(bundle)
    assert package.notices == () and package.spec.channels[0].modality is None
    assert equal_part(by_meddl(bundle, [scan]).array, theirs) >= LEAST_EQUAL
