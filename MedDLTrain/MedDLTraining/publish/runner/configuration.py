"""``configs/inference.json``: the whole run, as MONAI's runner of bundles reads it."""

from __future__ import annotations

from typing import Any

from MedDLCore.spec import CleanUp, Inference, ModelSpec

from .grid import SCAN, grid_of
from .intensity import intensity_of
from .networks import RunnerNetworks
from .refusal import NotInMonaiError

PADDINGS = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}

DEVICE = "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')"

Transform = dict[str, Any]


def configuration(spec: ModelSpec, networks: RunnerNetworks) -> dict[str, Any]:
    """The content of ``inference.json``.

    Scans are taken from ``dataset_dir``: NIfTI files, or, for several inputs, files that end in ``_0000.nii.gz``,
    ``_0001.nii.gz``, ... in the order of the inputs. Results go to ``output_dir``.

    Args:
        spec: the model.
        networks: its networks.

    Raises:
        NotInMonaiError: naming the setting that MONAI cannot express.
    """
    _check(spec)
    keys = ["image"] if len(spec.channels) == 1 else [f"image_{n}" for n in range(len(spec.channels))]
    grid = grid_of(spec, keys)
    steps = [intensity_of(spec, n, key) for n, key in enumerate(keys)]
    turning = [
        {"_target_": "LoadImaged", "keys": keys},
        {"_target_": "EnsureChannelFirstd", "keys": keys},
        {"_target_": "CopyItemsd", "keys": keys[0], "names": SCAN},
        *grid.turning,
    ]
    preparing = [
        *({"_target_": "ResampleToMatchd", "keys": key, "key_dst": keys[0], "mode": "bilinear"} for key in keys[1:]),
        *(step for before, _ in steps for step in before),
        *grid.changing,
        *(step for _, after in steps for step in after),
        *([{"_target_": "ConcatItemsd", "keys": keys, "name": "image"}] if len(keys) > 1 else []),
        {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
    ]
    evaluator, joined = _evaluator(networks)
    return {
        "imports": ["$import copy", "$import glob", "$import monai", "$import numpy", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/scans'",
        "output_dir": "$@bundle_root + '/results'",
        "device": DEVICE,
        "datalist": _data_list(keys),
        "network_def": dict(networks.definition),
        "network": _network(networks.count),
        **grid.definitions,
        "turning": {"_target_": "Compose", "transforms": turning},
        "preprocessing": {"_target_": "Compose", "transforms": ["@turning", *preparing]},
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": _inferer(spec.inference, networks.dimensions),
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [*joined, *_deciding(spec, list(grid.back), bool(grid.turning))],
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
            "map_location": "@device",
        },
        "evaluator": {
            **evaluator,
            "device": "@device",
            "val_data_loader": "@dataloader",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": ["@checkpointloader"],
            "amp": False,
        },
        "initialize": ["$setattr(torch.backends.cudnn, 'benchmark', False)"],
        "run": ["$@evaluator.run()"],
    }


def _check(spec: ModelSpec) -> None:
    problems = {
        "a model that takes an earlier one's result": bool(spec.previous),
        "a model that listens to clicks": spec.clicks is not None,
        "a foreground that the model cuts": spec.foreground is not None,
        "clean_up": spec.clean_up != CleanUp(),
        "output.activation 'regions'": spec.output.activation == "regions",
        "inference.mirror_axes": bool(spec.inference.mirror_axes),
        "inference.windows 'even'": spec.inference.patch is not None and spec.inference.windows != "stepped",
        f"inference.weighting {spec.inference.weighting!r}": spec.inference.patch is not None
        and spec.inference.weighting not in ("monai", "constant"),
    }
    if found := [name for name, there in problems.items() if there]:
        raise NotInMonaiError(f"MONAI's runner has no equal of {found[0]}")


def _data_list(keys: list[str]) -> str:
    if len(keys) == 1:
        return "$[{'image': path} for path in sorted(glob.glob(@dataset_dir + '/*.nii*'))]"
    first = "sorted(glob.glob(@dataset_dir + '/*_0000.nii*'))"
    each = ", ".join(f"'{key}': path.replace('_0000.nii', '_{n:04d}.nii')" for n, key in enumerate(keys))
    return f"$[{{{each}}} for path in {first}]"


def _network(count: int) -> str:
    if count == 1:
        return "$@network_def.to(@device)"
    return f"$torch.nn.ModuleList([copy.deepcopy(network) for network in [@network_def] * {count}]).to(@device)"


def _evaluator(networks: RunnerNetworks) -> tuple[Transform, list[Transform]]:
    """The engine, and what makes one prediction of several."""
    if networks.count == 1:
        return {"_target_": "SupervisedEvaluator", "network": "@network"}, []
    keys = [f"pred_{n}" for n in range(networks.count)]
    engine = {"_target_": "EnsembleEvaluator", "networks": "$list(@network)", "pred_keys": keys}
    return engine, [{"_target_": "MeanEnsembled", "keys": keys, "output_key": "pred"}]


def _inferer(inference: Inference, dimensions: int) -> Transform:
    if inference.patch is None:
        if inference.divisor > 1:
            raise NotInMonaiError("MONAI's inferer for whole scans has no equal of inference.divisor")
        return {"_target_": "SimpleInferer"}
    window: Transform = {
        "_target_": "SlidingWindowInferer",
        "roi_size": list(inference.patch),
        "sw_batch_size": inference.batch,
        "overlap": inference.overlap,
        "mode": "constant" if inference.weighting == "constant" else "gaussian",
        "sigma_scale": inference.sigma,
        "padding_mode": PADDINGS[inference.padding],
        "cval": inference.padding_value,
    }
    if dimensions == 3:
        return window
    axis = inference.patch.index(1)
    size = [n for n in inference.patch if n > 1]
    return {**window, "_target_": "SliceInferer", "roi_size": size, "spatial_dim": axis}


def _deciding(spec: ModelSpec, back: list[Any], turned: bool) -> list[Any]:
    """From scores on the network's grid to labels on the scan's, and into a file."""
    output = spec.output
    exclusive = output.activation == "softmax"
    activation = {"_target_": "Activationsd", "keys": "pred", output.activation: True}
    decision: Transform = {"_target_": "AsDiscreted", "keys": "pred"}
    decision |= {"argmax": True} if exclusive else {"threshold": output.threshold}
    order = {
        "logits": [*back, *([] if exclusive else [activation]), decision],
        "probabilities": [activation, *back, decision],
        "labels": [*([] if exclusive else [activation]), decision, *back],
    }[output.interpolate]
    turning_back = {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@turning",
        "orig_keys": SCAN,
        "nearest_interp": True,
        "to_tensor": True,
    }
    saving = {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "output_postfix": "seg",
        "output_dtype": "$numpy.uint8" if spec.output_channels <= 256 else "$numpy.uint16",
        "resample": False,
        "separate_folder": False,
    }
    return [*order, *([turning_back] if turned else []), saving]
