"""``python -m benchmarks.clicks MODEL``, in the folder ``Testing``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from MedDLCore.models import open_model
from MedDLCore.pipeline import Model, load, segment
from MedDLCore.readers import ReadOptions, read
from MedDLCore.volume import LabelMap

from ..training.cases import default_data, names_of, shuffled
from . import __doc__ as about
from .answering import ByGrowCut, ByNetwork
from .figures import figures
from .person import Session, correct

QUARTILE = 0.25


def run(
    model: Model, data: Path, names: Sequence[str], most: int, first: Model | None = None
) -> dict[str, list[Session]]:
    """The sessions of all cases, by who answers; ``first`` finds what the network begins with."""
    sessions: dict[str, list[Session]] = {}
    for name in names:
        (volume,) = read(data / "images" / f"{name}.nii.gz", ReadOptions(modality="MR"))
        (labels,) = read(data / "labels" / f"{name}.nii.gz", ReadOptions(modality="MR"))
        truth, given = np.asarray(labels.array).astype(np.uint8), (volume.geometry, model.spec, most)
        start = None if first is None else segment([volume], first).label_map
        nothing = LabelMap(np.zeros_like(truth), volume.geometry, model.spec.labels)
        by_network = correct(ByNetwork(volume, model, start), truth, *given)
        from_nothing = correct(ByNetwork(volume, model, nothing), truth, *given)
        for who, session in (
            ("network", by_network),
            ("network from nothing", from_nothing),
            ("grow-cut", correct(ByGrowCut(volume, model), truth, *given)),
            ("same clicks", correct(ByGrowCut(volume, model), truth, *given, by_network.clicks)),
            ("same clicks from nothing", correct(ByGrowCut(volume, model), truth, *given, from_nothing.clicks)),
        ):
            sessions.setdefault(who, []).append(session)
    return sessions


def rows(sessions: Mapping[str, Sequence[Session]], most: int) -> dict[str, Any]:
    """The figures of all cases, and of that quarter in which the network alone is worst."""
    by_dice = sorted(range(len(sessions["network"])), key=lambda n: sessions["network"][n].dice[0])
    worst = by_dice[: max(1, round(QUARTILE * len(by_dice)))]
    return {
        "all": {name: figures(each, most) for name, each in sessions.items()},
        "worst quartile": {name: figures([each[n] for n in worst], most) for name, each in sessions.items()},
    }


def main(given: Sequence[str] | None = None) -> None:
    """Runs it on some of the cases of a list, and prints the figures as JSON."""
    parser = argparse.ArgumentParser(
        "benchmarks.clicks", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="that listens; its labels have the values of the data's")
    parser.add_argument("--begin-with", metavar="MODEL", help="correct what this one finds; labels of the same values")
    parser.add_argument("--data", type=Path, default=default_data(), help="images, labels, train.txt, test.txt")
    parser.add_argument("--part", default="train", help="which list: train, test, or another one of the folder")
    parser.add_argument("--cases", type=int, default=16, help="first of the shuffled list; not to be trained on")
    parser.add_argument("--most", type=int, default=10, help="clicks of a case")
    arguments = parser.parse_args(given)
    model = load(open_model(arguments.model), "cpu", 1, "torch")
    first = load(open_model(arguments.begin_with), "cpu", 1, "torch") if arguments.begin_with else None
    names = shuffled(names_of(arguments.data, arguments.part), 0)[: arguments.cases]
    sessions = run(model, arguments.data, names, arguments.most, first)
    print(json.dumps(rows(sessions, arguments.most), indent=1))


if __name__ == "__main__":
    main()
