"""What the modules of the extension cost at Slicer's start: importing their files, and nothing more.

    python Testing/benchmarks/module_import.py

CPU-milliseconds within a fresh process, the least of the rounds; beside it, what importing the standard library's
``json`` costs, and which modules of ours and of others came along. Slicer itself is a stand-in that costs nothing.
Nothing fails here: read the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing"))

from gui.host.bare import STAND_INS  # noqa: E402

ROUNDS = 9

MEASURED = """
import sys, time
sys.path.insert(0, sys.argv[1])
before, began = set(sys.modules), time.process_time()
__import__(sys.argv[2])
spent = time.process_time() - began
came = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
sys.stdout.write(f'{{"ms": {1000 * spent}, "came": "{" ".join(came)}"}}')
"""


def measured(folder: Path, name: str) -> tuple[float, str]:
    """CPU-milliseconds, and the names of the packages that came along."""
    command = [sys.executable, "-I", "-c", STAND_INS + MEASURED, str(folder), name]
    told = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(ROUNDS)
    ]
    return min(one["ms"] for one in told), told[0]["came"]


def main() -> None:
    """Prints the table."""
    rows = [(ROOT, "json"), *((ROOT / name, name) for name in ("MedDLSegment", "MedDLTrain"))]
    for folder, name in rows:
        if name == "json" or (folder / f"{name}.py").is_file():
            spent, came = measured(folder, name)
            print(f"{name:14} {spent:6.1f} CPU-ms  {came}")


if __name__ == "__main__":
    main()
