"""The child process of a trusted bundle: ``python -m MedDLCore.models.trusted``.

Reads one line of JSON on standard input, writes lines of JSON on what was its standard output, and ends when standard
input is closed. Whatever libraries and the bundle print goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import IO, Any


def _main() -> None:
    protocol = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_parent, args=(sys.stdin.buffer,), daemon=True).start()
    if not line:
        return

    def say(event: str, **data: Any) -> None:
        protocol.write(json.dumps({"event": event, **data}) + "\n")

    from .child import run

    try:
        run(json.loads(line), lambda done, of: say("progress", done=done, of=of))
    except MemoryError as error:
        say("error", kind="memory", message=str(error))
    except Exception as error:  # noqa: BLE001  a stranger's code may raise anything; it ends here, in words
        import traceback

        traceback.print_exc()
        memory = any(words in str(error) for words in ("out of memory", "DefaultCPUAllocator"))
        say("error", kind="memory" if memory else "", message=f"{type(error).__name__}: {error}"[:2000])
    else:
        say("result", pid=os.getpid())


def _end_with_parent(stream: IO[bytes]) -> None:
    stream.read()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    _main()
