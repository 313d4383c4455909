"""Runs a trusted bundle on a scan, in a process of its own, and believes nothing that comes back.

Big arrays travel as ``.npy`` files in a private folder, everything else as lines of JSON. The child leads a process
group, which is killed when the run ends for whatever reason; when this process dies, the child removes the folder and
ends itself.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from ...atomic import private_folder
from ...errors import Code, MedDLError
from ...volume import Geometry, Label, LabelMap, Volume
from ..package import ModelPackage
from .failure import OF_THE_BUNDLE
from .file_set import file_set

OnProgress = Callable[[int, int], None]
"""Called with (done, of), and now and then without news. What it raises ends the child."""

LOOK_SECONDS = 0.1
"""How often the caller is asked whether the run goes on."""

LONGEST_MESSAGE = 500
LONGEST_LINE = 65536


def run_trusted(
    package: ModelPackage,
    volumes: Sequence[Volume],
    device: str,
    on_progress: OnProgress,
) -> LabelMap:
    """Lets a bundle segment a scan with its own preprocessing, network, inferer and postprocessing.

    Args:
        package: of ``open_trusted``. Its files are compared once more before they run.
        volumes: one ``(K, J, I)`` volume for each channel, all on one grid.
        device: torch's name of the device.
        on_progress: told of progress; what it raises ends the run.

    Returns:
        On the grid of ``volumes[0]``. Of a bundle whose structures overlap, each has a layer of its own.

    Raises:
        MedDLError: MODEL_UNTRUSTED where a file has changed; MODEL_INVALID where the bundle's code fails or its result
            is no segmentation of this scan; NETWORK_NONFINITE; NO_MEMORY where the child ran out of it.
    """
    import torch

    if file_set(package.folder).sha256 != package.sha256:
        raise MedDLError(Code.MODEL_UNTRUSTED, f"A file of {package.spec.name} has just changed. Nothing of it ran.")
    geometry = volumes[0].geometry
    with private_folder() as scratch:
        files = [f"channel_{n}.npy" for n in range(len(volumes))]
        for file, volume in zip(files, volumes, strict=True):
            np.save(scratch / file, np.ascontiguousarray(volume.array.T), allow_pickle=False)
        request = {
            "bundle": str(package.folder.resolve()),
            "channels": files,
            "affine": geometry.ijk_to_ras.tolist(),
            "device": device,
            "threads": torch.get_num_threads(),
        }
        for event in _events(request, scratch, on_progress):
            if event.get("event") == "result":
                return checked(_load(scratch / "result.npy"), geometry, package.spec.labels)
            if event.get("event") == "error":
                raise _failure(event)
        raise AssertionError("events end in a result or an error")


def _failure(event: dict[str, Any]) -> MedDLError:
    message = str(event.get("message", ""))[:LONGEST_MESSAGE]
    code = next((code for code in OF_THE_BUNDLE if code.value == event.get("code")), None)
    if code is Code.NO_MEMORY:
        return MedDLError(code, f"The trusted bundle ran out of memory: {message}")
    if code is None:
        return MedDLError(Code.MODEL_INVALID, f"The code of the trusted bundle failed: {message}", _NOT_OURS)
    return MedDLError(code, message, _NOT_OURS if code is Code.MODEL_INVALID else "")


_NOT_OURS = "Ask its author. MedDL runs trusted bundles as they are."


def checked(array: NDArray[Any], geometry: Geometry, labels: Sequence[Label]) -> LabelMap:
    """Makes a label map of what a bundle gave, if it is one.

    Args:
        array: ``(1, I, J, K)`` or ``(I, J, K)`` label values, or ``(N, I, J, K)`` zeros and ones: a structure for each
            channel.
        geometry: of the scan.
        labels: the structures there may be.

    Raises:
        MedDLError: MODEL_INVALID for another shape, for fractions, and for values that no structure has.
    """
    wanted = geometry.shape[::-1]
    layers = array[None] if array.ndim == 3 else array
    if layers.ndim != 4 or layers.shape[1:] != wanted or not 1 <= len(layers) <= 65535:
        raise _no_segmentation(f"has the shape {array.shape}; the scan has {wanted}")
    if layers.dtype.kind not in "buif" or (layers.dtype.kind == "f" and not np.isfinite(layers).all()):
        raise _no_segmentation("holds values that are not numbers")
    found = np.unique(layers)
    if (found != np.round(found)).any():
        raise _no_segmentation("holds fractions, not labels")
    overlapping = len(layers) > 1
    if overlapping and (len(layers) != len(labels) or not set(found.tolist()) <= {0, 1}):
        raise _no_segmentation(f"has {len(layers)} channels for {len(labels)} structures, or values beside 0 and 1")
    strange = [] if overlapping else sorted(set(found.tolist()) - {0, *(label.value for label in labels)})
    if strange:
        raise _no_segmentation(f"holds {strange[0]:g}, which no structure of the model has")
    if not overlapping:
        kind = np.uint8 if max(label.value for label in labels) < 256 else np.uint16
        return LabelMap(np.ascontiguousarray(layers[0].T.astype(kind)), geometry, tuple(labels))
    stack = np.stack([layer.T.astype(np.uint16) * label.value for layer, label in zip(layers, labels, strict=True)])
    return LabelMap(stack, geometry, tuple(_in_layer(label, n) for n, label in enumerate(labels)))


def _in_layer(label: Label, layer: int) -> Label:
    return Label(label.value, label.name, label.color, label.terminology, layer)


def _no_segmentation(problem: str) -> MedDLError:
    return MedDLError(Code.MODEL_INVALID, f"What the trusted bundle gave is no segmentation: it {problem}.", _NOT_OURS)


def _load(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _no_segmentation("cannot be read") from error
    return array


def _events(request: dict[str, Any], scratch: Path, on_progress: OnProgress) -> Iterator[dict[str, Any]]:
    """Starts the child and gives what it says, up to its result or error."""
    with _child(scratch) as child:
        asks, tells = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=_forward, args=(tells, lines), daemon=True).start()
        with suppress(BrokenPipeError):
            asks.write(json.dumps(request).encode() + b"\n")
            asks.flush()
        stage = (0, 1)
        while True:
            on_progress(*stage)
            try:
                line = lines.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                yield _death(child.wait())
                return
            event = _parsed(line)
            if event.get("event") == "progress":
                stage = (int(event["done"]), int(event["of"]))
            elif event.get("event") in ("result", "error"):
                yield event
                return


def _parsed(line: bytes) -> dict[str, Any]:
    """A line of the child; what is none is an error, for a bundle's code could write there if it tried."""
    try:
        event = json.loads(line)
        if event["event"] == "progress" and not 0 <= int(event["done"]) <= int(event["of"]):
            raise ValueError("progress goes from 0 to its end")
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"event": "error", "message": "It wrote into MedDL's channel."}
    return dict(event)


def _death(status: int) -> dict[str, Any]:
    killed = status == -getattr(signal, "SIGKILL", 9)  # what a system does that has no memory left
    return {
        "event": "error",
        "code": Code.NO_MEMORY.value if killed else "",
        "message": f"its process ended with status {status}",
    }


def _forward(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    while line := stream.readline(LONGEST_LINE):
        lines.put(line)
    lines.put(None)


@contextmanager
def _child(scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    ours = Path(__file__).resolve().parents[3]
    path = os.pathsep.join([str(ours), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with (scratch / "log.txt").open("wb") as log:
        child = subprocess.Popen(  # noqa: S603  our own module; what it runs is what the person has agreed to
            [sys.executable, "-m", __package__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=scratch,
            env=environment,
            start_new_session=True,
        )
        try:
            yield child
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends the child and everything that it started."""
    import psutil  # here: Slicer's own Python, which imports the list of models, does not have it

    below = []
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(child.pid).children(recursive=True)
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    for process in below:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
