"""Makes the hippocampus models that come with MedDL, from the scans to their folders in the tree, by ``meddl`` itself.

    python -m benchmarks.training.shipped --minutes 60 --listening 45 --into FOLDER       # after a kill: the same again
    python -m benchmarks.training.shipped --minutes 60 --listening 45 --into FOLDER --install

To be run in the folder ``Testing``; see ``benchmarks.training`` for the scans. A tenth of ``train.txt`` is watched, the
rest is learnt from; ``test.txt`` is looked at by the finished networks alone. The second network, with ``--listening``,
begins as the first one and learns to listen to clicks. It finds a little less on its own, so it does not take the
place of the first one: it corrects what that one found.

What lies in ``FOLDER`` is kept: a training that was begun goes on, and one that is finished is only judged and
published. So a better network takes the place of one by the same command, its training (``plan.json``, ``split.json``,
``history.json``, ``model``) put into ``FOLDER/hippocampus`` or ``FOLDER/hippocampus-clicks``.
Without ``--install`` the tree stays as it is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from MedDLCore.models.opening import SHIPPED

from .cases import LABELS, LEARNT_FROM, SCORED, default_data, names_of, write_data_set
from .command import ONE, meddl, one_thread

NAME, CLICKS = "hippocampus", "hippocampus-clicks"

STRUCTURES = {f"{part.lower()} hippocampus": value for part, value in LABELS.items()}
"""Under names whose codes are known."""

MOST_BYTES = 10_000_000

GENTLE_RATE = 3e-4
"""At which a network that is good learns to listen: with the usual one it forgets more of what it could."""

SAID = {
    "title": "Hippocampus on T1 MR, two parts",
    "licence": "CC-BY-SA-4.0",
    "authors": "MedDL",
    "description": "Finds the anterior part (the head) and the posterior part (body and tail) of the hippocampus in "
    "T1-weighted MRI, around points. Trained on the hippocampus of the Medical Segmentation Decathlon (Task04).",
    "intended-use": "Research on volumes of the hippocampus in T1-weighted MRI of adults, at about 1 mm. It looks at a "
    "box of about 35 x 50 x 36 mm around each point that it is given: give one in the middle of each hippocampus.",
    "limits": "Not for diagnosis. It has learnt from crops of left hippocampi, of healthy adults and of adults with a "
    "psychotic disorder, from one hospital; a right hippocampus it knows only as the mirror image of a left one. "
    "Children, atrophy as in dementia, sclerosis, tumours, other sequences than T1 and other fields of view were not "
    "tested. Points far from a hippocampus give meaningless segments. The border between the two parts is a "
    "convention of those who drew them.",
    "data-source": "Medical Segmentation Decathlon, Task04 Hippocampus (medicaldecathlon.com; Vanderbilt University "
    "Medical Center), CC BY-SA 4.0: a part of its training set, whose labels are public.",
    "citation": "Simpson et al. 2019, A large annotated medical image dataset for the development and evaluation of "
    "segmentation algorithms, arXiv:1902.09063. Antonelli et al. 2022, The Medical Segmentation Decathlon, Nature "
    "Communications 13, 4128, doi:10.1038/s41467-022-30695-9.",
}
"""Options of ``meddl publish``: what only a person can say."""

SAID_OF_CLICKS = {
    **SAID,
    "title": "Hippocampus on T1 MR, two parts, corrected by clicks",
    "description": f"Corrects by clicks what {NAME} finds in T1-weighted MRI, or finds it by itself, a little less "
    f"well. It began with the weights of {NAME} and learnt from the same scans.",
}


def main(given: Sequence[str] | None = None) -> None:
    """Trains, judges, publishes; each step as a person would type it, and printed so."""
    arguments = _arguments(given)
    into, data = arguments.into.resolve(), arguments.data.resolve()
    learnt, scored = (
        write_data_set(data, names_of(data, part), into / part, STRUCTURES) for part in (LEARNT_FROM, SCORED)
    )
    scan = data / "images" / f"{names_of(data, SCORED)[0]}.nii.gz"
    plain = into / NAME
    meddl("train", learnt, "--out", plain, "--minutes", arguments.minutes, "--folds", 10, "--resume", *ONE)
    made = {NAME: _published(plain, SAID, scored, scan)}
    if arguments.listening:
        listening = into / CLICKS
        _teach_to_listen(learnt, made[NAME], listening, arguments.listening)
        made[CLICKS] = _published(listening, SAID_OF_CLICKS, scored, scan)
    if arguments.install:
        for name, folder in made.items():
            shutil.rmtree(SHIPPED / name, ignore_errors=True)
            shutil.copytree(folder, SHIPPED / name)
            print(f"installed: {SHIPPED / name}")


def _teach_to_listen(learnt: Path, begin_with: Path, out: Path, minutes: float) -> None:
    plan_file = out / "plan.json"
    if not plan_file.is_file():
        begun = ("--from", begin_with, "--interactive", "--minutes", minutes, "--folds", 10, "--name", CLICKS)
        meddl("train", learnt, "--out", out, *begun, "--only-plan", *ONE)
        plan = json.loads(plan_file.read_text(encoding="utf-8"))
        plan["optimiser"]["rate"] = GENTLE_RATE
        plan_file.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    meddl("train", learnt, "--out", out, "--resume", *ONE)


def _published(training: Path, said: Mapping[str, str], scored: Path, scan: Path) -> Path:
    """The model of a training, with its card; not larger than may come with MedDL."""
    report, made = (training.with_name(f"{training.name}.{what}") for what in ("evaluation", "published"))
    meddl("evaluate", scored, "--model", training / "model", "--out", report, "--overwrite", *ONE)
    stated = [part for name, text in said.items() for part in (f"--{name}", text)]
    more = ("--evaluation", report, "--measure", scan, "--for-meddl-alone", "--overwrite")
    meddl("publish", training, "--out", made, *stated, *more)
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    if size > MOST_BYTES:
        sys.exit(f"{training.name}: {size / 1e6:.1f} MB are too many to come with MedDL")
    return made


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "benchmarks.training.shipped", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60, help="of the training; 60 by default")
    parser.add_argument("--listening", type=float, metavar="MINUTES", help="of the training of the one for clicks")
    parser.add_argument("--into", type=Path, required=True, help="folder of everything that is made on the way")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of the scans")
    parser.add_argument("--install", action="store_true", help="replace the models in the tree")
    return parser.parse_args(given)


if __name__ == "__main__":
    one_thread()
    main()
