"""What the part *Training set* of the page Correct decides, without Qt."""

from __future__ import annotations

from typing import Any

import pytest

from MedDLCore.models.offered import Input, Offered
from MedDLSegmentLib.collect_state import (
    CollectState,
    collectButton,
    leftOut,
    line,
    reasonNotToCollect,
    saidOf,
    structures,
)
from MedDLSegmentLib.correct_state import GROW_CUT, CorrectState, Going

LISTENS = Offered("organs", inputs=(Input("image", "CT"),), structures=("liver", "skin"), clickable=("liver",))
ADDED = {"cases": 7, "replaced": False, "empty": []}


def ready(folder: str = "/home/a/set", busy: bool = False, **changes: Any) -> CollectState:
    correct = CorrectState((LISTENS,), "organs", inputs=(True,), segments=("Liver", "line")).with_(**changes)
    return CollectState(correct, 3, folder, busy)


def test_a_model_s_structures_go_in_and_without_a_model_all_segments() -> None:
    assert structures(ready().correct) == ("liver", "skin") and leftOut(ready().correct) == ("line",)
    grown = ready(wantedModel=GROW_CUT).correct
    assert structures(grown) == () == leftOut(grown)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"busy": True}, "A case is being added."),
        ({"inputs": (False,)}, "Choose the volume."),
        ({"segments": None}, "Choose a segmentation, or make one."),
        ({"going": Going(busy=True)}, "Wait until the click is answered."),
        ({"segments": ("line",)}, "No segment is a structure of this model. Correct one, or rename a segment."),
        ({"segments": ("Liver", "liver")}, "Several segments are named liver: rename or merge them."),
        ({"folder": ""}, "Choose a folder for the training set."),
    ],
)
def test_the_button_says_why_nothing_can_be_added(changes: dict[str, Any], reason: str) -> None:
    state = ready(**changes)
    assert reasonNotToCollect(state) == reason
    assert not collectButton(state).enabled and collectButton(state).toolTip == reason


def test_what_can_be_added_is_added_with_its_clicks() -> None:
    assert collectButton(ready()).enabled and "your clicks (3)" in collectButton(ready()).toolTip
    assert line(ready(busy=True)) == "Adding the case ..." and line(ready()) == ""


def test_what_was_added_is_said() -> None:
    assert saidOf(ADDED, 3, ()) == "Case 7 of this set: 3 clicks."
    assert saidOf(ADDED, 1, ()) == "Case 7 of this set: 1 click."
    again = saidOf({**ADDED, "replaced": True}, 0, ())
    assert again == "The scan was in this set, and has its new segments: 0 clicks. Cases: 7."
    whole = saidOf({**ADDED, "empty": ["skin"]}, 3, ("line",))
    assert whole.endswith("Empty, and learnt as not there: skin. No structures of the model, and left out: line.")
