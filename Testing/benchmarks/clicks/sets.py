"""``python -m benchmarks.clicks.sets NAME FOLDER``: other scans in the folders that the benchmark of clicks reads.

``sts``: the T1 MR of eight patients with soft-tissue sarcoma, with their gross tumour volume (TCIA Soft-tissue-Sarcoma,
through the IBSI's data sets, CC BY 3.0). ``sunnybrook``: slices of short-axis cine MR with the left ventricle
(Sunnybrook Cardiac Data, CC0; pairs by mshunshin/SegNetCMR), each a scan of one slice.

Beside ``images`` and ``labels`` there are two lists for each part that is held out once: ``without_PART.txt`` and
``only_PART.txt``. A part is a patient, or a fifth of the patients where they are many.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from ..training.cases import default_data

FEW = 10
"""Patients of whom each is held out alone."""

FOLDS = 5

LABELS = {"sts": "tumour", "sunnybrook": "left ventricle"}
SETS = tuple(LABELS)

Case = tuple[str, str, sitk.Image, sitk.Image]
"""Patient, name, scan and label map of the value 1."""


def write_set(name: str, source: Path, folder: Path) -> dict[str, list[str]]:
    """Writes a set as files; gives the cases of each part that is held out.

    Args:
        name: of the set.
        source: the folder of all data.
        folder: for ``images``, ``labels`` and the lists.
    """
    patients: dict[str, list[str]] = {}
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for patient, case, scan, labels in (_sts if name == "sts" else _sunnybrook)(source):
        sitk.WriteImage(scan, str(folder / "images" / f"{case}.nii.gz"))
        sitk.WriteImage(labels, str(folder / "labels" / f"{case}.nii.gz"))
        patients.setdefault(patient, []).append(case)
    names = sorted(patients)
    groups = [[one] for one in names] if len(names) <= FEW else [names[n::FOLDS] for n in range(FOLDS)]
    parts = {("_".join(group) if len(group) == 1 else f"fold{n}"): group for n, group in enumerate(groups)}
    held_out = {part: [case for one in group for case in patients[one]] for part, group in parts.items()}
    every = [case for cases in held_out.values() for case in cases]
    for part, cases in held_out.items():
        _write_list(cases, folder / f"only_{part}.txt")
        _write_list([case for case in every if case not in set(cases)], folder / f"without_{part}.txt")
    (folder / "labels.json").write_text(json.dumps({LABELS[name]: 1}), encoding="utf-8")
    return held_out


def _sts(source: Path) -> Iterator[Case]:
    for folder in sorted((source / "ibsi_sts" / "nifti").iterdir()):
        scan, mask = (sitk.ReadImage(str(folder / f"MR_T1_{what}.nii.gz")) for what in ("image", "mask"))
        yield folder.name, folder.name, scan, sitk.Cast(mask > 0, sitk.sitkUInt8)


def _sunnybrook(source: Path) -> Iterator[Case]:
    """Slices without a ventricle are left out, as are the pixels' sizes, which the pictures lack."""
    root = source / "sunnybrook_png" / "Train"
    for path in sorted((root / "Labels").rglob("*.png")):
        mask = _grey(path) > 0
        if mask.any():
            scan = _grey(root / "Images" / path.relative_to(root / "Labels")).astype(np.int16)
            case = path.name.removesuffix(".dcm.png")
            labels = sitk.GetImageFromArray(mask.astype(np.uint8)[None])
            yield case.partition("-IM-")[0], case, sitk.GetImageFromArray(scan[None]), labels


def _grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))


def _write_list(cases: Sequence[str], path: Path) -> None:
    path.write_text("".join(f"{case}\n" for case in cases), encoding="utf-8")


def main(given: Sequence[str] | None = None) -> None:
    """Writes a set, and says which lists there are."""
    parser = argparse.ArgumentParser(
        "benchmarks.clicks.sets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=default_data().parent)
    arguments = parser.parse_args(given)
    held_out = write_set(arguments.set, arguments.data, arguments.folder)
    print(json.dumps({part: len(cases) for part, cases in held_out.items()}, indent=1))


if __name__ == "__main__":
    main()
