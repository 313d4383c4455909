"""What the panel decides, without Qt."""

from __future__ import annotations

from typing import Any

import pytest

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.models.offered import Input, Offered
from MedDLSegmentLib import wording
from MedDLSegmentLib.offered_models import line, matching, modality, readOffered, summary, tooltip
from MedDLSegmentLib.panel_state import (
    PanelState,
    Run,
    applyButton,
    inputNames,
    planLine,
    reasonNotToRun,
    secondsLeft,
    statusLine,
    warningLines,
)
from MedDLSegmentLib.structure_choice import chosenStructures, numberChosen, parameterFor

ORGANS = Offered(
    "organs", "Organs of the abdomen", inputs=(Input("image", "CT"),), structures=("liver", "spleen", "aorta"),
    licence="CC-BY-4.0\nand more", size=31_000_000, seconds=95.0, memory=2.5e9,
)  # fmt: skip
TUMOUR = Offered("tumour", "Tumours of the brain", inputs=(Input("T1", "MR"), Input("FLAIR", "MR")), licence="MIT")
BROKEN = Offered("broken", size=10, problem="models/model.safetensors is missing.")
MODELS = (ORGANS, TUMOUR, BROKEN)
PLAN = {
    "patches": 64, "memory": 3.1e9, "device_memory": 0, "seconds": 41.0, "device": "cpu", "fits": True,
    "free_memory": 8e9, "remedy": "",
}  # fmt: skip


def ready(**changes: Any) -> PanelState:
    """A state in which Apply can be clicked, with what is given changed."""
    return PanelState(MODELS, "organs", (True,), plan=PLAN).with_(**changes)


def test_apply_can_be_clicked_when_nothing_is_missing() -> None:
    button = applyButton(ready())
    assert (button.text, button.enabled) == ("Apply", True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"models": None}, "The list of models is not there yet."),
        ({"models": None, "problem": "The worker could not be started."}, "The worker could not be started."),
        ({"models": ()}, "There is no model on this machine."),
        ({"model": ""}, "Choose a model."),
        ({"model": "gone"}, "Choose a model."),
        ({"model": "broken"}, "This model cannot be opened: models/model.safetensors is missing."),
        ({"inputs": (False,)}, "Choose the volume: Volume."),
        ({"model": "tumour", "inputs": (True, False)}, "Choose the volume: FLAIR."),
        ({"chosen": 0}, "Choose at least one structure."),
    ],
)
def test_the_tooltip_of_apply_says_why_it_cannot_be_clicked(changes: dict[str, Any], reason: str) -> None:
    button = applyButton(ready(**changes))
    assert (button.enabled, button.toolTip) == (False, reason)


def test_a_model_with_more_inputs_than_the_panel_has_is_refused() -> None:
    many = Offered("many", inputs=tuple(Input(f"b{n}") for n in range(5)))
    assert "takes 5 volumes" in reasonNotToRun(PanelState((many,), "many", (True,) * 4))


def test_while_a_run_goes_on_apply_is_cancel() -> None:
    button = applyButton(ready(run=Run("network", 0.5, 40.0)))
    assert (button.text, button.enabled) == ("Cancel", True)
    assert not applyButton(ready(run=Run(cancelling=True))).enabled


def test_the_selectors_are_called_as_the_models_inputs() -> None:
    assert inputNames(None) == inputNames(ORGANS) == ("Volume",)
    assert inputNames(TUMOUR) == ("T1", "FLAIR")


def test_the_plan_stands_in_a_line() -> None:
    assert planLine(ready()) == "64 patches, 3.1 GB, about 40 s on this CPU"
    assert planLine(ready(plan=None)) == "Looking what the run will need ..."
    assert planLine(ready(plan=None, planProblem="The scan is too thin.")) == "The scan is too thin."
    assert planLine(ready(inputs=(False,))) == "Choose the volume: Volume."
    assert planLine(ready(models=None)) == ""
    on_card = {**PLAN, "patches": 1, "device": "NVIDIA A100", "device_memory": 5e9, "seconds": None}
    assert wording.plan(on_card) == "1 patch, 3.1 GB, 5.0 GB on the graphics card, on NVIDIA A100"


