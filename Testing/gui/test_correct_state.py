"""What the page Correct decides, without Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.models import ModelStore
from MedDLCore.models.offered import Input, Offered, offered_models
from MedDLSegmentLib.correct_state import (
    GROW_CUT,
    CorrectState,
    Going,
    Last,
    addButton,
    modelChoices,
    reasonNotToClick,
    removeButton,
    segmentButton,
    statusLine,
    undoButton,
    warningLines,
)

LISTENS = Offered(
    "organs", "Organs", inputs=(Input("image", "CT"),), structures=("liver", "skin"), clickable=("liver",)
)
TWO = Offered("tumour", inputs=(Input("T1"), Input("FLAIR")), structures=("core",), clickable=("core",))
DEAF = Offered("deaf", inputs=(Input("image"),), structures=("liver",))
BROKEN = Offered("broken", clickable=("liver",), problem="It cannot be opened.")
MODELS = (LISTENS, TWO, DEAF, BROKEN)


class Edited:
    """As ``segment_edit.Edited``, which needs a scene's libraries."""

    def __init__(self, added: int = 0, removed: int = 0, kept: int = 0, **by: tuple[str, ...]) -> None:
        self.added, self.removed, self.kept = added, removed, kept
        self.heldBy, self.lockedBy = by.get("heldBy", ()), by.get("lockedBy", ())


def ready(**changes: Any) -> CorrectState:
    return CorrectState(MODELS, "organs", inputs=(True,), segments=(), clicking=True).with_(**changes)


def answered(**changes: Any) -> CorrectState:
    given: dict[str, Any] = {"structure": "liver", "positive": True, "edited": Edited(412, 3), "spent": 0.81, **changes}
    return ready(going=Going(count=2, canUndo=True, last=Last(**given)))


def test_only_models_that_listen_are_offered_and_growing_without_one() -> None:
    assert [name for name, _text in modelChoices(ready())] == [GROW_CUT, "organs", "tumour"]
    assert [name for name, _text in modelChoices(CorrectState())] == [GROW_CUT]


def test_the_model_of_the_page_segment_is_taken_where_it_listens_and_nobody_has_chosen() -> None:
    assert ready(wantedModel="", segmentModel="tumour").model == "tumour"
    assert ready(wantedModel="", segmentModel="deaf").model == GROW_CUT
    assert ready(wantedModel=GROW_CUT, segmentModel="tumour").offered is None


def test_what_a_model_found_that_does_not_listen_is_corrected_by_one_that_does_for_the_same_structures() -> None:
    plain = Offered("plain", inputs=(Input("CT scan", "CT"),), structures=("Liver",))
    more = Offered("more", inputs=(Input("CT scan", "CT"),), structures=("liver", "spleen"))
    state = ready(models=(*MODELS, plain, more), wantedModel="")
    assert state.with_(segmentModel="plain").model == "organs"
    assert state.with_(segmentModel="more").model == GROW_CUT  # nobody listens for the spleen


def test_of_the_models_that_come_with_meddl_one_corrects_the_other(tmp_path: Path) -> None:
    models = tuple(offered_models(ModelStore(tmp_path)))
    assert CorrectState(models, segmentModel="hippocampus").model == "hippocampus-clicks"
    assert CorrectState(models, segmentModel="phantom").model == GROW_CUT


def test_structures_are_the_models_or_the_segments() -> None:
    assert ready().structures == ("liver",) and ready(wantedStructure="LIVER").structure == "liver"
    grown = ready(wantedModel=GROW_CUT, segments=("a", "b"), wantedStructure="b")
    assert grown.structures == ("a", "b") and grown.structure == "b"
    assert ready(wantedModel=GROW_CUT, segments=()).structure == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"models": None}, "The list of models is not there yet."),
        ({"wantedModel": "gone"}, "Choose another model: this one is gone, or does not listen to clicks."),
        ({"wantedModel": "deaf"}, "Choose another model: this one is gone, or does not listen to clicks."),
        ({"inputs": (False,)}, "Choose the volume."),
        ({"wantedModel": "tumour", "inputs": (True, False)}, "Choose on the page Segment: FLAIR."),
        ({"segments": None}, "Choose a segmentation, or make one."),
        ({"wantedModel": GROW_CUT}, "Add a segment: it will grow from your clicks."),
        ({"segments": ("Liver", "liver")}, "Several segments are named liver: rename or merge them."),
        ({"wantedModel": GROW_CUT, "segments": ("a", "A")}, "Several segments are named a: rename or merge them."),
    ],
)
def test_what_is_missing_is_said_and_nothing_can_be_clicked(changes: dict[str, Any], reason: str) -> None:
    state = ready(**changes)
    assert reasonNotToClick(state) == reason == statusLine(state)
    for button in (addButton(state), removeButton(state)):
        assert not button.enabled and button.toolTip == reason


