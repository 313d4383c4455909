"""The model: a U-Net with random weights in nnU-Net's own form, which every engine opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .cases import Case

LOWEST, HIGHEST, MEAN, DEVIATION = -1024.0, 2000.0, 0.0, 500.0
"""HU: what the scan is clipped to, and what becomes 0 and 1."""

CHECKPOINT = "checkpoint_final.pth"

BY_TORCH = {
    f"resampling_fn_{what}{suffix}": value
    for what, is_seg in (("data", False), ("seg", True), ("probabilities", False))
    for suffix, value in (
        ("", "resample_torch_fornnunet"),
        ("_kwargs", {"is_seg": is_seg, "force_separate_z": False, "memefficient_seg_resampling": False}),
    )
}
"""What nnU-Net's planners ``…_torchres`` write into their plans."""


def write_models(case: Case, folder: Path, threads: int) -> tuple[Path, Path]:
    """Writes the model twice: resampled as nnU-Net does it by default, and by torch.

    Args:
        case: whose model.
        folder: an empty one.
        threads: for nnU-Net's resampling by torch, whose number of threads stands in the plans.
    """
    from fixtures.nnunet_folder import results_folder
    from MedDLCore.models.networks import build_network
    from MedDLCore.spec import Network

    stages = len(case.features)
    strides = [[1, 1, 1], *[[2, 2, 2]] * (stages - 1)]
    norm = {"eps": 1e-5, "affine": True}
    network = {
        "inputs": 1,
        "outputs": case.classes,
        "features": list(case.features),
        "kernels": [[3, 3, 3]] * stages,
        "strides": strides,
        "blocks": 2,
        "decoder_blocks": 2,
        "norm_arguments": norm,
    }

    def plans(data: dict[str, Any]) -> None:
        data["foreground_intensity_properties_per_channel"]["0"] = {
            "mean": MEAN,
            "std": DEVIATION,
            "percentile_00_5": LOWEST,
            "percentile_99_5": HIGHEST,
        }
        chosen = data["configurations"]["3d_fullres"]
        chosen |= {"patch_size": [case.patch] * 3, "spacing": [case.spacing] * 3}
        chosen["architecture"]["arch_kwargs"] |= {
            "n_stages": stages,
            "features_per_stage": list(case.features),
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": strides,
            "n_conv_per_stage": [2] * stages,
            "n_conv_per_stage_decoder": [2] * (stages - 1),
        }

    def plans_by_torch(data: dict[str, Any]) -> None:
        plans(data)
        chosen = data["configurations"]["3d_fullres"]
        chosen |= BY_TORCH
        for what in ("data", "seg", "probabilities"):
            chosen[f"resampling_fn_{what}_kwargs"] = {**chosen[f"resampling_fn_{what}_kwargs"], "num_threads": threads}

    def dataset(data: dict[str, Any]) -> None:
        data["labels"] = {"background": 0, **{f"structure {n}": n for n in range(1, case.classes)}}

    def checkpoint(data: dict[str, Any]) -> None:
        data["inference_allowed_mirroring_axes"] = None

    import torch

    torch.manual_seed(0)
    built = build_network(Network("StagedUNet", network))
    by_default = results_folder(folder / "by-default", plans, dataset, checkpoint, built)
    by_torch = results_folder(folder / "by-torch", plans_by_torch, dataset, folds=())
    (by_torch / "fold_0").mkdir()
    os.link(by_default / "fold_0" / CHECKPOINT, by_torch / "fold_0" / CHECKPOINT)
    return by_default, by_torch
