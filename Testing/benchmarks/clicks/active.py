"""``python -m benchmarks.clicks.active FOLDER``: does the ranking choose the scans from which a network learns most?

A network learns from a few cases. Then, again and again, as many cases are added as there are: those of which the
network is least sure (``meddl rank``), or any. Each time it is trained anew, and scored on cases that it never sees.
Printed is, for each number of cases, the mean Dice of both orders over several seeds, each with its own first cases,
weights and random order. Every training and ranking is kept in FOLDER: a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from MedDLCore.models import write_package
from MedDLCore.models.package import open_folder as open_package
from MedDLCore.pipeline import load
from MedDLCore.spec import Channel, Grid, Inference, Network, ZScore
from MedDLCore.uncertainty import measure
from MedDLTraining.cases import PreparedCase, prepare_cases
from MedDLTraining.data import DataSet, open_folder
from MedDLTraining.loop.fitting import fit
from MedDLTraining.loop.validating import validation_dice
from MedDLTraining.plan import Optimiser, Plan

from ..training.cases import default_data, names_of, shuffled, write_data_set

Order = Literal["ranked", "random"]
ORDERS: tuple[Order, ...] = ("ranked", "random")


@dataclass(frozen=True)
class Course:
    """One seed's way with one order.

    Attributes:
        seed: of the first cases, the weights and the random order.
        order: by which cases are added.
        chosen: the cases after each round.
        dice: mean over labels and scored cases, after each round.
    """

    seed: int
    order: Order
    chosen: tuple[tuple[str, ...], ...]
    dice: tuple[float, ...]


def course(
    pool: DataSet, scored: Sequence[PreparedCase], plan: Plan, seed: int, order: Order, sizes: Sequence[int], into: Path
) -> Course:
    """Goes one seed's way.

    Args:
        pool: cases that can be chosen; their truth is looked at once they are.
        scored: prepared cases that are never chosen.
        plan: of each training.
        seed: see ``Course``.
        order: see ``Course``.
        sizes: how many cases there are in each round, ascending.
        into: where everything is kept.
    """
    ready = {
        case.name: one for case, one in zip(pool.cases, prepare_cases(pool, plan.spec, into / "pool"), strict=True)
    }
    names = shuffled(sorted(ready), seed)
    chosen, rounds, dice = names[: sizes[0]], list[tuple[str, ...]](), []
    for size, following in zip(sizes, [*sizes[1:], None], strict=True):
        shared = size == sizes[0]  # the first cases are the same whatever the order
        folder = into / f"seed{seed}" / ("first" if shared else f"{order}{size}")
        rounds.append(tuple(sorted(chosen)))
        dice.append(_score([ready[name] for name in rounds[-1]], scored, replace(plan, seed=seed), folder))
        if following is not None:
            rest = [name for name in names if name not in set(chosen)]
            first = rest if order == "random" else _least_sure_first(rest, pool, folder)
            chosen = (*chosen, *first[: following - size])
    return Course(seed, order, tuple(rounds), tuple(dice))


def _score(cases: Sequence[PreparedCase], scored: Sequence[PreparedCase], plan: Plan, folder: Path) -> float:
    kept = folder / "dice.json"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fitted = fit(plan, cases, (), folder / "checkpoints")
        package = write_package(plan.spec, fitted.weights, folder / "model")
        (network,) = load(package, "cpu", 1, "torch").networks
        dice = validation_dice(network, scored, plan)
        kept.write_text(json.dumps(float(np.mean(list(dice.values())))), encoding="utf-8")
    return float(json.loads(kept.read_text(encoding="utf-8")))


def _least_sure_first(names: Sequence[str], pool: DataSet, folder: Path) -> list[str]:
    kept = folder / "ranking.json"
    if not kept.is_file():
        model, cases = load(open_package(folder / "model"), "cpu", 1, "torch"), {case.name: case for case in pool.cases}
        unsure = {name: measure([cases[name].images[0].read()], model).disagreement for name in names}
        kept.write_text(json.dumps(sorted(names, key=lambda name: unsure[name], reverse=True)), encoding="utf-8")
    ranking: list[str] = json.loads(kept.read_text(encoding="utf-8"))
    return ranking


def table(courses: Sequence[Course], sizes: Sequence[int]) -> dict[str, object]:
    """Means over seeds, and of how many seeds the ranking was better."""
    by = {order: np.array([one.dice for one in courses if one.order == order]) for order in ORDERS}
    gain = by["ranked"] - by["random"]
    return {
        "cases": list(sizes),
        "seeds": len(gain),
        **{order: by[order].mean(axis=0).round(4).tolist() for order in ORDERS},
        "gain": gain.mean(axis=0).round(4).tolist(),
        "deviation of gain": gain.std(axis=0, ddof=min(1, len(gain) - 1)).round(4).tolist(),
        "ranked better": (gain > 0).sum(axis=0).tolist(),
    }


def plan_for(data_set: DataSet, iterations: int, patch: tuple[int, int, int], width: int) -> Plan:
    """A small network, the same in every round: what is compared is the cases."""
    stages = 3
    network = {
        "inputs": 1,
        "outputs": len(data_set.labels) + 1,
        "features": [width * 2**n for n in range(stages)],
        "kernels": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1], *[[2, 2, 2]] * (stages - 1)],
        "blocks": [2] * stages,
        "decoder_blocks": [2] * (stages - 1),
        "norm_arguments": {"eps": 1e-5, "affine": True},
    }
    return Plan(
        name="active",
        labels=data_set.labels,
        network=Network("StagedUNet", network),
        inference=Inference(patch=patch, overlap=0.25, padding="constant"),
        channels=(Channel("MRI", None, (ZScore(),)),),
        grid=Grid("RAS", spacing=(1.0, 1.0, 1.0)),
        iterations=iterations // 5,
        epochs=5,
        optimiser=Optimiser("adamw", 5e-3, weight_decay=1e-2),
    )


def main(given: Sequence[str] | None = None) -> None:
    """Runs what is missing, and prints the table as JSON."""
    parser = argparse.ArgumentParser(
        "benchmarks.clicks.active", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=default_data(), help="images, labels, train.txt, test.txt")
    parser.add_argument("--pool", type=int, default=40, help="cases that can be chosen, of train.txt")
    parser.add_argument("--scored", type=int, default=20, help="cases of test.txt")
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 6, 12], help="cases in each round")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=100, help="of each training, in patches of two")
    parser.add_argument("--patch", type=int, nargs=3, default=[36, 52, 36])
    parser.add_argument("--width", type=int, default=8, help="features of the full resolution")
    arguments = parser.parse_args(given)
    into: Path = arguments.folder
    names = shuffled(names_of(arguments.data, "train"), 0)[: arguments.pool]
    pool = open_folder(write_data_set(arguments.data, names, into / "data"))
    held = open_folder(write_data_set(arguments.data, names_of(arguments.data, "test")[: arguments.scored], into / "t"))
    a, b, c = arguments.patch
    plan = plan_for(pool, arguments.iterations, (a, b, c), arguments.width)
    scored = prepare_cases(held, plan.spec, into / "scored")
    courses = []
    for seed in range(arguments.seeds):
        courses += [course(pool, scored, plan, seed, order, arguments.sizes, into) for order in ORDERS]
        print(json.dumps(table(courses, arguments.sizes)), flush=True)


if __name__ == "__main__":
    main()
