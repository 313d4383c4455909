"""Which scans of a scene make a case: by names and studies, and as a person changes it. No Qt, no scene."""

from __future__ import annotations

from MedDLTrainLib.case_inputs import (
    CaseInputs,
    SceneScan,
    casesOf,
    channelsOf,
    chosen,
    fromText,
    problemOf,
    toText,
)

CHANNELS = ("T1", "FLAIR")


def scan(name: str, study: int = 0, drawn: bool = False, number: int = 0) -> SceneScan:
    return SceneScan(f"vtkMRMLScalarVolumeNode{number or name}", name, study, drawn)


def names(cases: tuple[CaseInputs, ...]) -> list[tuple[str | None, ...]]:
    return [tuple(each.name if each is not None else None for each in case.scans) for case in cases]


def test_channels_are_named_with_commas() -> None:
    assert channelsOf(" T1,FLAIR ,, T1 post,T1") == ("T1", "FLAIR", "T1 post")
    assert channelsOf(" ") == ()


def test_without_channels_each_drawn_scan_is_a_case() -> None:
    scans = [scan("a", drawn=True), scan("b"), scan("c", drawn=True)]
    assert names(casesOf(scans, (), {})) == [("a",), ("c",)]


def test_scans_of_one_name_are_a_case_whichever_was_drawn_on() -> None:
    scans = [
        scan("Smith_T1", drawn=True), scan("Jones FLAIR", drawn=True), scan("Smith flair"), scan("T1 of another"),
        scan("jones-t1"),
    ]  # fmt: skip
    assert names(casesOf(scans, CHANNELS, {})) == [("Smith_T1", "Smith flair"), ("jones-t1", "Jones FLAIR")]


def test_what_is_drawn_on_two_scans_of_a_case_is_one_case() -> None:
    scans = [scan("Smith T1", drawn=True), scan("Smith FLAIR", drawn=True)]
    assert names(casesOf(scans, CHANNELS, {})) == [("Smith T1", "Smith FLAIR")]


def test_scans_with_other_names_belong_together_by_their_study() -> None:
    scans = [
        scan("T1", 1, True, 1), scan("FLAIR axial", 1, number=2), scan("T1", 2, True, 3), scan("3: FLAIR", 2, number=4)
    ]  # fmt: skip
    assert names(casesOf(scans, CHANNELS, {})) == [("T1", "FLAIR axial"), ("T1", "3: FLAIR")]
    assert names(casesOf([scan("T1", 1, True), scan("FLAIR", 2)], CHANNELS, {})) == [("T1", None)]


def test_the_longer_name_of_a_channel_comes_first_and_parts_of_words_are_none() -> None:
    scans = [scan("Smith T1 post", drawn=True), scan("Smith T1"), scan("Smith CT1")]
    assert names(casesOf(scans, ("T1", "T1 post"), {})) == [("Smith T1", "Smith T1 post")]


def test_a_drawn_scan_that_names_no_channel_is_the_one_that_is_not_found() -> None:
    scans = [scan("MRI head", 1, True), scan("MRI FLAIR", 1)]
    assert names(casesOf(scans, CHANNELS, {})) == [("MRI head", "MRI FLAIR")]
    assert names(casesOf(scans[:1], CHANNELS, {})) == [(None, None)]


def test_two_that_fit_are_left_to_the_person() -> None:
    scans = [scan("Smith T1", drawn=True), scan("Smith FLAIR", number=1), scan("Smith FLAIR", number=2)]
    cases = casesOf(scans, CHANNELS, {})
    assert names(cases) == [("Smith T1", None)]
    assert problemOf(cases, CHANNELS) == "Choose the volume for FLAIR of the case Smith T1."
    choices = chosen({}, cases[0], "FLAIR", scans[2])
    cases = casesOf(scans, CHANNELS, fromText(toText(choices)))
    assert cases[0].scans == (scans[0], scans[2]) and problemOf(cases, CHANNELS) == ""


def test_a_choice_comes_before_the_proposal_and_can_be_none() -> None:
    scans = [scan("Smith T1", drawn=True), scan("Smith FLAIR"), scan("other")]
    (case,) = casesOf(scans, CHANNELS, {})
    assert names(casesOf(scans, CHANNELS, chosen({}, case, "FLAIR", scans[2]))) == [("Smith T1", "other")]
    assert names(casesOf(scans, CHANNELS, chosen({}, case, "FLAIR", None))) == [("Smith T1", None)]


def test_one_volume_is_not_two_inputs() -> None:
    scans = [scan("Smith T1", drawn=True), scan("Smith FLAIR")]
    (case,) = casesOf(scans, CHANNELS, {})
    cases = casesOf(scans, CHANNELS, chosen({}, case, "FLAIR", scans[0]))
    assert problemOf(cases, CHANNELS) == "One volume is chosen for several inputs of the case Smith T1."


def test_a_choice_of_a_volume_that_has_gone_or_is_another_is_not_followed() -> None:
    scans = [scan("Smith T1", drawn=True), scan("Smith FLAIR", number=2), scan("other", number=3)]
    (case,) = casesOf(scans, CHANNELS, {})
    choices = chosen({}, case, "FLAIR", scans[2])
    given_anew = [*scans[:2], scan("another", number=3)]
    assert names(casesOf(given_anew, CHANNELS, choices)) == [("Smith T1", "Smith FLAIR")]


def test_what_is_no_table_of_choices_chooses_nothing() -> None:
    for foreign in ("", "{", "[]", '{"a": 3}', "3"):
        assert fromText(foreign) == {}
