"""A batch that is killed again and again, and batches that meet.

    python batch_kills.py [CASES] [KILLS] [RACES] [SEED]

Half of the kills come at a counted instant (see ``fixtures.batch_process``), half after a random time. Says how many
results differ from those of a run that was left alone, how many scans were computed more often than once, and whether
that is at most once for each kill. Then two batches start at once on one folder of results, again and again: says how
many results were lost or made twice.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from core.batch.test_killed_batches import calls, results, start  # noqa: E402
from fixtures.batches import write_series  # noqa: E402


def main(cases: int = 50, kills: int = 40, races: int = 20, seed: int = 1) -> int:
    """Runs both; 0 where everything is equal."""
    choose = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["MEDDL_INDEX"] = str(folder / "index")
        for number in range(1, cases + 1):
            write_series(folder / "scans" / f"{number:03}", number, slices=4, FrameOfReferenceUID=f"1.2.3.{number}")
        whole, interrupted = folder / "whole", folder / "interrupted"
        start(folder / "scans", interrupted, 12).communicate()  # begins the job, whose date both then have
        whole.mkdir()
        ledger = interrupted / "meddl-batch.sqlite"
        (whole / ledger.name).write_bytes(ledger.read_bytes())
        instants = int(start(folder / "scans", whole).communicate()[0])
        killed = 1
        while killed < kills:
            by_time = killed % 2 == 0
            # what is left of the batch becomes less: an instant of the part that one kill may cover
            run = start(folder / "scans", interrupted, 0 if by_time else choose.randrange(2, instants * 3 // kills))
            try:
                run.communicate(timeout=choose.uniform(1.0, 8.0) if by_time else None)
            except subprocess.TimeoutExpired:
                run.kill()
                run.communicate()
            if run.returncode == 0:
                break
            killed += 1
        last = start(folder / "scans", interrupted)
        last.communicate()
        one, other = results(interrupted), results(whole)
        differing = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
        again = calls(interrupted).total() - cases
        print(
            f"{cases} cases, {killed} kills: {len(differing)} files differ of {len(other)}; {again} runs repeated",
            flush=True,
        )
        wrong = sum(race(folder / "scans", folder / f"race{n}", cases) for n in range(races))
        print(f"2 x {races} batches that started at once: {wrong} results lost or doubled", flush=True)
        return int(bool(differing) or again > killed or last.returncode != 0 or wrong > 0)


def race(source: Path, out: Path, cases: int) -> int:
    """How many results two batches lost, or made twice, that were started at once on one folder."""
    runs = [start(source, out), start(source, out)]
    for run in runs:
        run.communicate()
    if sorted(run.returncode for run in runs)[0] != 0 or {run.returncode for run in runs} - {0, 6}:
        return cases
    made = len([name for name in results(out) if name.endswith(".seg.dcm")])
    return abs(calls(out).total() - cases) + abs(made - cases)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
