"""The worker's own side: takes requests, one after the other, until its input ends.

The first thread runs networks. A second reads requests, so that cancelling and asking for the status work meanwhile; a
third says now and then that the process is alive.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import __version__
from ..atomic import private_folder
from ..errors import Code, MedDLError, Notice
from ..out_of_memory import is_out_of_memory
from ..progress import Whole
from ..waiting import wait_briefly
from .messages import (
    ERRANDS,
    HEARTBEAT_SECONDS,
    LONGEST_LINE,
    VERSION,
    read_collection,
    read_correction,
    read_export,
    read_job,
    to_line,
)
from .process import lead_a_group

if TYPE_CHECKING:
    from ..clock import OnProgress
    from .corrections import Corrections
    from .tasks import OnWarning
    from .warm import Warm

GRACE_SECONDS = 3.0
"""How long a run may go on after the program beside has gone."""

TOLD_SECONDS = 0.1
"""Progress is told no more often."""

JOBS = ("load", "plan", "segment", "refine", "uncertainty", "export")


def main() -> int:
    """Runs the worker on this process's standard input and output."""
    return serve(Server)


def serve(server: type[Server]) -> int:
    """Runs a server on this process's standard input and output."""
    wait_briefly()
    lead_a_group()
    given, told = _own_channels()
    with private_folder() as folder:
        return server(given, told, folder).run()


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
    """Answers requests. Another kind of work is another ``jobs``, ``task``, ``at_once`` and ``progress``."""

    jobs: tuple[str, ...] = JOBS
    """Requests that are answered one after the other."""

    def __init__(self, given: IO[bytes], told: IO[bytes], folder: Path) -> None:
        """Takes the channels and the private folder."""
        self._given, self._told, self.folder = given, told, folder
        self._lock = threading.Lock()
        self._requests: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._cancelled: set[int] = set()
        self._current: int | None = None
        self._gone = threading.Event()

    def run(self) -> int:
        """Until the input ends, or ``shutdown``."""
        self.say("hello", version=VERSION, meddl=__version__, pid=os.getpid(), folder=str(self.folder))
        for target in (self._listen, self._beat):
            threading.Thread(target=target, daemon=True, name=target.__name__).start()
        try:
            from .libraries import import_libraries

            about = import_libraries()
        except ImportError as error:
            return self._run_without(MedDLError(Code.EXTRA_MISSING, f"A library is missing: {error}.", _INSTALL))
        self.say("ready", **about)
        while (request := self._requests.get()) is not None:
            self._answer(request)
        return 0

    def _run_without(self, missing: MedDLError) -> int:
        """Nothing that needs the libraries can run; models can be listed all the same."""
        while (request := self._requests.get()) is not None:
            self._refuse(request["id"], missing)
        return 0

    def _answer(self, request: Mapping[str, Any]) -> None:
        number = request["id"]
        self._current = number
        kind, data = self._outcome(request)
        self._current = None
        self._cancelled.discard(number)
        self.say(kind, number, **data)

    def _outcome(self, request: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """How a request ends: ``result`` or ``error``, and what belongs to it."""
        number = request["id"]

        def run() -> Mapping[str, Any]:
            self.go_on(number)
            return self.task(request["request"], request.get("job"), number)

        return end_of(run)

    def task(self, kind: str, job: Any, number: int) -> Mapping[str, Any]:
        """Does what was asked for, in the first thread.

        Raises:
            MedDLError: why it cannot be done.
        """
        from . import tasks
        from .exporting import export_dicom_seg

        if kind == "export":
            return export_dicom_seg(read_export(job), self.folder, self.warning(number))
        if kind == "refine":
            correction, tell, warn = read_correction(job), self.progress(number), self.warning(number)
            return tasks.refine_job(correction, self._corrections, self._warm, self.folder, tell, warn)
        tasks_by_kind = {
            "load": tasks.load_model,
            "plan": tasks.plan_job,
            "segment": tasks.segment_job,
            "uncertainty": tasks.uncertainty_job,
        }
        return tasks_by_kind[kind](read_job(job), self._warm, self.folder, self.progress(number), self.warning(number))

    @cached_property
    def _corrections(self) -> Corrections:
        from .corrections import Corrections

        return Corrections()

    @cached_property
    def _warm(self) -> Warm:
        from .warm import Warm

        return Warm()

    def go_on(self, number: int) -> None:
        """Raises CANCELLED where the request was cancelled, or the program beside has gone."""
        if number in self._cancelled or self._gone.is_set():
            raise _cancelled()

    def progress(self, number: int) -> OnProgress:
        """Tells progress of a request; what it raises ends the request."""
        whole, last = Whole(without=("read", "picture")), [0.0]

        def tell(stage: str, done: int, of: int) -> None:
            self.go_on(number)
            whole.tell(stage, done, of)
            now = time.monotonic()
            if now - last[0] > TOLD_SECONDS or done >= of:
                last[0] = now
                left = None if whole.seconds_left is None else round(whole.seconds_left, 1)
                self.say("progress", number, stage=stage, fraction=round(whole.fraction, 4), seconds_left=left)

        return tell

    def warning(self, number: int) -> OnWarning:
        """Tells warnings of a request."""

        def warn(notice: Notice) -> None:
            self.say("warning", number, code=notice.code.value, message=notice.message)

        return warn

    def _listen(self) -> None:
        """Reads requests until the input ends."""
        while line := self._given.readline(LONGEST_LINE):
            if (request := _request_of(line)) is None:
                self._refuse(None, MedDLError(Code.REQUEST_INVALID, "A line was no request."))
                continue
            kind, number = request["request"], request.get("id")
            if kind == "shutdown":
                break
            if not isinstance(number, int):
                self._refuse(None, MedDLError(Code.REQUEST_INVALID, "A request has no id, or none that is a number."))
            elif kind == "cancel":
                self._cancelled.add(request.get("which"))
                self.cancelled(request.get("which"))
                self.say("result", number)
            elif kind == "status":
                self.say("result", number, running=self._current, waiting=self._requests.qsize(), **_usage())
            elif kind in self.jobs:
                self._requests.put(request)
            elif not self.at_once(kind, number, request.get("job")):
                self._refuse(number, MedDLError(Code.REQUEST_INVALID, "There is no request of this kind."))
        self._leave()

    def at_once(self, kind: str, number: int, job: Any) -> bool:
        """Answers a request that does not wait for the others, in the second thread; False: there is none such."""
        beside: dict[str, Callable[[str, int, Any], Mapping[str, Any]]] = {
            **dict.fromkeys(ERRANDS, self._errand),
            "collect": self._collect,
        }
        if kind in beside:
            threading.Thread(target=self._run_beside, args=(beside[kind], kind, number, job), daemon=True).start()
        return kind in beside

    def cancelled(self, number: Any) -> None:
        """A request was cancelled: for work that does not ask ``go_on`` all the time."""

    def _run_beside(self, work: Callable[[str, int, Any], Mapping[str, Any]], kind: str, number: int, job: Any) -> None:
        """Beside whatever else runs: most of this needs no torch; a download is slow, and so is compressing."""
        ended, data = end_of(lambda: work(kind, number, job))
        self._cancelled.discard(number)
        self.say(ended, number, **data)

    def _errand(self, kind: str, number: int, job: Any) -> Mapping[str, Any]:
        from .errands import run_errand

        def tell(fraction: float) -> None:
            self.say("progress", number, stage=kind, fraction=round(fraction, 4), seconds_left=None)

        def is_cancelled() -> bool:
            return number in self._cancelled or self._gone.is_set()

        return run_errand(kind, job, tell, is_cancelled)

    def _collect(self, _kind: str, _number: int, job: Any) -> Mapping[str, Any]:
        from .collecting import collect_case

        return collect_case(read_collection(job), self.folder)

    def _leave(self) -> None:
        """The program beside has gone, or wants this one to: a run is cancelled; one that does not heed it is ended."""
        self._gone.set()
        self.cancelled(self._current)
        self._requests.put(None)
        time.sleep(GRACE_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(1)

    def _beat(self) -> None:
        while not self._gone.wait(HEARTBEAT_SECONDS):
            self.say("heartbeat", self._current, **_usage())

    def _refuse(self, number: int | None, error: MedDLError) -> None:
        self.say("error", number, **_about(error))

    def say(self, kind: str, number: int | None = None, **data: Any) -> None:
        """An event."""
        line = to_line({"event": kind, "id": number, **data})
        with self._lock, suppress(OSError):  # nobody listens: the input has ended, too
            self._told.write(line)
            self._told.flush()


def _request_of(line: bytes) -> Any:
    """A line as a request, a mapping; None: it is none."""
    try:
        request = json.loads(line)
        kind, which = request["request"], request.get("which")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return request if isinstance(kind, str) and isinstance(which, (int, type(None))) else None


_INSTALL = "Install MedDL's libraries in the Python that runs the worker, or choose another Python."


def end_of(work: Callable[[], Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
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
