"""A ranking, scan by scan, where the model fails on some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.batches import a_database
from MedDLCore.admission import Options
from MedDLCore.batch import Control, Scan, State
from MedDLCore.batch.control import Nobody
from MedDLCore.batch.ranking import KeptFigures, rank_scans
from MedDLCore.clock import OnProgress
from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.volume import Volume

MODEL = "5e" * 32


class Measurer:
    """Gives what it is told to, or raises it."""

    def __init__(self, *ends: float | Exception) -> None:
        self.ends = list(ends)

    def measure(self, volume: Volume, options: Options, tell: OnProgress) -> tuple[dict[str, Any], tuple[Notice, ...]]:
        """The next end."""
        tell("network", 0, 1)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return {"disagreement": end, "entropy": 0.5, "found": 1.0, "way": "dropout", "counted": 2.0}, ()


def rank(scans: list[Scan], out: Path, *ends: float | Exception) -> tuple[dict[State, int], dict[str, float]]:
    told: dict[str, float] = {}

    def tell(scan: Scan, figures: Any) -> None:
        told[scan.key] = figures["disagreement"]

    counts = rank_scans(scans, Measurer(*ends), KeptFigures(out, MODEL), Nobody(), Control(), tell)
    return dict(counts), told


@pytest.fixture
def scans(tmp_path: Path) -> list[Scan]:
    return list(a_database(tmp_path / "scans", 4).scans())


def test_one_scan_that_fails_does_not_stop_the_rest_and_is_tried_again(scans: list[Scan], tmp_path: Path) -> None:
    ends = (0.1, KeyError("our own"), MedDLError(Code.NO_MEMORY, "Too large."), 0.2)
    counts, told = rank(scans, tmp_path, *ends)
    assert counts == {State.DONE: 2, State.FAILED: 2}
    assert told == {scans[0].key: 0.1, scans[3].key: 0.2}
    counts, told = rank(scans, tmp_path, 0.3, 0.4)
    assert counts == {State.DONE: 4} and [told[scan.key] for scan in scans] == [0.1, 0.3, 0.4, 0.2]
    assert rank(scans, tmp_path)[0] == {State.DONE: 4}, "nothing is measured again"


def test_where_no_further_scan_could_run_it_ends_and_keeps_what_is_measured(scans: list[Scan], tmp_path: Path) -> None:
    lost = MedDLError(Code.WORKER_LOST, "It ended.")
    with pytest.raises(MedDLError) as ended:
        rank(scans, tmp_path, 0.1, lost, lost, lost)
    assert ended.value.code is Code.WORKER_LOST
    with pytest.raises(MedDLError) as ended:
        rank(scans, tmp_path, MedDLError(Code.MODEL_CORRUPT, "The model's files have changed."))
    assert ended.value.code is Code.MODEL_CORRUPT
    assert rank(scans, tmp_path, 0.2, 0.3, 0.4)[1][scans[0].key] == 0.1


def test_of_a_scan_that_holds_several_volumes_the_least_sure_counts(
    scans: list[Scan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from MedDLCore.batch import ranking

    read = ranking.read
    monkeypatch.setattr(ranking, "read", lambda files: [*read(files), *read(files)])
    assert rank(scans[:1], tmp_path, 0.1, 0.3)[1] == {scans[0].key: 0.3}
