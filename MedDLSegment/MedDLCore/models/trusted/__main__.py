"""The child process of a trusted bundle: ``python -m MedDLCore.models.trusted``.

Reads one line of JSON on standard input, writes lines of JSON on what was its standard output, and ends when standard
input is closed. Whatever libraries and the bundle print goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any


def _main() -> None:
    protocol = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)
    line = _first_line()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not line:
        return

    def say(event: str, **data: Any) -> None:
        protocol.write(json.dumps({"event": event, **data}) + "\n")

    from .child import run

    try:
        run(json.loads(line), lambda done, of: say("progress", done=done, of=of))
    except MemoryError as error:
        say("error", kind="memory", message=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's code may raise anything; it ends here, in words
        import traceback

        traceback.print_exc()
        memory = any(words in str(error) for words in ("out of memory", "DefaultCPUAllocator"))
        say("error", kind="memory" if memory else "", message=f"{type(error).__name__}: {error}"[:2000])
    else:
        say("result")
    os._exit(0)  # a stranger's threads and exit handlers have nothing more to do


def _first_line() -> bytes:
    """Read byte by byte, so that nothing of the channel is held in a buffer."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    _main()
