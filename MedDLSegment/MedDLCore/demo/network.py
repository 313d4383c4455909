"""What the demonstration's network is, as the same plain data that describes every model."""

from __future__ import annotations

from ..spec import Channel, CleanUp, Grid, Inference, ModelSpec, Network, Weights, Window
from .anatomy import LABELS

NAME = "phantom"
"""The shipped package's name."""

SPEC = ModelSpec(
    name=NAME,
    title="Organs of the demonstration's phantom",
    version="1.0.0",
    description=(
        "Finds seven organs in the body that `meddl demo` makes. It was trained on such made bodies alone and has "
        "never seen a patient: on real scans its result means nothing."
    ),
    licence="Apache-2.0",
    source="python -m MedDLCore.demo.train",
    channels=(Channel("CT", "CT"),),
    network=Network(
        "UNet",
        {
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": len(LABELS) + 1,
            "channels": [16, 32, 64, 96],
            "strides": [2, 2, 2],
            "num_res_units": 2,
            "act": "RELU",
            "norm": "INSTANCE",
        },
    ),
    weights=(Weights("models/model.safetensors"),),
    labels=LABELS,
    grid=Grid(orientation="RAS", spacing=(3.0, 3.0, 3.0), straight=True),
    intensity=(Window(-200, 250, -1, 1),),
    inference=Inference(patch=(96, 96, 64), overlap=0.5, padding_value=-1.0),
    clean_up=CleanUp(keep_largest=tuple(label.value for label in LABELS)),
    minimum_shape=(8, 8, 8),
)
"""Its first layer halves the grid: a patch of 288 x 288 x 192 mm, wide enough to tell left from right, stays cheap."""
