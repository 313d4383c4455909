"""What a run of the model takes on this machine, measured on one scan in a process of its own."""

from __future__ import annotations

import multiprocessing
import platform
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError


def measured_on(scans: Sequence[Path], model: Path, device: str = "cpu", threads: int | None = None) -> dict[str, Any]:
    """Segments one case once and tells time and memory.

    Args:
        scans: one for each input of the model.
        model: the folder of the model.
        device: torch's name.
        threads: on the CPU; None: all cores.

    Returns:
        ``seconds`` from the scan in memory to its labels, the time to load the model not included; ``cpu_seconds``, of
        all threads, which a machine at work on other things does not prolong as much; ``memory_bytes`` of
        the whole process at its peak; ``scan`` as voxels along K, J, I; ``device``; ``threads``; ``processor``. Nothing
        of the scan but its size.

    Raises:
        MedDLError: as readers and ``segment``; NO_MEMORY where the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(tuple(scans), model, device, threads, theirs))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError as error:
        raise MedDLError(Code.NO_MEMORY, "The process that measured the run was killed.") from error
    finally:
        process.kill()  # it has answered, or nobody waits for its answer any more
        process.join()
        ours.close()
    if isinstance(answer, Exception):
        raise answer
    return dict(answer)


def _run(scans: tuple[Path, ...], model: Path, device: str, threads: int | None, to: Connection) -> None:
    from MedDLCore.inference.devices import usable_cores
    from MedDLCore.models import open_folder
    from MedDLCore.pipeline import load, segment
    from MedDLCore.readers import read

    try:
        volumes = [volume for scan in scans for volume in read(scan)]
        ready = load(open_folder(model), device, threads, "torch")
        began, used = time.monotonic(), time.process_time()
        result = segment(volumes, ready)
        seconds, cpu_seconds = time.monotonic() - began, time.process_time() - used
    except MedDLError as error:
        to.send(error)
        return
    except Exception as error:  # noqa: BLE001  it is raised where somebody hears it
        to.send(RuntimeError(f"{type(error).__name__}: {error}"))
        return
    to.send(
        {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu_seconds, 1),
            "memory_bytes": _peak(),
            "scan": list(volumes[0].geometry.shape),
            "device": result.device,
            "threads": threads or usable_cores(),
            "processor": f"{platform.machine()}, {platform.system()}",
        }
    )


def _peak() -> int:
    """Bytes of this process in memory, at most."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
