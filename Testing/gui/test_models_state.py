"""What the page of models says, without Qt."""

from __future__ import annotations

import pytest

from MedDLCore.models.catalogue import catalogue
from MedDLCore.models.offered import Input, Offered
from MedDLSegmentLib.models_state import (
    Examined,
    ModelsState,
    Work,
    agreeText,
    details,
    fits,
    line,
    mainButton,
    matching,
    removeButton,
    statusLine,
)

HERE = Offered(
    "organs", "Organs", inputs=(Input("image", "CT"),), structures=("liver",), licence="MIT", size=10**7, memory=2e9
)
STATE = ModelsState((HERE,), catalogue(), memory=16 * 10**9)


def test_a_model_that_is_here_is_not_offered_for_download() -> None:
    first = next(iter(catalogue()))
    rows = ModelsState((Offered(first),), catalogue()).rows
    assert [row.entry is None for row in rows if row.name == first] == [True]
    assert len(rows) == len(catalogue())


def test_every_entry_of_the_catalogue_is_told_with_size_licence_and_source() -> None:
    for entry in catalogue().values():
        state = STATE.with_(chosen=entry.name)
        assert entry.licence.name in details(state) and "To download: " in details(state)
        assert state.row is not None and "to download" in line(state.row)
        assert agreeText(state) and not mainButton(state).enabled
        assert mainButton(state.with_(agreed=True)).enabled


def test_agreeing_ends_with_the_choice() -> None:
    first, second = list(catalogue())[:2]
    assert not STATE.with_(chosen=first).with_(agreed=True).with_(chosen=second).agreed


def test_whether_a_model_fits_this_machine_is_told() -> None:
    assert fits(HERE, 16 * 10**9) == "Needs 2.0 GB of memory: fits this machine (16.0 GB)"
    assert "MORE THAN THIS MACHINE HAS" in fits(HERE, 10**9)
    assert fits(HERE, 0) == fits(Offered("x"), 10**9) == ""


@pytest.mark.parametrize(
    ("origin", "text", "enabled"),
    [
        ("added", "Remove", True),
        ("shipped", "Remove", False),
        ("totalsegmentator", "Remove", False),
        ("trusted", "Trust no more", True),
    ],
)
def test_only_what_the_person_brought_can_be_removed(origin: str, text: str, enabled: bool) -> None:
    button = removeButton(ModelsState((Offered("m", origin=origin),), {}, chosen="m"))
    assert (button.text, button.enabled) == (text, enabled) and button.toolTip


def test_what_asks_for_trust_is_listed_in_full_up_to_a_limit() -> None:
    reasons = tuple(f"reason {n}" for n in range(50))
    state = STATE.with_(examined=Examined("/b", reasons, ("scripts/own.py",), 7, 10**6, "ab" * 32))
    text = details(state)
    assert "reason 39" in text and "reason 40" not in text and "and 10 more" in text and "ab" * 32 in text
    assert mainButton(state).text == "Trust" and not mainButton(state).enabled
    assert mainButton(state.with_(agreed=True)).enabled


def test_the_status_tells_how_far_a_download_is() -> None:
    assert statusLine(STATE.with_(work=Work("get", "organs"))) == "Downloading organs ..."
    assert statusLine(STATE.with_(work=Work("get", "organs", 0.42))) == "Downloading organs: 42 %"
    assert statusLine(STATE.with_(work=Work("get", "organs", 1.0))) == "Checking organs ..."
    assert statusLine(STATE.with_(work=Work("get", "organs", 0.4, True))) == "Cancelling ..."
    assert not mainButton(STATE.with_(work=Work("remove", "organs"))).enabled


def test_the_search_looks_in_both_kinds_of_rows() -> None:
    assert [row.name for row in matching(STATE.rows, "organs liver ct")][:1] == ["organs"]
    assert matching(STATE.rows, "no such model") == ()
