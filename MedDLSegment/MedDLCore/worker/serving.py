"""The worker's own side: takes requests, one after the other, until its input ends.

The first thread runs networks. A second reads requests, so that cancelling and asking for the status work meanwhile; a
third says now and then that the process is alive.
"""

from __future__ import annotations

import functools
import json
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import __version__
from ..atomic import private_folder
from ..errors import Code, MedDLError, Notice
from ..out_of_memory import is_out_of_memory
from ..progress import Whole
from .messages import ERRANDS, HEARTBEAT_SECONDS, LONGEST_LINE, VERSION, read_export, read_job, to_line
from .process import lead_a_group

if TYPE_CHECKING:
    from ..clock import OnProgress
    from .tasks import OnWarning
    from .warm import Warm

GRACE_SECONDS = 3.0
"""How long a run may go on after the program beside has gone."""

TOLD_SECONDS = 0.1
"""Progress is told no more often."""

JOBS = ("load", "plan", "segment", "export")


def main() -> int:
    """Runs the worker on this process's standard input and output."""
    lead_a_group()
    given, told = _own_channels()
    with private_folder() as folder:
        return Server(given, told, folder).run()


def _own_channels() -> tuple[IO[bytes], IO[bytes]]:
    """Takes standard input and output away from libraries: what they print goes where errors go."""
    given, told = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(given, "rb"), os.fdopen(told, "wb")


