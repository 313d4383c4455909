"""The tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .cases import FLOOR, JUDGE, Case
from .figures import Figures
from .meter import STAGES

TITLES = {
    FLOOR: "bare forward",
    "meddl": "MedDL",
    JUDGE: "nnU-Net, fp32 sums (judge)",
    "nnunet": "nnU-Net",
    "nnunet-torch": "nnU-Net, by torch",
    "monai": "MONAI",
}


def of_case(name: str, case: Case, shape: Iterable[int], engines: Mapping[str, Figures]) -> str:
    """What the engines took, and how far their labels agree."""
    voxels = "x".join(map(str, shape))
    lines = [f"{name}: {case.about}; {case.classes} classes, {case.spacing:g} mm, scan {voxels}"]
    stages = "".join(f"{stage:>9}" for stage in STAGES)
    lines.append(
        f"  {'CPU-seconds':28}{stages}{'other':>9}{'whole':>9}{'patches':>9}{'GB':>7}{'= fp32':>9}{'= nnU-Net':>10}"
    )
    lines += [f"  {_title(engine):28}{_line(figures)}" for engine, figures in engines.items()]
    return "\n".join(lines)


def of_targets(rows: Iterable[Mapping[str, Any]]) -> str:
    """The targets and what was reached."""
    lines = [f"{'':6}{'':42}{'case':20}{'value':>9}{'target':>11}"]
    for row in rows:
        sign = ">=" if row["at_least"] else "<="
        target = f"{sign} {row['bound']:.4g}"
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        if row["at_least"] and row["value"] is not None:
            value = f"{row['value']:.5f}"
        verdict = f"not measured: {row['why']}" if row["value"] is None else "reached" if row["reached"] else "MISSED"
        lines.append(f"{row['row']:6}{row['quantity']:42}{row['case']:20}{value:>9}{target:>11}  {verdict}")
    return "\n".join(lines)


def _title(engine: str) -> str:
    return TITLES.get(engine, engine.replace("meddl-", "MedDL, "))


def _line(figures: Figures) -> str:
    if figures["status"] != "ran":
        return f"   not run: {figures['why']}"
    if "forward" in figures:
        return f"{'':18}{figures['forward']:9.2f}{'':18}{'each':>9}"
    seconds = figures["seconds"]
    whole = sum(seconds.values())
    line = "".join(f"{seconds[stage]:9.2f}" for stage in STAGES) + f"{whole - seconds['network']:9.2f}{whole:9.2f}"
    line += f"{figures['passes']:9}{figures['memory'] / 1e9:7.2f}"
    for other, width in ((JUDGE, 9), ("nnunet", 10)):
        part = figures["agreement"].get(other)
        line += f"{'-':>{width}}" if part is None else f"{part:{width}.5f}"
    return line
