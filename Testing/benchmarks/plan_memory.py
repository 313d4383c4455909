"""What ``meddl plan`` foresees against what a run then takes: memory and time, for real networks on made scans.

    python Testing/benchmarks/plan_memory.py                  # every case; ten to twenty minutes on two cores
    python Testing/benchmarks/plan_memory.py --list
    python Testing/benchmarks/plan_memory.py "MeshNet 3, whole" --threads 1

Each case is planned in one fresh process and run in another, so that neither profits from what the other has warmed up;
then planned and run once more, by which time the machine has learnt from the first run what this network takes.
Weights and voxels are random: they change neither figure. The columns:

    memory    planned and seen, GB, beyond what the process held when it was about to begin; seen is the highest
              resident size (``VmHWM``, Linux only). Wanted: planned/seen between 0.85 and 1.5.
    network   planned and seen, seconds of the network. Wanted: within a factor of two.
    CPU       the same in CPU-seconds: each figure times the cores that its process had on average, because wall time
              lies on a machine that others use too.
    again     CPU-seconds of the second plan and the second run. Wanted: within a factor of 1.5.
    planning  seconds that the plan took: without the timed patch, imports included, and with it.

Nothing is compared with a bar here, and nothing fails: read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from resident import forget_highest, held, highest

from MedDLCore.admission import Options
from MedDLCore.preprocess import Region
from MedDLCore.spec import CleanUp, Grid, Inference, ModelSpec, Network, Output, Percentiles, Weights
from MedDLCore.volume import Geometry, Label, Volume


@dataclass(frozen=True)
class Case:
    """A model and a scan.

    Attributes:
        network: and its arguments.
        classes: background included.
        scan: voxels along K, J, I, at ``spacing`` mm.
        changes: of the spec.
        dtype: of the scan.
        members: networks of the ensemble.
    """

    network: Network
    classes: int
    scan: tuple[int, int, int]
    changes: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "int16"
    spacing: float = 1.0
    members: int = 1
    region: Region | None = None

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        sigmoid = self.changes.get("output", Output()).activation == "sigmoid"
        values = range(1, self.classes + 1 if sigmoid else self.classes)
        plain: dict[str, Any] = {
            "name": "benchmark",
            "network": self.network,
            "weights": tuple(Weights(f"w{n}") for n in range(self.members)),
            "labels": tuple(Label(n, f"structure {n}", (n % 256, 0, 0)) for n in values),
            "intensity": (Percentiles(1, 99),),
        }
        return ModelSpec(**{**plain, **self.changes})

    def volume(self) -> Volume:
        """The scan: noise."""
        generator = np.random.default_rng(0)
        array = np.empty(self.scan, self.dtype)
        for part in array:
            part[:] = generator.integers(0, 1000, part.shape)
        return Volume(array, Geometry.from_parts(self.scan, [self.spacing] * 3), "CT")


def meshnet(width: int, classes: int) -> Network:
    """Brainchop's layout: ten layers, the scan in one piece."""
    dilations = (1, 2, 4, 8, 16, 8, 4, 2, 1)
    layers = [
        {
            "in_channels": width if n else 1,
            "out_channels": width,
            "kernel_size": 3,
            "padding": dilation,
            "stride": 1,
            "dilation": dilation,
        }
        for n, dilation in enumerate(dilations)
    ]
    last = {"in_channels": width, "out_channels": classes, "kernel_size": 1, "padding": 0, "stride": 1, "dilation": 1}
    return Network("MeshNet", {"layers": [*layers, last]})


def segresnet(classes: int, width: int = 16) -> Network:
    """MONAI's SegResNet as its Model Zoo uses it."""
    arguments = {"init_filters": width, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1]}
    return Network("SegResNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": classes, **arguments})


def unet(classes: int) -> Network:
    """MONAI's residual UNet."""
    channels, strides = [16, 32, 64, 128, 256], [2, 2, 2, 2]
    arguments = {"channels": channels, "strides": strides, "num_res_units": 2, "norm": "BATCH"}
    return Network("UNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": classes, **arguments})


def dynunet(classes: int) -> Network:
    """nnU-Net's architecture as MONAI builds it, at half its usual width."""
    arguments = {
        "kernel_size": [3, 3, 3, 3, 3],
        "strides": [1, 2, 2, 2, 2],
        "upsample_kernel_size": [2, 2, 2, 2],
        "filters": [16, 32, 64, 128, 160],
    }
    return Network("DynUNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": classes, **arguments})


CONFORMED = Grid("LIA", spacing=(1.0, 1.0, 1.0), shape=(256, 256, 256), straight=True, interpolation="cubic")
SMALLEST = Inference(patch=(64, 64, 64), overlap=0.25)
SMALL, LARGE = Inference(patch=(96, 96, 96), overlap=0.25), Inference(patch=(128, 128, 128), overlap=0.25)

