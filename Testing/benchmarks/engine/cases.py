"""What is measured: a network, a number of classes, a working spacing, a scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PEERS = ("nnunet", "nnunet-torch", "monai")
JUDGE = "nnunet-fp32"
FLOOR = "floor"
ALL = (FLOOR, "meddl", JUDGE, *PEERS)


@dataclass(frozen=True)
class Case:
    """A model and a scan.

    Attributes:
        about: what a person reads.
        network: ``unet``: the model's own, with random weights. In its place, in all engines, runs for ``anatomy`` a
            function with the logits of a trained network, for ``noise`` one whose classes are everywhere nearly tied.
        classes: background included.
        spacing: mm of the network's grid, along all axes.
        shape: voxels of the scan along K, J, I.
        voxel: mm of the scan along K, J, I.
        scan: a real one in its place, a path within the folder of test data.
        patch: voxels of the patch along each axis.
        features: of the U-Net's stages.
        engines: which are run.
    """

    about: str
    network: Literal["unet", "anatomy", "noise"]
    classes: int
    spacing: float = 3.0
    shape: tuple[int, int, int] = (300, 512, 512)
    voxel: tuple[float, float, float] = (1.5, 0.8, 0.8)
    scan: str = ""
    patch: int = 128
    features: tuple[int, ...] = (32, 64, 128, 256, 320, 320)
    engines: tuple[str, ...] = ALL


HALF = {"shape": (150, 256, 256), "voxel": (3.0, 1.6, 1.6)}
LONG = {"shape": (900, 512, 512)}
REAL = {"scan": "ibsi_sts/nifti/STS_028/CT_image.nii.gz", "spacing": 1.5}

CASES: Mapping[str, Case] = {
    "unet-5": Case("the U-Net", "unet", 5, engines=(FLOOR, "meddl", JUDGE, "nnunet")),
    "unet-5-real": Case("the U-Net on a real CT of a thigh, 1.5 mm", "unet", 5, **REAL),
    "anatomy-5": Case("realistic logits", "anatomy", 5),
    "anatomy-5-fine": Case("realistic logits, 1.5 mm", "anatomy", 5, 1.5),
    "anatomy-118-half": Case("realistic logits, half the scan's resolution", "anatomy", 118, **HALF),
    "anatomy-118": Case("realistic logits", "anatomy", 118),
    "anatomy-118-fine": Case("realistic logits, 1.5 mm", "anatomy", 118, 1.5),
    "anatomy-118-long": Case("realistic logits, three times as many slices", "anatomy", 118, **LONG),
    "anatomy-118-real": Case("a real CT of a thigh, 1.5 mm", "anatomy", 118, **REAL),
    "noise-5": Case("worst logits", "noise", 5),
    "noise-118-half": Case("worst logits, half the scan's resolution", "noise", 118, **HALF),
    "noise-118": Case("worst logits", "noise", 118),
    "noise-118-long": Case("worst logits, three times as many slices", "noise", 118, **LONG),
}

QUICK: Mapping[str, Case] = {
    "quick": Case("realistic logits", "anatomy", 12, 3, (40, 64, 64), (3.0, 1.6, 1.6), patch=32, features=(8, 16, 32)),
}