class Server:
    """Answers requests."""

    def __init__(self, given: IO[bytes], told: IO[bytes], folder: Path) -> None:
        """Takes the channels and the private folder."""
        self._given, self._told, self._folder = given, told, folder
        self._lock = threading.Lock()
        self._requests: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._cancelled: set[int] = set()
        self._current: int | None = None
        self._gone = threading.Event()

    def run(self) -> int:
        """Until the input ends, or ``shutdown``."""
        self._say("hello", version=VERSION, meddl=__version__, pid=os.getpid(), folder=str(self._folder))
        for target in (self._listen, self._beat):
            threading.Thread(target=target, daemon=True, name=target.__name__).start()
        try:
            from .libraries import import_libraries
            from .warm import Warm

            about = import_libraries()
        except ImportError as error:
            return self._run_without(MedDLError(Code.EXTRA_MISSING, f"A library is missing: {error}.", _INSTALL))
        warm = Warm()
        self._say("ready", **about)
        while (request := self._requests.get()) is not None:
            self._answer(request, warm)
        return 0

    def _run_without(self, missing: MedDLError) -> int:
        """No network can run; models can be listed all the same."""
        while (request := self._requests.get()) is not None:
            self._refuse(request["id"], missing)
        return 0

    def _answer(self, request: Mapping[str, Any], warm: Warm) -> None:
        number = request["id"]
        self._current = number
        kind, data = self._outcome(request, warm)
        self._current = None
        self._cancelled.discard(number)
        self._say(kind, number, **data)

    def _outcome(self, request: Mapping[str, Any], warm: Warm) -> tuple[str, Mapping[str, Any]]:
        """How a request ends: ``result`` or ``error``, and what belongs to it."""
        from . import tasks
        from .exporting import export_dicom_seg

        number = request["id"]

        def run() -> Mapping[str, Any]:
            if number in self._cancelled:
                raise _cancelled()
            if request["request"] == "export":
                return export_dicom_seg(read_export(request.get("job")), self._folder, self._warning(number))
            job = read_job(request.get("job"))
            task = {"load": tasks.load_model, "plan": tasks.plan_job, "segment": tasks.segment_job}[request["request"]]
            return task(job, warm, self._folder, self._progress(number), self._warning(number))

        return _end_of(run)

    def _progress(self, number: int) -> OnProgress:
        whole, last = Whole(without=("read", "picture")), [0.0]

        def tell(stage: str, done: int, of: int) -> None:
            if number in self._cancelled or self._gone.is_set():
                raise _cancelled()
            whole.tell(stage, done, of)
            now = time.monotonic()
            if now - last[0] > TOLD_SECONDS or done >= of:
                last[0] = now
                left = None if whole.seconds_left is None else round(whole.seconds_left, 1)
                self._say("progress", number, stage=stage, fraction=round(whole.fraction, 4), seconds_left=left)

        return tell

    def _warning(self, number: int) -> OnWarning:
        def warn(notice: Notice) -> None:
            self._say("warning", number, code=notice.code.value, message=notice.message)

        return warn

    def _listen(self) -> None:
        """Reads requests until the input ends."""
        while line := self._given.readline(LONGEST_LINE):
            try:
                request = json.loads(line)
                kind, number = request["request"], request.get("id")
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self._refuse(None, MedDLError(Code.REQUEST_INVALID, "A line was no request."))
                continue
            if kind == "shutdown":
                break
            if not isinstance(number, int):
                self._refuse(None, MedDLError(Code.REQUEST_INVALID, "A request has no id, or none that is a number."))
            elif kind == "cancel":
                self._cancelled.add(request.get("which"))
                self._say("result", number)
            elif kind == "status":
                self._say("result", number, running=self._current, waiting=self._requests.qsize(), **_usage())
            elif kind in JOBS:
                self._requests.put(request)
            elif kind in ERRANDS:
                threading.Thread(target=self._run_errand, args=(request,), daemon=True, name=kind).start()
            else:
                self._refuse(number, MedDLError(Code.REQUEST_INVALID, "There is no request of this kind."))
        self._leave()

    def _run_errand(self, request: Mapping[str, Any]) -> None:
        """Beside whatever else runs: most need no torch, and a download is slow."""
        from .errands import run_errand

        number = request["id"]

        def tell(fraction: float) -> None:
            self._say("progress", number, stage=request["request"], fraction=round(fraction, 4), seconds_left=None)

        def is_cancelled() -> bool:
            return number in self._cancelled or self._gone.is_set()

        run = functools.partial(run_errand, request["request"], request.get("job"), tell, is_cancelled)
        kind, data = _end_of(run)
        self._cancelled.discard(number)
        self._say(kind, number, **data)

    def _leave(self) -> None:
        """The program beside has gone, or wants this one to: a run is cancelled; one that does not heed it is ended."""
        self._gone.set()
        self._requests.put(None)
        time.sleep(GRACE_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(1)

    def _beat(self) -> None:
        while not self._gone.wait(HEARTBEAT_SECONDS):
            self._say("heartbeat", self._current, **_usage())

    def _refuse(self, number: int | None, error: MedDLError) -> None:
        self._say("error", number, **_about(error))

    def _say(self, kind: str, number: int | None = None, **data: Any) -> None:
        line = to_line({"event": kind, "id": number, **data})
        with self._lock, suppress(OSError):  # nobody listens: the input has ended, too
            self._told.write(line)
            self._told.flush()


_INSTALL = "Install MedDL's libraries in the Python that runs the worker, or choose another Python."


def _end_of(work: Callable[[], Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    """``result`` and what the work gives, or ``error`` and what went wrong."""
    try:
        return "result", work()
    except MedDLError as error:
        return "error", _about(error)
    except Exception as error:  # noqa: BLE001  the worker lives on, and the program is told
        if is_out_of_memory(error):
            return "error", _about(MedDLError(Code.NO_MEMORY, "The machine's memory ran out."))
        sys.excepthook(*sys.exc_info())  # the traceback goes to the log
        message = f"MedDL met an error of its own: {type(error).__name__}: {error}"
        return "error", {"code": "INTERNAL", "message": message, "hint": "The worker's log has the details."}


def _about(error: MedDLError) -> dict[str, str]:
    return {"code": error.code.value, "message": error.message, "hint": error.hint}


def _cancelled() -> MedDLError:
    return MedDLError(Code.CANCELLED, "Cancelled.")


def _usage() -> dict[str, Any]:
    times = os.times()
    usage: dict[str, Any] = {"cpu_seconds": round(times.user + times.system, 2)}
    with suppress(ImportError):  # a library that is missing is told elsewhere
        import psutil

        usage["memory"] = psutil.Process().memory_info().rss
    return usage