CASES: Mapping[str, Case] = {
    "UNet 8, 64, small": Case(unet(8), 8, (160, 160, 160), {"inference": SMALLEST}),
    "SegResNet 30, 64, 1.5 mm, small": Case(
        segresnet(30), 30, (200, 200, 200), {"inference": SMALLEST, "grid": Grid("RAS", spacing=(1.5, 1.5, 1.5))}
    ),
    "MeshNet 3, small": Case(meshnet(5, 3), 3, (128, 128, 128)),
    "MeshNet 3, whole": Case(meshnet(5, 3), 3, (300, 300, 250)),
    "MeshNet 10, whole": Case(meshnet(10, 10), 10, (200, 200, 200)),
    "MeshNet 3, conformed, clean": Case(
        meshnet(5, 3), 3, (300, 300, 250), {"grid": CONFORMED, "clean_up": CleanUp((1, 2), (1, 2))}, spacing=0.9
    ),
    "SegResNet 3, 96": Case(segresnet(3), 3, (200, 200, 200), {"inference": SMALL}),
    "SegResNet 60, 96, 1.5 mm": Case(
        segresnet(60), 60, (300, 300, 300), {"inference": SMALL, "grid": Grid("RAS", spacing=(1.5, 1.5, 1.5))}
    ),
    "UNet 3, 128": Case(unet(3), 3, (300, 300, 250), {"inference": LARGE}),
    "UNet 60, 128": Case(unet(60), 60, (200, 200, 200), {"inference": LARGE}),
    "DynUNet 3, 128": Case(dynunet(3), 3, (220, 220, 220), {"inference": LARGE}),
    "DynUNet 3, 96, ensemble, flip": Case(
        dynunet(3),
        3,
        (150, 150, 150),
        {"inference": Inference(patch=(96, 96, 96), overlap=0.25, mirror_axes=(0,), batch=2)},
        members=2,
    ),
    "UNet sigmoid 3, probabilities": Case(
        unet(3),
        3,
        (300, 300, 300),
        {
            "inference": SMALL,
            "grid": Grid("RAS", spacing=(1.5, 1.5, 1.5)),
            "output": Output("sigmoid", "probabilities"),
            "clean_up": CleanUp((1, 2, 3), minimum_volume=10),
        },
    ),
    "UNet 3, float64 scan, 3 mm": Case(
        unet(3), 3, (400, 400, 400), {"inference": SMALL, "grid": Grid("RAS", spacing=(3.0, 3.0, 3.0))}, dtype="float64"
    ),
    "UNet 3, region of a large scan": Case(
        unet(3), 3, (400, 400, 400), {"inference": SMALL}, region=Region((100, 100, 100), (180, 180, 180))
    ),
}


def run_child(name: str, folder: Path, what: str, threads: int | None) -> dict[str, float]:
    """Plans or runs one case in a process of its own; returns its figures. What it remembers stays beside the model."""
    store = folder.with_name(f"{folder.name} remembered")
    store.mkdir(exist_ok=True)
    environment = {**os.environ, "MEDDL_MODELS": str(store)}
    command = [sys.executable, __file__, name, "--child", what, "--model", str(folder)]
    command += ["--threads", str(threads)] if threads else []
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def planned(case: Case, folder: Path, threads: int | None) -> dict[str, float]:
    """In the child: what the plan says, and what it costs."""
    from MedDLCore.models import open_model
    from MedDLCore.pipeline import load, plan

    model, volume, options = (
        load(open_model(str(folder)), "cpu", threads, "torch"),
        case.volume(),
        Options(region=case.region),
    )
    started = time.perf_counter()
    plan([volume], model, options, timed=False)
    untimed, cpu = time.perf_counter(), time.process_time()
    foreseen = plan([volume], model, options)
    timed, cpu = time.perf_counter(), time.process_time() - cpu
    assert foreseen.seconds is not None
    return {
        "memory": foreseen.memory,
        "network": foreseen.seconds,
        "cpu": foreseen.seconds * cpu / (timed - untimed),
        "untimed": untimed - started,
        "timed": timed - untimed,
    }


def seen(case: Case, folder: Path, threads: int | None) -> dict[str, float]:
    """In the child: what the run takes."""
    from MedDLCore.errors import Code
    from MedDLCore.models import open_model
    from MedDLCore.pipeline import load, segment

    model, volume = load(open_model(str(folder)), "cpu", threads, "torch"), case.volume()
    options = Options(region=case.region, allow=frozenset({Code.NO_MEMORY}))
    forget_highest()
    before, cpu = held(), time.process_time()
    result = segment([volume], model, options)
    cores = (time.process_time() - cpu) / sum(result.seconds.values())
    seen = {"memory": highest() - before, "cpu": cores * result.seconds["network"], "cores": cores}
    return {**seen, **result.seconds, "planned": result.plan.memory}


def write_model(case: Case, folder: Path) -> None:
    """Writes the case's model with random weights."""
    from MedDLCore.models import write_package
    from MedDLCore.models.networks import build_network

    write_package(case.spec, [build_network(case.network).state_dict() for _ in range(case.members)], folder)


def main() -> None:
    """Plans and runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all where none is named")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores by default")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--child", choices=("planned", "seen"), help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CASES))
        return
    if arguments.child:
        measure = {"planned": planned, "seen": seen}[arguments.child]
        print(json.dumps(measure(CASES[arguments.cases[0]], arguments.model, arguments.threads)))
        return
    titles = ("memory, GB", "network, s", "CPU, s", "again, CPU-s")
    print(" " * 31 + "".join(f"{title:^27}" for title in titles) + "planning, s")
    print(" " * 31 + f"{'planned':>9}{'seen':>8}{'ratio':>8}  " * 4 + f"{'memory':>8}{'time':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for number, name in enumerate(arguments.cases or CASES):
            folder = Path(scratch, str(number))
            write_model(CASES[name], folder)
            plan, run, again, second = (
                run_child(name, folder, what, arguments.threads) for what in ("planned", "seen", "planned", "seen")
            )
            plan["again"], run["again"] = again["network"] * run["cores"], second["cpu"]
            row = f"{name:31}"
            for kind, unit in (("memory", 1e9), ("network", 1), ("cpu", 1), ("again", 1)):
                row += f"{plan[kind] / unit:9.2f}{run[kind] / unit:8.2f}{plan[kind] / run[kind]:8.2f}  "
            print(f"{row}{plan['untimed']:8.2f}{plan['timed']:8.2f}", flush=True)


if __name__ == "__main__":
    main()
