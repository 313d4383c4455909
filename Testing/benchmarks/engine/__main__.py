"""``python Testing/benchmarks/engine``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # where ``benchmarks`` and ``fixtures`` are
    from benchmarks.engine.command import main

    main()
