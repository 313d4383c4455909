"""MONAI: its sliding window on an image that its transforms bring onto the grid, and their inverse on the logits."""

from __future__ import annotations

import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from monai.transforms import Compose, Invertd, ScaleIntensityRanged, Spacingd

from MedDLCore.models import load_networks, open_model

from .engines import Call, Job, Labels
from .meter import Meter
from .model import DEVIATION, HIGHEST, LOWEST, MEAN


def monai_inferer(job: Job, scan: Labels, meter: Meter) -> Call:
    """As the bundles of its Model Zoo do it: linear interpolation, one patch after the other, Gaussian weights."""
    low, high = ((value - MEAN) / DEVIATION for value in (LOWEST, HIGHEST))
    before = Compose(
        [
            Spacingd("image", (job.case.spacing,) * 3),
            ScaleIntensityRanged("image", LOWEST, HIGHEST, low, high, clip=True),
        ]
    )
    back = Invertd("logits", before, orig_keys="image", nearest_interp=False)
    network = job.stand_in() or load_networks(open_model(job.model))[0]
    meter.watch(network)
    patch = (job.case.patch,) * 3

    def call() -> Labels:
        image = MetaTensor(torch.from_numpy(scan)[None].float(), affine=torch.diag(torch.tensor([*job.voxel, 1.0])))
        case = before({"image": image})
        with torch.inference_mode():
            case["logits"] = sliding_window_inference(case["image"][None], patch, 1, network, 0.5, "gaussian")[0]
        labels: Labels = back(case)["logits"].argmax(0).to(torch.uint8).numpy()
        return labels

    return call
