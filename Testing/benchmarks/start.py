"""What it costs until MedDL is ready to segment, against importing torch, and until a kept model segments again.

    python Testing/benchmarks/start.py                # five rounds; two to four minutes on one core
    python Testing/benchmarks/start.py --rounds 15 --json figures.json

Each figure is CPU-seconds (user and system) of a process of its own, one thread, with the files in the system's cache.
The rounds take turns over all rows, so that a machine that is busy for a while slows them alike; the least of a row
counts, and the ratio to ``import torch`` is that of the least. Wanted (PERFORMANCE.md, row 7): ready / import torch
<= 1.15 for a network that is not MONAI's, and the first forward of a second segmentation within 0.05 CPU-s beyond
preparing. Nothing fails here: read the table.

Ready: the model is opened, its weights are read and compared with their digest, its network is built and checked.
First patch: the same process has also segmented a scan of one patch of 32^3 voxels.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

TORCH = "import torch"

READY = """
import sys
from MedDLCore.models import open_model
from MedDLCore.pipeline import load, segment

model = load(open_model(sys.argv[1]), "cpu", 1)
"""

SEGMENTED = (
    READY
    + """
import numpy as np
from MedDLCore.volume import Geometry, Volume

spacing = model.spec.grid.spacing or (1, 1, 1)
scan = Geometry.from_parts((32, 32, 32), spacing[::-1])
segment([Volume(np.zeros(scan.shape, np.int16), scan, "CT")], model)
"""
)

LIST = "from MedDLCore.cli.main import run; run(['models', 'list'])"


def cpu_seconds(code: str, *arguments: object) -> float:
    """CPU-seconds of a fresh process that runs the code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_models(folder: Path) -> dict[str, Path]:
    """One small model of each kind, by the name of its row."""
    from fixtures.nnunet_folder import results_folder
    from fixtures.packages import threshold_package
    from MedDLCore.models import write_package
    from MedDLCore.models.networks import build_network
    from MedDLCore.spec import Channel, Inference, ModelSpec, Network, Weights
    from MedDLCore.volume import Label

    threshold_package(folder / "meshnet")
    segresnet = ModelSpec(
        name="segresnet",
        network=Network("SegResNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_filters": 8}),
        weights=(Weights("models/model.safetensors"),),
        labels=(Label(1, "organ", (200, 60, 60)),),
        channels=(Channel("CT", "CT"),),
        inference=Inference(patch=(32, 32, 32)),
    )
    write_package(segresnet, build_network(segresnet.network).state_dict(), folder / "segresnet")
    return {
        "MeshNet": folder / "meshnet",
        "nnU-Net's U-Net": results_folder(folder / "Dataset007_Made" / "nnUNetTrainer__nnUNetPlans__3d_fullres"),
        "the demonstration's": Path("phantom"),
        "MONAI's SegResNet": folder / "segresnet",
    }


def second_segmentation() -> dict[str, float]:
    """CPU-seconds of a second segmentation before its first forward, the median of five: without preparing, and of it.

    An nnU-Net of 31 million parameters with patches of 128^3, on a CT of 300 x 512 x 512 voxels, brought to 3 mm.
    """
    import time

    import numpy as np
    import torch

    from MedDLCore import pipeline
    from MedDLCore.inference import Device
    from MedDLCore.models import ModelPackage
    from MedDLCore.models.networks import build_network
    from MedDLCore.spec import Channel, Grid, Inference, ModelSpec, Network, Weights
    from MedDLCore.volume import Geometry, Label, Volume

    torch.set_num_threads(1)
    arguments: dict[str, Any] = {
        "inputs": 1,
        "outputs": 6,
        "features": [32, 64, 128, 256, 320, 320],
        "kernels": [[3, 3, 3]] * 6,
        "strides": [[1, 1, 1], *[[2, 2, 2]] * 5],
        "blocks": 2,
        "decoder_blocks": 2,
        "norm_arguments": {"eps": 1e-5, "affine": True},
    }
    spec = ModelSpec(
        name="kept",
        network=Network("StagedUNet", arguments),
        weights=(Weights("w"),),
        labels=tuple(Label(n, f"structure {n}", (n, 0, 0)) for n in range(1, 6)),
        channels=(Channel("CT", "CT"),),
        grid=Grid(spacing=(3.0, 3.0, 3.0)),
        inference=Inference(patch=(128, 128, 128)),
    )
    network = build_network(spec.network).eval().requires_grad_(False)
    package = ModelPackage(spec, Path(), "0" * 64)
    model = pipeline.Model(package, [network], Device("cpu", "CPU", 32 << 30))
    geometry = Geometry.from_parts((300, 512, 512), (0.8, 0.8, 1.5))
    scan = Volume(np.full(geometry.shape, -1000, np.int16), geometry, "CT")

    class Reached(Exception):  # noqa: N818
        """The first forward begins."""

    def forward(_: Any, given: tuple[torch.Tensor]) -> None:
        if not given[0].is_meta:  # the forecast has no data
            raise Reached

    marks: dict[str, float] = {}
    prepare = pipeline.prepare

    def prepared(*given: Any, **named: Any) -> Any:
        marks["begins"] = time.process_time()
        result = prepare(*given, **named)
        marks["ends"] = time.process_time()
        return result

    pipeline.prepare = prepared
    network.register_forward_pre_hook(forward)
    beyond, preparing = [], []
    for number in range(6):
        started = time.process_time()
        try:
            pipeline.segment([scan], model)
        except Reached:
            taken = time.process_time() - started
        if number > 0:
            preparing.append(marks["ends"] - marks["begins"])
            beyond.append(taken - preparing[-1])
    return {"beyond preparing": statistics.median(beyond), "preparing": statistics.median(preparing)}


def rows(models: Mapping[str, Path]) -> dict[str, tuple[Any, ...]]:
    """What is run, by the name of its row."""
    plain = {"bare Python": ("pass",), TORCH: (TORCH,), "import monai.networks.nets": ("import monai.networks.nets",)}
    listed = {"meddl models list": (LIST,)}
    ready = {f"ready: {name}": (READY, path) for name, path in models.items()}
    segmented = {f"first patch: {name}": (SEGMENTED, path) for name, path in models.items()}
    return {**plain, **listed, **ready, **segmented}


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wanted = rows(write_models(Path(scratch)))
        taken: dict[str, list[float]] = {name: [] for name in wanted}
        for number in range(arguments.rounds + 1):
            for name, row in wanted.items():
                seconds = cpu_seconds(*row)
                if number > 0:  # the first round fills the system's cache
                    taken[name].append(seconds)
    least = {name: min(times) for name, times in taken.items()}
    print(f"{'':34}{'CPU-s':>8}{'median':>8}{'/ import torch':>16}")
    for name, times in taken.items():
        print(f"{name:34}{least[name]:8.2f}{statistics.median(times):8.2f}{least[name] / least[TORCH]:16.2f}")
    again = second_segmentation()
    print("\nsecond segmentation of a kept model, CPU-s before its first forward:")
    print(f"  {again['beyond preparing']:.3f} beyond preparing, {again['preparing']:.3f} preparing")
    if arguments.json:
        arguments.json.write_text(json.dumps({"processes": taken, "second segmentation": again}, indent=1))


if __name__ == "__main__":
    main()
