"""The model: a U-Net with random weights in nnU-Net's own form, which every engine opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from fixtures.nnunet_folder import arguments, fullres, results_folder
from MedDLCore.models.networks import build_network
from MedDLCore.spec import Network

from .cases import Case

LOWEST, HIGHEST, MEAN, DEVIATION = -1024.0, 2000.0, 0.0, 500.0
"""HU: what the scan is clipped to, and what becomes 0 and 1."""

CHECKPOINT = "checkpoint_final.pth"


def write_models(case: Case, folder: Path, threads: int) -> tuple[Path, Path]:
    """Writes the model twice: resampled as nnU-Net does it by default, and by torch.

    Args:
        case: whose model.
        folder: an empty one.
        threads: for nnU-Net's resampling by torch, whose number of threads stands in the plans.
    """

    def plans(data: dict[str, Any]) -> None:
        _plan(case, data)

    def plans_by_torch(data: dict[str, Any]) -> None:
        _plan(case, data)
        _resample_by_torch(data, threads)

    def dataset(data: dict[str, Any]) -> None:
        data["labels"] = {"background": 0, **{f"structure {n}": n for n in range(1, case.classes)}}

    def checkpoint(data: dict[str, Any]) -> None:
        data["inference_allowed_mirroring_axes"] = None

    torch.manual_seed(0)
    unet = build_network(_network(case))
    by_default = results_folder(folder / "by-default", plans, dataset, checkpoint, unet)
    by_torch = results_folder(folder / "by-torch", plans_by_torch, dataset, folds=())
    (by_torch / "fold_0").mkdir()
    os.link(by_default / "fold_0" / CHECKPOINT, by_torch / "fold_0" / CHECKPOINT)
    return by_default, by_torch


def _kernels(case: Case) -> list[list[int]]:
    return [[3, 3, 3]] * len(case.features)


def _strides(case: Case) -> list[list[int]]:
    return [[1, 1, 1], *[[2, 2, 2]] * (len(case.features) - 1)]


def _network(case: Case) -> Network:
    arguments = {
        "inputs": 1,
        "outputs": case.classes,
        "features": list(case.features),
        "kernels": _kernels(case),
        "strides": _strides(case),
        "blocks": 2,
        "decoder_blocks": 2,
        "norm_arguments": {"eps": 1e-5, "affine": True},
    }
    return Network("StagedUNet", arguments)


def _plan(case: Case, plans: dict[str, Any]) -> None:
    """The same network in nnU-Net's words, and its grid and intensities."""
    stages = len(case.features)
    seen = {"mean": MEAN, "std": DEVIATION, "percentile_00_5": LOWEST, "percentile_99_5": HIGHEST}
    plans["foreground_intensity_properties_per_channel"]["0"] = seen
    configuration = fullres(plans)
    configuration |= {"patch_size": [case.patch] * 3, "spacing": [case.spacing] * 3}
    given = arguments(plans)
    given |= {"n_stages": stages, "features_per_stage": list(case.features)}
    given |= {"kernel_sizes": _kernels(case), "strides": _strides(case)}
    given |= {"n_conv_per_stage": [2] * stages, "n_conv_per_stage_decoder": [2] * (stages - 1)}


def _resample_by_torch(plans: dict[str, Any], threads: int) -> None:
    """As nnU-Net's planners ``…_torchres`` write it into their plans."""
    configuration = fullres(plans)
    for what in ("data", "seg", "probabilities"):
        given = {"is_seg": what == "seg", "force_separate_z": False, "memefficient_seg_resampling": False}
        configuration[f"resampling_fn_{what}"] = "resample_torch_fornnunet"
        configuration[f"resampling_fn_{what}_kwargs"] = {**given, "num_threads": threads}
