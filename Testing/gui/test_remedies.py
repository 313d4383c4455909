"""What the panel says of errors: never an option of the command line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from MedDLCore.errors import EXPLANATIONS, Code, MedDLError
from MedDLSegmentLib.remedies import COMMAND_LINE, _inSlicer, said

CORE = Path(__file__).resolve().parents[2] / "MedDLSegment" / "MedDLCore"

MET_IN_SLICER = ("admission", "models", "inference", "preprocess", "postprocess", "pipeline", "writers", "worker")
"""What of the core a run of the panel passes through."""

NOT_MET = {Code.MODEL_TRUSTED}
"""A warning, whose remedy the panel does not show."""


def hints_for_the_command_line() -> Iterator[tuple[Code, str]]:
    """Code and text of each ``MedDLError`` of those parts whose texts name an option."""
    for part in MET_IN_SLICER:
        for path in [CORE / f"{part}.py", *(CORE / part).rglob("*.py")]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else ():
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MedDLError":
                    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                    code = next((part.attr for part in ast.walk(node.args[0]) if isinstance(part, ast.Attribute)), None)
                    for text in texts:
                        if isinstance(text, str) and COMMAND_LINE.search(text) and code in Code.__members__:
                            yield Code[code], text


def test_every_hint_that_names_an_option_has_words_for_slicer() -> None:
    found = dict(hints_for_the_command_line())
    assert Code.POINTS_MISMATCH in found
    assert set(found) <= set(_inSlicer()) | NOT_MET, set(found) - set(_inSlicer())


@pytest.mark.parametrize("code", list(Code))
def test_no_remedy_names_an_option(code: Code) -> None:
    assert not COMMAND_LINE.search(said(MedDLError(code, "It failed.")))


def test_words_for_slicer_are_only_where_they_are_needed() -> None:
    hints = {code for code, _ in hints_for_the_command_line()}
    needed = hints | {code for code in Code if COMMAND_LINE.search(EXPLANATIONS[code].remedy)}
    assert set(_inSlicer()) <= needed, set(_inSlicer()) - needed


def test_a_hint_that_knows_better_stays() -> None:
    error = MedDLError(Code.NO_MEMORY, "It needs 9 GB.", "Close other programs.")
    assert said(error) == "It needs 9 GB. Close other programs."
    assert "a region of interest" in said(MedDLError(Code.NO_MEMORY, "It needs 9 GB."))
    assert said(MedDLError(Code.CANCELLED, "Cancelled.")) == "Cancelled."
