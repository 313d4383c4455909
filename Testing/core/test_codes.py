"""The closed list of codes: explained, documented, raised by the product and produced by a test."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from MedDLCore.cli.codes import codes
from MedDLCore.errors import EXPLANATIONS, Code, Exit, MedDLError, Notice

ROOT = Path(__file__).resolve().parents[2]


def test_every_code_is_explained_in_sentences() -> None:
    assert set(EXPLANATIONS) == set(Code)
    for code, explanation in EXPLANATIONS.items():
        assert code.value == code.name
        assert explanation.meaning.endswith("."), code
        assert explanation.remedy.endswith("."), code
        assert explanation.refuses == (explanation.exit is not Exit.OK), code


def test_the_page_for_users_is_up_to_date() -> None:
    made = CliRunner().invoke(codes, ["--markdown"], catch_exceptions=False).output
    page = ROOT / "Resources" / "CODES.md"
    assert page.read_text(encoding="utf-8") == made, "run: meddl codes --markdown > Resources/CODES.md"
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", made, flags=re.MULTILINE)
    assert [name for name, _ in rows] == [code.value for code in Code]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for _, row in rows)


def test_one_code_is_explained_on_request() -> None:
    output = CliRunner().invoke(codes, ["not_3d"], catch_exceptions=False).output
    assert output.startswith("NOT_3D (refusal)")
    assert EXPLANATIONS[Code.NOT_3D].remedy in output
    assert CliRunner().invoke(codes, ["NO_SUCH_CODE"]).exit_code == Exit.USAGE


@pytest.mark.parametrize("folders", [("MedDLSegment", "MedDLTrain"), ("Testing",)], ids=["product", "tests"])
def test_every_code_is_used(folders: tuple[str, ...]) -> None:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in files
        if path.name not in ("codes.py", "explanations.py", "test_codes.py")
    )
    unused = [code.value for code in Code if not re.search(rf"\b{code.value}\b", text)]
    assert not unused


def test_an_error_carries_the_hint_of_its_code_unless_it_knows_better() -> None:
    assert MedDLError(Code.NOT_3D, "Two.").hint == EXPLANATIONS[Code.NOT_3D].remedy
    assert MedDLError(Code.NOT_3D, "Two.", "Take one.").hint == "Take one."
    assert str(MedDLError(Code.NOT_3D, "Two.")) == "NOT_3D: Two."
    assert str(Notice(Code.GEOM_TILT, "Leaning.")) == "GEOM_TILT: Leaning."


def test_an_error_ends_with_a_status_that_is_no_success() -> None:
    for code in Code:
        assert MedDLError(code, "It happened.").exit is not Exit.OK


def test_an_error_survives_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(MedDLError(Code.NOT_3D, "Two.", "Take one.")))
    assert (error.code, error.message, error.hint) == (Code.NOT_3D, "Two.", "Take one.")