def test_what_the_memory_lacks_is_a_warning() -> None:
    small = {**PLAN, "fits": False, "free_memory": 1e9, "remedy": "Close other programs."}
    notice = Notice(Code.GEOM_TILT, "The gantry was tilted by 5 degrees.")
    assert warningLines(ready(plan=small, notices=(notice,))) == (
        "It needs 3.1 GB of memory, and 1.0 GB are free. Close other programs.",
        "The gantry was tilted by 5 degrees.",
    )
    assert warningLines(ready()) == ()


def test_the_status_tells_the_stage_and_the_time_left() -> None:
    assert statusLine(ready(run=Run("network", 0.5, 41.0))) == "Running the network, about 40 s left"
    assert statusLine(ready(run=Run())) == "Starting the worker ..."
    assert statusLine(ready(problem="It failed.", done="Done: x")) == "It failed."
    assert statusLine(ready(done="Done: x")) == "Done: x"
    assert statusLine(ready(done="Done: x", surfaces=(3, 7))) == "Surfaces: 3 of 7"
    assert statusLine(PanelState()) == "Starting the worker ..."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (7.4, "7 s"), (41, "40 s"), (88, "90 s"), (95, "2 min"), (600, "10 min"), (5500, "1 h 32 min")],
)
def test_a_duration_is_no_more_exact_than_it_is_known(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [("", MODELS), ("LIVER ct", (ORGANS,)), ("mr", (TUMOUR,)), ("brain mit", (TUMOUR,)), ("liver brain", ())],
)
def test_the_search_looks_for_every_word(text: str, found: tuple[Offered, ...]) -> None:
    assert matching(MODELS, text) == found


def test_a_model_is_told_in_words() -> None:
    assert line(ORGANS) == "Organs of the abdomen  (CT, 3 structures)"
    assert line(TUMOUR) == "Tumours of the brain  (2 MR)"
    assert line(BROKEN) == "broken  (cannot be opened)"
    assert summary(ORGANS) == "CC-BY-4.0, 31 MB, 2 min at its author's, 2.5 GB of memory"
    assert summary(TUMOUR).startswith("takes T1, FLAIR, MIT")
    assert "NOT FOR COMMERCIAL USE" in summary(Offered("x", non_commercial=True))
    assert summary(BROKEN) == BROKEN.problem
    assert "liver, spleen, aorta" in tooltip(ORGANS)
    assert modality(Offered("x", inputs=(Input("a", "MR"), Input("b", "PT"), Input("c")))) == "MR + PT + ?"


def test_the_workers_list_is_read_and_sorted() -> None:
    told = [{"name": name} for name in ("b", "A")] + [{"name": "0", "problem": "broken"}]
    assert [model.name for model in readOffered(told)] == ["A", "b", "0"]
    with pytest.raises(MedDLError) as refused:
        readOffered([{"name": 3}])
    assert refused.value.code is Code.MODEL_INVALID


def test_no_choice_means_all_structures() -> None:
    assert chosenStructures([], ORGANS) == ORGANS.structures and numberChosen([], ORGANS) is None
    assert parameterFor(ORGANS.structures, ORGANS) == []


def test_a_choice_of_some_structures_is_kept_in_the_models_order() -> None:
    kept = parameterFor(["aorta", "liver"], ORGANS)
    assert kept == ["liver", "aorta"]
    assert chosenStructures([*kept, "of another model"], ORGANS) == ("liver", "aorta")
    assert numberChosen(kept, ORGANS) == 2


def test_a_choice_of_none_is_not_a_choice_of_all() -> None:
    kept = parameterFor([], ORGANS)
    assert kept and numberChosen(kept, ORGANS) == 0


def test_the_time_left_of_a_sequence_is_that_of_all_of_its_volumes() -> None:
    """From the first volume's own estimate; later from how long volumes took."""
    assert secondsLeft(0, 10, 0.0, 3.0, None) is None
    assert secondsLeft(0, 10, 0.0, 10.0, 10.0) == 10 + 9 * 20
    assert secondsLeft(4, 10, 80.0, 5.0, None) == 15 + 5 * 20
    assert secondsLeft(4, 10, 80.0, 90.0, None) == 5 * 20  # this one takes longer: its end is not known
    assert secondsLeft(9, 10, 180.0, 5.0, 2.0) == 2
