"""Fixtures of all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from MedDLCore.errors import Code, MedDLError, Notice

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def _no_models_of_the_person(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads the models of whoever runs it, or keeps anything beside them. There is no such folder."""
    os.environ["MEDDL_MODELS"] = str(tmp_path_factory.mktemp("person") / "models")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans; a test that needs it is skipped, and says so, where it is absent."""
    folder = Path(os.environ.get("MEDDL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real scans are not at {folder}; set MEDDL_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def shared_models(shared_data: Path) -> Path:
    """The folder of real networks, beside the scans."""
    folder = shared_data.parent / "models"
    if not folder.is_dir():
        pytest.skip(f"the real networks are not at {folder}")
    return folder


_PRODUCED: set[Code] = set()
"""Codes that the product itself raised or warned with during the tests."""


def _record_codes_of(kind: type[MedDLError] | type[Notice]) -> None:
    construct = kind.__init__

    def recording(self: MedDLError | Notice, *args: object, **kwargs: object) -> None:
        construct(self, *args, **kwargs)  # type: ignore[arg-type]
        raised_in = sys._getframe(1).f_code.co_filename
        if any(part in raised_in for part in ("MedDLSegment", "MedDLTrain")):
            _PRODUCED.add(self.code)

    kind.__init__ = recording  # type: ignore[assignment, method-assign]


_record_codes_of(MedDLError)
_record_codes_of(Notice)


def _is_whole_suite(config: pytest.Config) -> bool:
    chosen = config.option.keyword or config.option.markexpr or config.option.deselect
    return not chosen and {Path(arg).resolve() for arg in config.args} <= {ROOT, ROOT / "Testing"}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A whole run fails where a code of the closed list was never produced: a promise without a test."""
    if exitstatus == 0 and _is_whole_suite(session.config) and _missing_codes():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Names the codes that no test produced."""
    if _is_whole_suite(config) and _missing_codes():
        terminalreporter.section("codes that no test produced", red=True)
        terminalreporter.line(", ".join(_missing_codes()))


def _missing_codes() -> list[str]:
    return sorted(code.value for code in set(Code) - _PRODUCED)
