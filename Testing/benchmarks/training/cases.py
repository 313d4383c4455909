"""The scans that are learnt from and scored on, how they are divided, and the folder that every engine reads."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

DATA_SET = "Dataset004_Hippocampus"
"""The folder's name as nnU-Net wants it, with the Decathlon's number."""

LABELS = {"Anterior": 1, "Posterior": 2}
"""As the Decathlon calls the two parts of the hippocampus."""

FOLDS = 5
LEARNT_FROM, SCORED = "train", "test"

Names = tuple[str, ...]


def default_data() -> Path:
    """Where the scans are looked for: ``images``, ``labels``, and the lists ``train.txt`` and ``test.txt``."""
    data = os.environ.get("MEDDL_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
    return Path(data) / "hippocampus"


def names_of(data: Path, part: str) -> Names:
    """The cases of a list, in its order."""
    return tuple((data / f"{part}.txt").read_text(encoding="utf-8").split())


def shuffled(names: Sequence[str], seed: int) -> Names:
    """Another order of the cases, always the same for a seed."""
    return tuple(random.Random(seed).sample(sorted(names), len(names)))


def divided(names: Sequence[str], fold: int) -> tuple[Names, Names]:
    """What is learnt from and what is held out of it; the folds are the same for every engine and seed."""
    order = shuffled(names, 0)
    held_out = order[fold::FOLDS]
    return tuple(name for name in order if name not in set(held_out)), held_out


def write_data_set(
    data: Path, names: Sequence[str], folder: Path, labels: Mapping[str, int] = MappingProxyType(LABELS)
) -> Path:
    """Makes the data set that the engines are given, in the Decathlon's layout: links to the scans of ``names``."""
    root = folder / DATA_SET
    for name in names:
        for place, file in (("images", f"imagesTr/{name}_0000"), ("labels", f"labelsTr/{name}")):
            link = root / f"{file}.nii.gz"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to((data / place / f"{name}.nii.gz").resolve())
    description = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, **labels},
        "numTraining": len(names),
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
    return root
