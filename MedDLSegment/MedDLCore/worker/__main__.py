"""``python -m MedDLCore.worker``, or this file by its path, with any interpreter that has MedDL's libraries."""

import json
import sys
from pathlib import Path

if not __package__:  # by its path: what lies beside must not hide libraries, and MedDL comes last of all
    here = Path(__file__).resolve().parent
    sys.path[:] = [*(path for path in sys.path if Path(path or ".").resolve() != here), str(here.parents[1])]

try:
    from MedDLCore.worker.serving import main
except ImportError as error:  # not even what a hello needs
    about = {"code": "EXTRA_MISSING", "message": f"A library is missing: {error}.", "hint": ""}
    sys.stdout.write(json.dumps({"event": "error", "id": None, **about}) + "\n")
    sys.exit(1)

if __name__ == "__main__":
    sys.exit(main())
