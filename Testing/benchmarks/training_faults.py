"""A training that is killed while it writes checkpoints, and files of which one bit is flipped.

``python training_faults.py [KILLS] [FLIPS] [SEED]``, 100 and 100 by default. Every kill comes at an instant of a
checkpoint: one of Python's audit events on its folder (a file opened, renamed, removed, a folder made), or up to some
milliseconds after it, while bytes are written. Says whether a checkpoint could not be read, how many epochs were lost
at most, and whether the weights are those of a training that was left in peace; then how many flipped bits were noticed
in checkpoints, and in the weights of a model.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import torch  # noqa: E402

from fixtures.trainings import data_in_memory, tiny_plan, train_and_tell  # noqa: E402
from MedDLCore.errors import Code, MedDLError  # noqa: E402
from MedDLCore.models import open_folder, write_package  # noqa: E402
from MedDLCore.models.networks import build_network  # noqa: E402
from MedDLCore.models.package import verify_weights, weights_path  # noqa: E402
from MedDLTraining.cases import PreparedCase, prepare_cases  # noqa: E402
from MedDLTraining.loop.checkpoint import read_checkpoint, write_checkpoint  # noqa: E402
from MedDLTraining.loop.fitting import fit  # noqa: E402
from MedDLTraining.plan import Plan  # noqa: E402

Cases = Sequence[PreparedCase]

COUNTED = ("open", "os.", "shutil.")
INSTANTS = 40
"""About as many as a checkpoint has: two files written, two removed."""

MOST_LATER = 0.004
"""Seconds from an audit event to a kill: a checkpoint takes longer to write."""


def train_and_die(plan: Plan, cases: Cases, folder: Path, instant: int, later: float, to: Connection) -> None:
    """Trains until, from the first checkpoint on, so many instants have passed."""
    seen = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event.startswith(COUNTED) and arguments and str(folder) in str(arguments[0]):
            seen += 1
            if seen == instant:
                threading.Timer(later, die).start() if later else die()

    sys.addaudithook(heard)
    train_and_tell(plan, cases, folder, to)


def kills(count: int, choose: random.Random, place: Path) -> bool:
    """True: all went well."""
    data_set = data_in_memory()
    plan = tiny_plan(data_set, epochs=2 * count)
    cases = prepare_cases(data_set, plan.spec, place / "cache")
    torch.set_num_threads(1)
    whole = fit(plan, cases[:3], cases[3:], place / "whole")
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["MedDLTraining.loop.fitting"])
    folder, told, killed, unreadable, lost = place / "parts", 0, 0, 0, 0
    while killed < count:
        ours, theirs = processes.Pipe(duplex=False)
        instant, later = choose.randint(2, INSTANTS), choose.choice((0.0, choose.uniform(0, MOST_LATER)))
        child = processes.Process(target=train_and_die, args=(plan, cases, folder, instant, later, theirs))
        child.start()
        theirs.close()
        told += _epochs_told(ours)
        child.join()
        if child.exitcode == 0:
            break
        killed += 1
        state, notices = read_checkpoint(folder)
        there = len(state["history"]) if state else 0
        unreadable += bool(notices) or (state is None and told > 0)
        lost = max(lost, told + 1 - there)
        told = there
    rest = fit(plan, cases[:3], cases[3:], folder)
    equal = all(torch.equal(rest.weights[key], value) for key, value in whole.weights.items())
    print(f"{killed} kills: {unreadable} unreadable, {lost} epoch(s) lost at most, weights equal: {equal}")
    return killed == count and not unreadable and lost <= 1 and equal


def _epochs_told(events: Connection) -> int:
    """Until the process ends."""
    epochs = 0
    while True:
        try:
            epochs += events.recv() == "Epoch"
        except EOFError:
            return epochs


def flips(count: int, choose: random.Random, place: Path) -> bool:
    """True: every flipped bit was noticed."""
    states = [{"epoch": n, "weights": torch.full((5000,), float(n)), "history": [{"loss": 0.5}] * n} for n in (1, 2)]
    for state in states:
        write_checkpoint(state, place / "checkpoints", int(state["epoch"]))
    passed_over = 0
    for _ in range(count):
        with _one_bit_flipped(place / "checkpoints" / "epoch_000002.pt", choose):
            found, notices = read_checkpoint(place / "checkpoints")
        codes = [notice.code for notice in notices]
        passed_over += found is not None and found["epoch"] == 1 and codes == [Code.CHECKPOINT_DAMAGED]
    plan = tiny_plan(data_in_memory())
    package = write_package(plan.spec, build_network(plan.network).state_dict(), place / "model")
    refused = 0
    for _ in range(count):
        with _one_bit_flipped(weights_path(package.folder, package.spec.weights[0]), choose):
            try:
                verify_weights(open_folder(package.folder))
            except MedDLError as error:
                refused += error.code is Code.MODEL_CORRUPT
    verify_weights(open_folder(package.folder))
    print(f"{count} flipped bits in each: {passed_over} noticed in checkpoints, {refused} in weights")
    return passed_over == refused == count


@contextmanager
def _one_bit_flipped(path: Path, choose: random.Random) -> Iterator[None]:
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
    path.write_bytes(changed)
    yield
    path.write_bytes(whole)


def main(of_kills: int = 100, of_flips: int = 100, seed: int = 1) -> int:
    """0 where all went well."""
    choose = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        fine = [flips(of_flips, choose, Path(place)), kills(of_kills, choose, Path(place))]
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
