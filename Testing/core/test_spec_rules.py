"""Settings of a description that mean nothing without others are refused by their path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixtures.models import spec
from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel, Clicks, Foreground, Grid, Inference, ModelSpec, Output, Scale, ZScore

EXTENT = Grid(orientation=None, rule="extent")
PATCHES = Inference(patch=(16, 16, 16))
NONZERO = Grid(crop="nonzero")

REFUSED: dict[str, dict[str, Any]] = {
    "model.grid.transpose": {"grid": Grid(transpose=(0, 0, 2))},
    "model.grid.rule": {"grid": Grid(rule="extent", shape=(8, 8, 8))},
    "model.grid.apart": {"grid": Grid(apart=3.0)},
    "model.output.apart": {"output": Output(apart=3.0)},
    "model.output.paint": {"output": Output("regions")},
    "model.output.paint: belongs": {"output": Output(paint=(1,))},
    "model.output.paint: must": {"output": Output("regions", paint=(2,))},
    "model.foreground: does": {"grid": EXTENT, "foreground": Foreground()},
    "model.intensity: a step": {"intensity": (ZScore(body=True),)},
    "model.intensity: a step for": {"channels": (Channel("a", None, (ZScore(body=True),)),), "grid": EXTENT},
    "model.intensity: a step for the body stands alone": {
        "intensity": (Scale(2.0), ZScore(body=True)),
        "steps_on_scan": 2,
        "grid": NONZERO,
    },
    "model.intensity: a step is": {
        "intensity": (ZScore(nonzero=True, body=True),),
        "steps_on_scan": 1,
        "grid": NONZERO,
    },
    "model.foreground.steps: include": {
        "intensity": (Scale(2.0),),
        "steps_on_scan": 1,
        "foreground": Foreground(),
    },
    "model.foreground.axes": {"foreground": Foreground(axes="stored")},
    "model.output.apart: is for": {"grid": EXTENT, "output": Output(interpolate="labels", apart=3.0)},
    "model.previous: names": {"grid": EXTENT, "previous": (1, 1)},
    "model.previous: names each": {"previous": (1,)},
    "model.previous: holds": {"grid": EXTENT, "previous": tuple(range(1, 5000))},
    "model.grid.spacing": {"grid": Grid(spacing=(0.0, 1e9, 1.0))},
    "model.clicks.labels": {"clicks": Clicks((9,), 2.0), "inference": PATCHES},
    "model.clicks.labels: holds": {"clicks": Clicks((1, 1), 2.0), "inference": PATCHES},
    "model.clicks.radius": {"clicks": Clicks((1,), 0.0), "inference": PATCHES},
    "model.clicks: needs": {"clicks": Clicks((1,), 2.0), "inference": Inference()},
    "model.clicks: goes": {"clicks": Clicks((1,), 2.0), "inference": replace(PATCHES, padding_value=1.0)},
    "model.clicks: does": {"clicks": Clicks((1,), 2.0), "inference": PATCHES, "foreground": Foreground()},
    "model.intensity: has": {"channels": (Channel("a", None, (ZScore(),) * 99),)},
}


@pytest.mark.parametrize("where", REFUSED)
def test_is_refused(where: str) -> None:
    with pytest.raises(MedDLError) as caught:
        spec(**REFUSED[where])
    assert caught.value.code is Code.MODEL_INVALID
    assert caught.value.message.startswith(where)


def test_what_goes_together_is_taken() -> None:
    grid = Grid(
        orientation=None, rule="extent", transpose=(2, 0, 1), crop="nonzero", apart=0.0, spacing=(0.0, 1.0, 1.0)
    )
    taken = spec(
        grid=grid,
        channels=(Channel("T1", "MR", (ZScore(body=True),)), Channel("T2", "MR")),
        steps_on_scan=1,
        previous=(1, 2, 3),
        inference=Inference(patch=(1, 16, 16), weighting="nnunet"),
        output=Output("regions", paint=(1, 4), apart=3.0),
    )
    assert taken.input_channels == 5
    assert taken.output_channels == 2
    assert [len(taken.intensity_of(n)) for n in (0, 1)] == [1, 0]


def test_a_model_that_listens_takes_three_channels_more_for_each_label_that_can_be_clicked() -> None:
    listens = spec(clicks=Clicks((1,), 2.0), inference=PATCHES)
    assert (listens.input_channels, spec().input_channels) == (4, 1)
    assert ModelSpec.from_json(listens.to_json()) == listens


def test_a_description_from_before_there_were_clicks_is_read() -> None:
    older = spec().to_json()
    del older["clicks"]
    assert ModelSpec.from_json(older) == spec()
