"""The closed list of codes."""

from __future__ import annotations

import pickle

import pytest

from MedDLCore.errors import EXPLANATIONS, Code, Exit, MedDLError, Notice


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_explained_in_sentences(code: Code) -> None:
    explanation = EXPLANATIONS[code]
    assert code.value == code.name
    assert explanation.meaning.endswith(".")
    assert explanation.remedy.endswith(".")
    assert explanation.refuses == (explanation.exit is not Exit.OK)


def test_nothing_else_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Code)


def test_an_error_gives_the_general_remedy_where_the_place_knows_nothing_better() -> None:
    error = MedDLError(Code.NO_SPACE, "The disk is full.")
    assert error.hint == EXPLANATIONS[Code.NO_SPACE].remedy
    assert error.exit is Exit.OUTPUT
    assert str(error) == "NO_SPACE: The disk is full."
    assert MedDLError(Code.NO_SPACE, "Full.", "Buy a disk.").hint == "Buy a disk."


def test_an_error_crosses_a_process_border() -> None:
    error = MedDLError(Code.TOO_THIN, "Two slices.", "More slices.")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.message, again.hint) == (error.code, error.message, error.hint)


def test_a_notice_reads_as_code_and_sentence() -> None:
    assert str(Notice(Code.GEOM_TILT, "Tilted by 5 degrees.")) == "GEOM_TILT: Tilted by 5 degrees."
