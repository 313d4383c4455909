"""The child process of a trusted bundle: ``python -m MedDLCore.models.trusted``.

Reads one line of JSON on what was its standard input, writes lines of JSON on what was its standard output, and ends
when that input is closed. The bundle itself finds an empty standard input; whatever it and the libraries print goes to
standard error.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

from ...atomic import TEMPORARY_PREFIX
from .failure import named


def _main() -> None:
    folder = Path.cwd()  # now: a stranger's code may go elsewhere
    asked = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    protocol = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)
    line = _first_line(asked)
    if not line.endswith(b"\n"):
        _remove(folder)
        return
    threading.Thread(target=_end_with_parent, args=(asked, folder), daemon=True).start()

    def say(event: str, **data: Any) -> None:
        protocol.write(json.dumps({"event": event, **data}) + "\n")

    from .child import run

    try:
        run(json.loads(line), lambda done, of: say("progress", done=done, of=of))
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's code may raise anything; it ends here, in words
        import traceback

        traceback.print_exc()
        code, message = named(error)
        say("error", code=code, message=message)
    else:
        say("result")
    os._exit(0)  # a stranger's threads and exit handlers have nothing more to do


def _first_line(asked: int) -> bytes:
    """Read byte by byte, so that nothing of the channel is held in a buffer."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(asked, 1)):
        line += byte
    return line


def _end_with_parent(asked: int, folder: Path) -> None:
    while os.read(asked, 4096):
        pass
    _remove(folder)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _remove(folder: Path) -> None:
    """Removes the private folder, with the scan in it, that a parent has left behind when it died."""
    if folder.name.startswith(TEMPORARY_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main()
