"""This file by its path, with any interpreter that has MedDL's libraries; the folder of ``MedDLCore`` follows it."""

import sys
from pathlib import Path

if not __package__:  # what lies beside must not hide libraries, and MedDL comes last of all
    here = Path(__file__).resolve().parent
    own = [str(here.parents[1]), *sys.argv[1:]]
    sys.path[:] = [*(path for path in sys.path if Path(path or ".").resolve() != here), *own]

from MedDLTraining.service.serving import main

if __name__ == "__main__":
    sys.exit(main())
