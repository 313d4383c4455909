"""Regions that overlap are painted one over the other into one label map."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.models import spec
from fixtures.slabs import in_slabs
from MedDLCore.errors import Code, MedDLError
from MedDLCore.postprocess import decide
from MedDLCore.spec import Output
from MedDLCore.volume import Geometry, Label

LABELS = tuple(Label(value, f"label {value}", (value, value, value)) for value in (1, 2, 3))
GEOMETRY = Geometry.from_parts((4, 4, 4), (1, 1, 1))


def nested(size: int = 4) -> np.ndarray:
    """Logits of three regions: everything, all but the first slice, the last slice."""
    logits = np.full((3, size, size, size), -5.0, dtype=np.float32)
    logits[0], logits[1, 1:], logits[2, -1:] = 5, 5, 5
    return logits


@pytest.mark.parametrize("interpolate", ["labels", "logits", "probabilities"])
def test_a_voxel_has_the_value_of_the_last_region_that_it_lies_in(interpolate: str) -> None:
    output = Output(activation="regions", interpolate=interpolate, paint=(2, 1, 3))  # type: ignore[arg-type]
    found = decide(in_slabs(nested(), 3), GEOMETRY, GEOMETRY, output, LABELS)
    np.testing.assert_array_equal(found.array[:, 0, 0], [2, 1, 1, 3])
    finer = Geometry.from_parts((8, 4, 4), (1, 1, 0.5), origin=(0, 0, -0.25))
    found = decide(in_slabs(nested(), 3), GEOMETRY, finer, output, LABELS)
    np.testing.assert_array_equal(found.array[:, 0, 0], [2, 2, 1, 1, 1, 1, 3, 3])


@pytest.mark.parametrize(
    "output",
    [
        Output(activation="regions"),
        Output(paint=(1,)),
        Output(activation="regions", paint=(2,)),
        Output(activation="regions", paint=(1, -1)),
    ],
)
def test_a_painting_that_cannot_be_is_refused(output: Output) -> None:
    with pytest.raises(MedDLError) as caught:
        spec(output=output)
    assert caught.value.code is Code.MODEL_INVALID and "paint" in caught.value.message
