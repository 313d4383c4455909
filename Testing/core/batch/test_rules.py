"""Rules: what holds of which scan, which are refused, and what is then left."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.packages import threshold_spec
from MedDLCore.batch import Rules, Scan, choose
from MedDLCore.batch.headers import Header
from MedDLCore.errors import Code, Exit, MedDLError


def scan(key: str = "a", thickness: float | None = 2.0, **known: object) -> Scan:
    header = Header(slices=40, size=(64, 64), spacing=(1.0, 1.0), thickness=thickness, plane="axial")
    facts = {
        "modality": "CT",
        "body_part": "CHEST",
        "description": "Thorax 2.0 Br38",
        "study_description": "Lung screening",
        "date": "2021-06-15",
        "patient": "P7",
        "study_uid": "1",
        **known,
    }
    return Scan(key, "study", (Path("a"),), ("1",), key, is_dicom=True, open_header=lambda _: header, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("modality = ct", True),
        ("modality = MR, CT", True),
        ("modality != CT", False),
        ("body part ~ chest|thorax", True),
        ("BodyPart = chest", True),
        ("description ~ ^thorax\\b", True),
        ("description !~ scout|topo", True),
        ("study ~ screening", True),
        ("thickness = 1..3", True),
        ("thickness = 3..", False),
        ("thickness < 2", False),
        ("thickness <= 2", True),
        ("slices > 39", True),
        ("slices = 40", True),
        ("date = 2021", True),
        ("date = 2020..2021", True),
        ("date > 2021", False),
        ("date >= 2021-06-16", False),
        ("date = ..2021-06", True),
        ("patient = p7", True),
        ("plane = axial", True),
        ("plane = coronal,sagittal", False),
        ("name = x", False),
        ("name != x", True),
        ("# only a comment", True),
        ("modality = CT  # and why", True),
    ],
)
def test_a_condition_holds_or_not(rule: str, holds: bool) -> None:
    assert (Rules.parse([rule]).unmet(scan()) is None) == holds


def test_what_a_scan_does_not_say_fulfils_no_condition_but_the_negative_ones() -> None:
    nothing = scan(thickness=None, body_part="", date="")
    for rule in ("thickness < 9", "thickness = 0..9", "body part ~ .", "date > 1900"):
        assert Rules.parse([rule]).unmet(nothing) is not None
    for rule in ("body part !~ chest", "date != 2021"):
        assert Rules.parse([rule]).unmet(nothing) is None


@pytest.mark.parametrize(
    "rule",
    [
        "modality",
        "= CT",
        "colour = red",
        "modality =",
        "thickness = thin",
        "slices > many",
        "date = yesterday",
        "description > a",
        "modality = a..b",
        "description ~ (",
        "description ~ " + "a" * 201,
        "keep = best",
        "keep = thinnest",
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused(rule: str) -> None:
    with pytest.raises(MedDLError) as refused:
        Rules.parse([rule])
    assert (refused.value.code, refused.value.exit) == (Code.RULE_INVALID, Exit.USAGE)


def test_a_file_of_rules_is_the_same_as_the_rules_in_it(tmp_path: Path) -> None:
    path = tmp_path / "thorax.rules"
    path.write_text("# CT of the thorax\r\nmodality = CT\n\nthickness = 1..3\nkeep = thinnest of each study\n")
    rules = Rules.read(path)
    assert rules == Rules.parse(["modality=CT", "thickness=1..3", "keep=thinnest per study"])
    for bad, code in ((tmp_path / "none", Code.FILE_NOT_FOUND), (tmp_path, Code.FILE_UNREADABLE)):
        with pytest.raises(MedDLError) as refused:
            Rules.read(bad)
        assert refused.value.code is code


def test_the_thinnest_series_of_each_study_is_kept() -> None:
    scans = [
        scan("thick", 5.0),
        scan("thin", 1.0),
        scan("unknown", None),
        scan("other study", 4.0, study_uid="2"),
        scan("thinner, but of no use", 0.5, modality="MR"),
    ]
    choices = choose(scans, Rules.parse(["keep = thinnest per study"]), threshold_spec())
    assert [choice.scan.key for choice in choices if choice.runs] == ["thin", "other study"]
    assert choices[0].reason == "not the thinnest of its study"
    assert choices[4].code is Code.WRONG_MODALITY


def test_what_is_no_scan_does_not_run_whatever_the_rules_say() -> None:
    for modality, code in (("SR", Code.NOT_CT_MR), ("SEG", Code.NOT_CT_MR), ("MR", Code.WRONG_MODALITY)):
        [choice] = choose([scan(modality=modality)], Rules(), threshold_spec())
        assert (choice.runs, choice.code) == (False, code)
    [absent] = choose([Scan("a", "b", ())], Rules(), threshold_spec())
    assert absent.code is Code.FILE_NOT_FOUND


def test_a_header_is_not_opened_for_a_scan_that_another_rule_leaves_out() -> None:
    def opened(_: object) -> Header:
        raise AssertionError

    one = Scan("a", "b", (Path("a"),), ("1",), "1", modality="CT", body_part="HEAD", is_dicom=True, open_header=opened)
    [choice] = choose([one], Rules.parse(["thickness < 3", "body part = chest"]), threshold_spec())
    assert choice.reason == "it does not hold that body part = chest"
