"""Every network that a plan can name trains, and what it has learnt segments a scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.trainings import data_in_memory, tiny_plan
from MedDLCore.pipeline import load, segment
from MedDLCore.spec import Inference, Network
from MedDLTraining.plan import Validation
from MedDLTraining.training import train

SHAPE = {"spatial_dims": 3, "in_channels": 1, "out_channels": 4}

NETWORKS = {
    "UNet": ({**SHAPE, "channels": [4, 8], "strides": [2], "dropout": 0.2, "norm": "BATCH"}, 16),
    "BasicUNet": ({**SHAPE, "features": [4, 4, 8, 8, 8, 4]}, 32),
    "DynUNet": ({**SHAPE, "kernel_size": [3] * 3, "strides": [1, 2, 2], "upsample_kernel_size": [2, 2],
                 "filters": [4, 8, 8], "deep_supervision": True, "deep_supr_num": 1}, 16),
    "SegResNet": ({**SHAPE, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1], "dropout_prob": 0.1}, 16),
    "AttentionUnet": ({**SHAPE, "channels": [4, 8, 8], "strides": [2, 2]}, 16),
    "SwinUNETR": ({**SHAPE, "feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}, 64),
    "UNETR": ({"in_channels": 1, "out_channels": 4, "img_size": [16] * 3, "feature_size": 4, "hidden_size": 12,
               "mlp_dim": 16, "num_heads": 2}, 16),
}  # fmt: skip
"""Arguments, and the smallest patch that is worth it."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_by_its_name_trains_an_epoch_and_its_model_segments(name: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    arguments, edge = NETWORKS[name]
    data_set = data_in_memory(2)
    plan = tiny_plan(
        data_set,
        network=Network(name, arguments),
        inference=Inference(patch=(edge,) * 3),
        batch=1 if edge > 32 else 2,
        iterations=2,
        epochs=1,
        validation=Validation(cases=1),
    )
    package = train(data_set, plan, tmp_path / "run").package
    assert package is not None
    (scan,) = data_set.load(data_set.cases[0]).volumes
    result = segment([scan], load(package, "cpu", 1)).label_map
    assert result.geometry.shape == scan.geometry.shape
    assert set(np.unique(result.array)) <= {0, 1, 2, 3}
