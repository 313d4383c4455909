"""What becomes of a scan, and of the batch, when something is refused."""

from __future__ import annotations

from ..errors import Code, Exit, MedDLError
from .ledger import State

NO_SCAN = frozenset({Code.LOCALIZER, Code.NOT_CT_MR, Code.WRONG_MODALITY})
"""What a database is full of, and nobody expects a result for."""

PASSING = frozenset(
    {
        Code.NO_MEMORY,
        Code.NETWORK_NONFINITE,
        Code.WORKER_LOST,
        Code.WORKER_STALLED,
        Code.FILE_NOT_FOUND,
        Code.OUTPUT_EXISTS,
        Code.SERVER_FAULTY,
    }
)
"""What the next run may do better, though nothing of the scan has changed."""

OF_THE_FOLDER = frozenset({Code.NO_SPACE, Code.OUTPUT_UNWRITABLE})

INTERNAL = "INTERNAL"
"""Instead of a code, where MedDL met an error of its own."""

MOST_LOST = 3
"""Workers that may be lost one after the other. Then it is not the scans."""


def code_of(error: Exception | None) -> str:
    """By which a scan's entry names its error; empty: there is none."""
    if error is None:
        return ""
    return error.code.value if isinstance(error, MedDLError) else INTERNAL


def ends_the_batch(error: MedDLError) -> bool:
    """No further scan could run: it is of the model, the machine, the server or the folder of results."""
    if error.code in NO_SCAN | PASSING:
        return False
    return error.exit not in (Exit.INPUT, Exit.OUTPUT) or error.code in OF_THE_FOLDER


def state_of(error: MedDLError) -> State:
    """How a scan ends; raises the error where no further scan could run."""
    if ends_the_batch(error):
        raise error
    if error.code in NO_SCAN:
        return State.SKIPPED
    return State.FAILED if error.code in PASSING else State.REFUSED
