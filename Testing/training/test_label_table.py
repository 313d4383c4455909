"""Segments become labels by code and name; the table can be written, edited and read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fixtures.data_sets import ANATOMY, LIVER, SPLEEN, case_in_memory, drawn
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.anatomy import LEFT, RIGHT
from MedDLCore.volume import GENERIC_TERMINOLOGY, Concept, Terminology
from MedDLTraining.data import Assignment, Case, Segment, propose, read_table, write_table

KIDNEY = Concept("64033007", "SCT", "Kidney")
LEFT_KIDNEY, RIGHT_KIDNEY = Terminology(ANATOMY, KIDNEY, LEFT), Terminology(ANATOMY, KIDNEY, RIGHT)


def case_with(n: int, *segments: tuple[str, Terminology | None]) -> Case:
    its = tuple(Segment(name, (value,), term) for value, (name, term) in enumerate(segments, start=1))
    return Case(f"case_{n:04d}", f"scan {n}", (), (), its)


def labels_for(*cases: Case) -> list[list[str]]:
    table = propose(cases)
    return [[table.label_of(case, segment).name for segment in case.segments] for case in cases]


@pytest.mark.parametrize("name", ["left_kidney", "Kidney (L)", "Left-Kidney", "KIDNEY LEFT", "kidney, left"])
def test_ways_to_write_a_name_are_one_label(name: str) -> None:
    first, second = labels_for(case_with(1, ("left kidney", None)), case_with(2, (name, None)))
    assert first == second == ["left kidney"]


def test_names_that_the_anatomy_table_does_not_know_are_compared_as_well() -> None:
    assert labels_for(case_with(1, ("My Lesion", None)), case_with(2, ("my_lesion", None))) == [
        ["My Lesion"],
        ["My Lesion"],
    ]


@pytest.mark.parametrize(
    ("name", "term"),
    [("Leber", LIVER), ("liver", None), ("Segment_1", LIVER), ("liver", GENERIC_TERMINOLOGY)],
)
def test_one_code_is_one_label_whatever_it_is_called(name: str, term: Terminology | None) -> None:
    both = labels_for(case_with(1, ("liver", LIVER)), case_with(2, ("liver", None)), case_with(3, (name, term)))
    assert both == [["liver"], ["liver"], ["liver"]]


def test_a_code_of_the_older_scheme_is_the_same_structure() -> None:
    older = Terminology(Concept("T-D000A", "SRT", "Anatomical Structure"), Concept("T-62000", "SRT", "Liver"))
    assert labels_for(case_with(1, ("liver", None)), case_with(2, ("organ", older))) == [["liver"], ["liver"]]


def test_left_and_right_are_two_labels_by_name_and_by_code() -> None:
    named = case_with(1, ("left kidney", None), ("right kidney", None))
    coded = case_with(2, ("a", LEFT_KIDNEY), ("b", RIGHT_KIDNEY))
    half_coded = case_with(
        3, ("left kidney", Terminology(ANATOMY, KIDNEY)), ("right kidney", Terminology(ANATOMY, KIDNEY))
    )
    assert labels_for(named, coded, half_coded) == [["left kidney", "right kidney"]] * 3


def test_numbers_never_decide() -> None:
    one = case_with(1, ("liver", None), ("spleen", None))
    other = case_with(2, ("spleen", None), ("liver", None))
    assert labels_for(one, other) == [["liver", "spleen"], ["spleen", "liver"]]


def test_a_name_with_two_codes_is_a_contradiction_and_two_labels() -> None:
    cases = [case_with(1, ("organ", LIVER)), case_with(2, ("organ", SPLEEN)), case_with(3, ("organ", LIVER))]
    table = propose(cases)
    assert table.contradictions == (("organ", ("SCT:10200004", "SCT:78961009")),)
    assert [label.name for label in table.labels] == ["organ (SCT:10200004)", "organ (SCT:78961009)"]


def test_labels_carry_codes_and_colours_and_count_from_1() -> None:
    case = Case("case_0001", "x", (), (), (Segment("liver", (7,), None, (1, 2, 3)), Segment("spleen", (9,))))
    liver, spleen = propose([case]).labels
    assert (liver.value, liver.color, liver.terminology.type) == (1, (1, 2, 3), LIVER.type)
    assert (spleen.value, spleen.terminology.type) == (2, SPLEEN.type)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_table_comes_back_as_it_was_written(suffix: str, tmp_path: Path) -> None:
    cases = [case_with(1, ("liver", LIVER), ('Größe; "a, b"', None)), case_with(2, ("Leber", LIVER))]
    table = propose(cases)
    write_table(table, tmp_path / f"t{suffix}")
    again = read_table(tmp_path / f"t{suffix}", cases)
    assert again.rows == table.rows and again.labels == table.labels


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_table_of_every_case_names_each_segment_of_each(suffix: str, tmp_path: Path) -> None:
    cases = [case_with(1, ("liver", LIVER), ("x", None)), case_with(2, ("Leber", LIVER))]
    path = tmp_path / f"t{suffix}"
    write_table(propose(cases), path, each_of=cases)
    rows = json.loads(path.read_text())["rows"] if suffix == ".json" else list(csv.DictReader(path.open()))
    assert [(row["case"], row["segment"], row["label"]) for row in rows] == [
        ("case_0001", "liver", "liver"),
        ("case_0001", "x", "x"),
        ("case_0002", "Leber", "liver"),
    ]
    assert [label.name for label in read_table(path, cases).labels] == ["liver", "x"]


def test_an_edited_table_renames_merges_leaves_out_and_treats_a_case_apart(tmp_path: Path) -> None:
    cases = [case_with(n, ("liver", None), ("tumour", None), ("noise", None)) for n in (1, 2)]
    path = tmp_path / "t.csv"
    path.write_text(
        "case;segment;code;label\n*;liver;SCT:10200004;all\n*;tumour;CODE;all\n*;noise;;\nscan 2;noise;;thing\n"
    )
    code = next(row.code for row in propose(cases).rows if row.segment == "tumour")
    path.write_text(path.read_text().replace("CODE", code))
    table = read_table(path, cases)
    assert [label.name for label in table.labels] == ["all", "thing"]
    found = [[table.label_of(case, segment) for segment in case.segments] for case in cases]
    assert [[label and label.name for label in row] for row in found] == [["all", "all", None], ["all", "all", "thing"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("case,segment,code,label\n", "no row for the segment liver"),
        ("case,segment,code,label\n*,spleen,SCT:78961009,x\n", "names a segment that no case has: spleen"),
        ("case,segment,code,label\nscan 9,liver,SCT:10200004,x\n", "names a case that is not there"),
        ("case,segment,code,label\n*,liver,SCT:10200004,x\n*,liver,SCT:10200004,y\n", "two labels"),
        ("a,b\n1,2\n", "is not a table"),
        ("case,segment,code,label\n*,liver\n", "is not a table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_reason(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(MedDLError, match=told) as refusal:
        read_table(tmp_path / "t.csv", [case_with(1, ("liver", None))])
    assert refusal.value.code is Code.DATA_INVALID


def test_a_cell_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"rows": [{"case": "*", "segment": "liver", "code": 7, "label": "x"}]}')
    with pytest.raises(MedDLError, match="no text") as refusal:
        read_table(tmp_path / "t.json", [case_with(1, ("liver", None))])
    assert refusal.value.code is Code.DATA_INVALID


def test_a_name_that_a_spreadsheet_would_run_is_disarmed_and_comes_back(tmp_path: Path) -> None:
    cases = [case_with(1, ("=HYPERLINK(1)", None), ("'quoted", None), ("+left", None))]
    table = propose(cases)
    write_table(table, tmp_path / "t.csv")
    assert "\n*,'=HYPERLINK(1)," in (tmp_path / "t.csv").read_text()
    assert read_table(tmp_path / "t.csv", cases).rows == table.rows


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedDLError) as refusal:
        read_table(tmp_path / "t.csv", [])
    assert refusal.value.code is Code.FILE_NOT_FOUND


def test_rows_of_a_case_that_was_drawn_lead_to_its_voxels() -> None:
    from MedDLTraining.data import LabelTable, data_set_of
    from MedDLTraining.data.label_table import examples_of, labels_of

    case = case_in_memory(0, drawn(0))
    rows = tuple(
        Assignment("*", row.segment, row.code, "kidneys" if "kidney" in row.segment else "")
        for row in propose([case]).rows
    )
    data_set = data_set_of([case]).with_table(LabelTable(labels_of(rows, examples_of([case])), rows))
    truth = data_set.load(case).truth
    assert [label.name for label in truth.labels] == ["kidneys"]
    assert ((truth.array == 1) == (drawn(0).labels > 1)).all()
