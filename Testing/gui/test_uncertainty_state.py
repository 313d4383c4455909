"""What the part *Uncertainty* of the page Correct decides, without Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from MedDLCore.errors import Code, Notice
from MedDLCore.models.offered import Input, Offered
from MedDLSegmentLib.correct_state import GROW_CUT, CorrectState
from MedDLSegmentLib.panel_state import Run
from MedDLSegmentLib.uncertainty_state import UncertaintyState, button, line, model, reasonNotToMeasure, saidOf

LISTENS = Offered("organs", "Organs", inputs=(Input("image", "CT"),), structures=("liver",), clickable=("liver",))
DEAF = Offered("deaf", inputs=(Input("T1"), Input("FLAIR")), structures=("liver",))
OWN_CODE = Offered("own", inputs=(Input("image"),), origin="trusted")
BROKEN = Offered("broken", inputs=(Input("image"),), problem="Its weights are gone.")
MODELS = (LISTENS, DEAF, OWN_CODE, BROKEN)
FIGURES = {"place": (1.0, 2.0, 3.0), "disagreement": 0.00583, "way": "perturbed"}


def ready(**changes: Any) -> UncertaintyState:
    return UncertaintyState(CorrectState(MODELS, "organs", inputs=(True,)).with_(**changes))


def test_the_model_that_was_chosen_for_clicks_is_asked_or_else_that_of_the_page_segment() -> None:
    assert model(ready()) is LISTENS and model(ready(segmentModel="deaf")) is LISTENS
    assert model(ready(wantedModel=GROW_CUT, segmentModel="deaf")) is DEAF
    assert model(ready(wantedModel=GROW_CUT)) is None


def test_what_a_model_found_is_measured_by_it_and_not_by_the_one_that_corrects_it() -> None:
    plain = Offered("plain", inputs=(Input("scan", "CT"),), structures=("liver",))
    state = ready(models=(*MODELS, plain), wantedModel="", segmentModel="plain")
    assert state.correct.model == "organs" and model(state) is plain


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"models": None}, "The list of models is not there yet."),
        ({"wantedModel": GROW_CUT}, "Choose a model, here or on the page Segment: it is asked how sure it is."),
        ({"wantedModel": "", "segmentModel": "broken"}, "This model cannot be opened: Its weights are gone."),
        (
            {"wantedModel": "", "segmentModel": "own"},
            "How sure this model is cannot be measured: it runs code of its own.",
        ),
        ({"inputs": (False,)}, "Choose the volume."),
        ({"wantedModel": "", "segmentModel": "deaf", "inputs": (True, False)}, "Choose on the page Segment: FLAIR."),
    ],
)
def test_the_button_says_why_nothing_can_be_measured(changes: dict[str, Any], reason: str) -> None:
    state = ready(**changes)
    assert reasonNotToMeasure(state) == reason
    assert not button(state).enabled and button(state).toolTip == reason


def test_no_segmentation_is_needed() -> None:
    """It shows where to begin, too."""
    shown = button(ready(segments=None))
    assert shown.enabled and shown.text == "Show uncertainty" and "Organs" in shown.toolTip


def test_the_button_cancels_while_it_runs_and_hides_what_is_shown() -> None:
    running = replace(ready(), run=Run("network", 0.4, 42.0), isShown=True)
    assert button(running).text == "Cancel" and button(running).enabled
    assert line(running) == "Running the network, about 40 s left"
    assert not button(replace(running, run=Run(cancelling=True))).enabled
    shown = replace(ready(inputs=(True,)), isShown=True)
    assert button(shown).text == "Hide uncertainty" and button(shown).enabled


def test_what_was_measured_is_said_with_its_warnings() -> None:
    text = saidOf(FIGURES, LISTENS)
    assert text == (
        "The slices go through where Organs is least sure. "
        "Mean disagreement: 0.0058 nats, between noisy and mirrored copies of the scan."
    )
    assert saidOf({**FIGURES, "way": "ensemble"}, DEAF).endswith("between its networks.")
    assert saidOf({**FIGURES, "way": "dropout"}, DEAF).endswith("between passes with dropout.")
    assert saidOf({**FIGURES, "place": None}, LISTENS) == "Organs is sure of every voxel."
    warned = replace(ready(), said=text, notices=(Notice(Code.MEMORY_TIGHT, "The run needs about 9 GB."),))
    assert line(warned) == f"{text}\nWarning: The run needs about 9 GB."