def test_the_keys_stand_on_the_buttons() -> None:
    assert (addButton(ready()).text, removeButton(ready()).text) == ("Add  (click)", "Remove  (Ctrl + click)")
    assert removeButton(ready(clicking=False)).text == "Remove  (click)"
    assert addButton(ready()).enabled and reasonNotToClick(ready()) == ""


def test_on_a_mac_the_key_is_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control + click is the right button there, and does nothing."""
    monkeypatch.setattr("sys.platform", "darwin")
    assert removeButton(ready()).text == "Remove  (Cmd + click)" and "hold Cmd" in removeButton(ready()).toolTip
    assert "hold Cmd" in statusLine(ready(wantedModel=GROW_CUT, segments=("a",)))


def test_what_to_do_next_is_said() -> None:
    assert statusLine(ready(clicking=None)) == "Press Add, then click in the views."
    assert statusLine(ready()) == "Click where it is wrong."
    assert "hold Ctrl" in statusLine(ready(wantedModel=GROW_CUT, segments=("a",)))


def test_what_a_click_did_and_how_long_it_took_is_said() -> None:
    state = answered(seconds={"prepare": 0.02, "network": 0.5, "finish": 0.1})
    assert statusLine(state) == (
        "Click 2: liver, 412 voxels added, 3 voxels removed, in 0.8 s "
        "(preparing 0.02 s, network 0.5 s, finishing 0.1 s)"
    )
    assert statusLine(answered(edited=Edited())) == "Click 2: liver, nothing changed, in 0.8 s"


def test_what_stayed_as_it_was_is_explained() -> None:
    assert warningLines(answered()) == ()
    assert "spleen kept its voxels" in warningLines(answered(edited=Edited(kept=9, heldBy=("spleen",))))[0]
    (locked,) = warningLines(answered(edited=Edited(kept=9, lockedBy=("spleen",))))
    assert "completed" in locked and "click" not in locked, "a click in it does not take them"
    assert "9 voxels stay as they are" in warningLines(answered(edited=Edited(kept=9)))[0]
    assert warningLines(answered(hint="Now click.", notices=(Notice(Code.LABEL_UNCODED, "a"),))) == ("Now click.", "a")


def test_a_click_that_is_answered_tells_its_stage_and_what_waits() -> None:
    going = Going(busy=True, stage="network", waiting=2, canUndo=True)
    assert statusLine(ready(going=going)) == "Running the network ... 2 more wait."
    assert statusLine(ready(going=Going(busy=True, cancelling=True))) == "Cancelling ..."
    assert not undoButton(ready(going=Going(busy=True, cancelling=True, canUndo=True))).enabled
    assert undoButton(ready(going=going)).enabled and not undoButton(ready()).enabled


def test_a_refusal_is_said_with_what_to_do_in_slicer() -> None:
    refused = MedDLError(Code.NO_MEMORY, "The memory ran out.", "Use --device cpu.")
    assert statusLine(ready(going=Going(problem=refused))).startswith("The memory ran out. Close other programs")
    mismatch = MedDLError(Code.CLICKS_MISMATCH, "It does not listen.", "Train one with meddl train --interactive.")
    assert "--" not in statusLine(ready(going=Going(problem=mismatch)))


def test_a_segment_is_added_to_a_segmentation() -> None:
    assert segmentButton(ready()).enabled
    assert segmentButton(ready(segments=None)).toolTip == "Choose a segmentation, or make one."
    assert segmentButton(ready(inputs=(False,))).toolTip == "Choose the volume."
