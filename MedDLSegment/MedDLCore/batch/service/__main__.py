"""This file by its path, with any interpreter that has MedDL's libraries."""

import sys
from pathlib import Path

if not __package__:  # what lies beside must not hide libraries, and MedDL comes last of all
    here = Path(__file__).resolve().parent
    sys.path[:] = [*(path for path in sys.path if Path(path or ".").resolve() != here), str(here.parents[2])]

from MedDLCore.batch.service.serving import main

if __name__ == "__main__":
    sys.exit(main())
