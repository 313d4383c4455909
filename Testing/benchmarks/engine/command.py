"""The command: which cases, which engines, what is printed and written."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __doc__ as about
from .cases import CASES, FLOOR, QUICK, Case
from .child import run
from .report import of_case, of_targets
from .running import Limits, run_case
from .scan import ScanMissingError
from .targets import answered, targets

PACKAGES = ("torch", "monai", "nnunetv2", "numpy", "scikit-image", "SimpleITK", "openvino")


def main(given: Sequence[str] | None = None) -> None:
    """Runs the cases and prints the tables."""
    arguments = _arguments(given)
    if arguments.child:
        run(arguments.child)
        return
    cases = QUICK if arguments.quick else CASES
    if arguments.list:
        for name, case in cases.items():
            print(f"{name:20}{case.about}; {case.classes} classes, {case.spacing:g} mm")
        return
    limits = Limits(arguments.threads, arguments.memory * 1e9, arguments.seconds)
    record: dict[str, Any] = {"machine": _machine(), "threads": limits.threads, "cases": {}, "targets": []}
    results: dict[str, dict[str, Any]] = {}
    floors: dict[Any, Any] = {}
    for name in arguments.case or cases:
        case = cases[name]
        network = case.classes, case.patch, case.features
        try:
            with tempfile.TemporaryDirectory() as scratch:
                done = run_case(case, _engines(case, arguments), limits, Path(scratch), floors.get(network))
        except ScanMissingError as error:
            print(f"{name}: not run: {error}\n")
            continue
        if FLOOR in done["engines"]:
            floors[network] = done["engines"][FLOOR]
        results[name] = done["engines"]
        record["cases"][name] = {"case": vars(case), **done}
        instead = name if arguments.quick else None
        record["targets"] = [answered(target, results, instead) for target in targets(results)]
        if arguments.json:
            arguments.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
        print(of_case(name, case, done["shape"], done["engines"]), end="\n\n", flush=True)
    print(of_targets(record["targets"]))


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "benchmarks/engine", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--quick", action="store_true", help="small volumes: the figures mean nothing")
    parser.add_argument(
        "--case", action="append", metavar="NAME", choices=[*CASES, *QUICK], help="this one only; again for more"
    )
    parser.add_argument("--engine", action="append", metavar="NAME", help="this one only; again for more")
    parser.add_argument("--backend", action="append", default=[], metavar="NAME", help="MedDL with this one as well")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; 1 by default")
    parser.add_argument("--memory", type=float, default=16, metavar="GB", help="that an engine may take; 16 by default")
    parser.add_argument("--seconds", type=float, default=3600, help="that an engine may run; 3600 by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, after each case anew")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    for name in arguments.case or ():
        if (name in QUICK) != arguments.quick:
            parser.error(f"{name} is {'only' if name in QUICK else 'not'} among the cases of --quick")
    return arguments


def _engines(case: Case, arguments: argparse.Namespace) -> list[str]:
    """The engines of a case, MedDL's other backends after MedDL."""
    engines: list[str] = []
    for engine in case.engines:
        if arguments.engine is None or engine in arguments.engine:
            engines.append(engine)
        if engine == "meddl":
            engines += [f"meddl-{backend}" for backend in arguments.backend]
    return engines


def _machine() -> dict[str, Any]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count(), "packages": versions}


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
