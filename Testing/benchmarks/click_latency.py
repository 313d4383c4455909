"""From a click in a slice view until the segment has changed: how long, and where the time goes.

    python Testing/benchmarks/click_latency.py MODEL SCAN [--clicks 20]

MODEL is a folder with a model that listens to clicks, SCAN a file that ``meddl`` reads. The page Correct is driven in
the test host, with the real worker, by clicks at random voxels in the middle half of the scan, which add and remove in
turn. The first click begins: the worker loads the model, takes the scan over and prepares it. Of the others: medians.

``prepare``, ``network``, ``finish`` are the worker's stages, ``else`` is what a click took beside them: request,
the answer's way back, the segment's change in the scene. Wall milliseconds, and CPU-milliseconds of the worker and of
the main thread; on a machine that is busy with something else, read the CPU's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from in_host import is_in_host, new_host, run_in_host, wait


def main(scan: Path, count: int) -> None:
    """In the host: makes the clicks and prints the table."""
    import numpy as np
    import psutil

    from gui.run import MODULES

    host = new_host()
    from gui.host.mouse import pressAt

    for name in MODULES:
        host.load(name)
    from MedDLCore.readers import read
    from MedDLScene.result_scene import volumeToNode

    (volume,) = read(scan)
    node = volumeToNode(volume, host.scene, "scan")
    widget = host.widget("MedDLSegment")
    wait(host, lambda: widget.panel.state.models is not None)
    widget.pages.show("Correct")
    page, parameters = widget.pages.correct, widget._parameterNode
    parameters.inputVolume = node
    parameters.segmentation = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "corrected")
    parameters.correctModel = next(model.name for model in widget.panel.state.models if model.clickable)
    assert page._ui.addButton.enabled, page._ui.addButton.toolTip
    page._ui.addButton.click()
    structures = page.state.structures
    worker = psutil.Process(widget.logic.session.worker.pid)

    rows, random = [], np.random.default_rng(0)
    for n in range(count):
        voxel = [random.integers(size // 4, size - size // 4) for size in volume.geometry.shape]
        parameters.correctStructure = structures[n % len(structures)]
        began, busy = time.thread_time(), sum(worker.cpu_times()[:2])
        pressAt(*volume.geometry.index_to_ras(voxel[::-1]).tolist(), ctrl=n % 2 == 1)
        wait(host, lambda: not page.state.going.busy)
        assert page.state.going.problem is None, page.state.going.problem
        last = page.state.going.last
        waited = sum(last.seconds.values())
        spent = {"click": last.spent, **last.seconds, "else": last.spent - waited}
        cpu = {"worker CPU": sum(worker.cpu_times()[:2]) - busy, "main thread CPU": time.thread_time() - began}
        rows.append({**spent, **cpu})
    print(_table(rows))
    for name in MODULES:
        if host.shown(name):
            host.unload(name)


def _table(rows: Sequence[dict[str, float]]) -> str:
    """The first click, and medians of those that follow, in milliseconds."""
    later = {name: median(row.get(name, 0.0) for row in rows[1:]) for name in rows[-1]}
    lines = [f"{'first':>8} {'later':>8}  ms, of {len(rows)} clicks"]
    lines += [f"{1000 * rows[0].get(name, 0.0):8.0f} {1000 * spent:8.0f}  {name}" for name, spent in later.items()]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder with a model that listens")
    parser.add_argument("scan", type=Path, help="a file")
    parser.add_argument("--clicks", type=int, default=20)
    return parser.parse_args()


def _add(model: Path, store: Path) -> None:
    from MedDLCore.models import ModelStore

    ModelStore(store).add(model)


if __name__ == "__main__":
    chosen = _arguments()
    if is_in_host():
        main(chosen.scan, chosen.clicks)
    else:
        sys.exit(run_in_host(lambda store: _add(chosen.model, store)))
