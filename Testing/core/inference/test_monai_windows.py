"""Windows and weights as MONAI has them, compared with MONAI's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers import sliding_window_inference
from torch import nn

from fixtures.slabs import joined
from MedDLCore.inference import Predictor, gaussian, predict, window_starts
from MedDLCore.inference.windows import smallest_weight_of_monai
from MedDLCore.spec import Inference


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.625, 0.7, 0.75, 0.95])
@pytest.mark.parametrize("patch", [1, 7, 16, 96])
def test_stepped_windows_are_those_of_monai(patch: int, overlap: float) -> None:
    for size in (patch, patch + 1, 2 * patch, 2 * patch + 5, 131):
        if size < patch:
            continue
        interval = patch if size == patch else max(1, int(patch * (1 - overlap)))
        theirs = tuple(window[0].start for window in dense_patch_slices([size], [patch], [interval]))
        assert window_starts(size, patch, overlap, "stepped") == theirs


@pytest.mark.parametrize("sigma", [0.125, 0.3, 0.02])
@pytest.mark.parametrize("patch", [(16, 16, 16), (15, 9, 7), (8, 96, 1)])
def test_weights_are_those_of_monai_up_to_a_factor(patch: tuple[int, int, int], sigma: float) -> None:
    theirs = compute_importance_map(patch, mode="gaussian", sigma_scale=sigma).numpy()
    ours = gaussian(patch, sigma, smallest_weight_of_monai(patch, sigma))
    assert np.allclose(ours, theirs / theirs.max(), rtol=1e-4)


@pytest.mark.parametrize("weighting", ["constant", "monai"])
@pytest.mark.parametrize(("padding", "mode"), [("constant", "constant"), ("edge", "replicate"), ("reflect", "reflect")])
def test_a_sliding_window_gives_what_monai_s_gives(weighting: str, padding: str, mode: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.Tanh()).eval()
    image = torch.randn(1, 13, 21, 30)
    blend = "constant" if weighting == "constant" else "gaussian"
    value = 0.3 if mode == "constant" else 0.0
    with torch.no_grad():
        theirs = sliding_window_inference(
            image[None], (16, 12, 11), 1, network, 0.4, blend, padding_mode=mode, cval=value
        )
    inference = Inference(
        patch=(16, 12, 11),
        overlap=0.4,
        windows="stepped",
        weighting=weighting,  # type: ignore[arg-type]
        padding=padding,  # type: ignore[arg-type]
        padding_value=value,
        batch=3,
    )
    slabs = predict(image.numpy(), Predictor([network], 3), inference)
    ours = joined(slabs)
    assert np.allclose(ours, theirs[0], atol=1e-5)
