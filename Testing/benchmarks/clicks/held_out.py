"""``python -m benchmarks.clicks.held_out SET FOLDER --minutes M``: every part of another set is held out once.

For each part (see ``benchmarks.clicks.sets``) ``meddl train --interactive`` makes a network from all others, within M
CPU-minutes of one thread or by a plan that is given, and a simulated person corrects what it finds in the part (see
``benchmarks.clicks``). The figures over the cases of all parts are printed, and lie in ``figures.json``. What lies in
FOLDER is kept: what was cut off goes on, by the same command.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MedDLCore.click import Click
from MedDLCore.models import open_model
from MedDLCore.pipeline import load
from MedDLTraining.training import MODEL, PLAN

from ..training.cases import default_data, names_of, write_data_set
from ..training.command import ONE, meddl, one_thread
from ..training.pace import counting_cpu_seconds
from .__main__ import rows, run
from .person import Session
from .sets import LABELS, SETS, write_set

Sessions = dict[str, list[Session]]


def train(learnt: Path, out: Path, minutes: float, plan: Path | None) -> Path:
    """Trains, or goes on, or finds that it is done; gives the model's folder."""
    if (out / PLAN).is_file():
        given: tuple[object, ...] = ("--resume",)
    elif plan is not None:
        given = ("--plan", plan)
    else:
        given = ("--interactive", "--minutes", minutes)
    with counting_cpu_seconds():
        meddl("train", learnt, "--out", out, *given, *ONE)
    return out / MODEL


def correct_part(data: Path, cases: Sequence[str], model: Path, kept: Path, most: int) -> Sessions:
    """The sessions of a part, by who answers; those that are ``kept``, where they are."""
    if not kept.is_file():
        sessions = run(load(open_model(model), "cpu", 1, "torch"), data, cases, most)
        plain = {who: [asdict(session) for session in its] for who, its in sessions.items()}
        kept.write_text(json.dumps(plain), encoding="utf-8")
    read = json.loads(kept.read_text(encoding="utf-8"))
    return {who: [_session(one) for one in its] for who, its in read.items()}


def _session(plain: dict[str, Any]) -> Session:
    clicks = tuple(Click(**{**click, "point": tuple(click["point"])}) for click in plain["clicks"])
    return Session(tuple(plain["dice"]), clicks, plain["obeyed"], tuple(plain["seconds"]))


def main(given: Sequence[str] | None = None) -> None:
    """Does what is missing, and prints the figures as JSON."""
    parser = argparse.ArgumentParser(
        "benchmarks.clicks.held_out", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10, help="CPU-minutes of each training")
    parser.add_argument("--plan", type=Path, help="follow this plan in place of making one for each part")
    parser.add_argument("--data", type=Path, default=default_data().parent)
    parser.add_argument("--most", type=int, default=10, help="clicks of a case")
    arguments = parser.parse_args(given)
    data = arguments.folder.resolve() / "scans"
    held_out = write_set(arguments.set, arguments.data, data)
    all_sessions: Sessions = {}
    for part, cases in held_out.items():
        place = data.parent / part
        learnt = write_data_set(data, names_of(data, f"without_{part}"), place, {LABELS[arguments.set]: 1})
        model = train(learnt, place / "training", arguments.minutes, arguments.plan)
        for who, its in correct_part(data, cases, model, place / "sessions.json", arguments.most).items():
            all_sessions.setdefault(who, []).extend(its)
    figures = json.dumps(rows(all_sessions, arguments.most), indent=1)
    (data.parent / "figures.json").write_text(figures, encoding="utf-8")
    print(figures)


if __name__ == "__main__":
    one_thread()
    main()
