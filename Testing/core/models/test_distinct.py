"""Structures of a foreign model that have one name are told apart, and the person is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import nn

from fixtures.auto3dseg import config
from fixtures.auto3dseg import write_model as write_auto3dseg
from fixtures.monai_bundles import inference_json, write_bundle
from fixtures.nnunet_folder import made_network, results_folder
from fixtures.packages import layer
from MedDLCore.errors import Code, Notice
from MedDLCore.models import ModelPackage, open_model
from MedDLCore.models.distinct import distinct
from MedDLCore.spec_rules import LONGEST_LABEL
from MedDLCore.volume import Label


def names(package: ModelPackage) -> list[str]:
    return [label.name for label in package.spec.labels]


def said(notices: tuple[Notice, ...]) -> str:
    (notice,) = [notice for notice in notices if notice.code is Code.MODEL_LABELS]
    return notice.message


def monai(folder: Path) -> Path:
    return write_bundle(folder, inference_json(), nn.Conv3d(1, 4, 1), ("background", "Liver", "spleen", "liver"))


def nnunet(folder: Path) -> Path:
    labels = {"background": 0, "Liver": 1, "spleen": 2, " liver": 3}
    return results_folder(folder, dataset=lambda data: data.update(labels=labels), network=made_network(outputs=4))


def auto3dseg(folder: Path) -> Path:
    return write_auto3dseg(folder, config(), ["Liver", "spleen", "liver"])


def meshnet(folder: Path) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"layers": [layer(1, 4)]}))
    grey = [0, 80, 160, 240]
    colormap = {"labels": ["background", "Liver", "spleen", "liver"], "R": grey, "G": grey, "B": grey}
    (folder / "colormap.json").write_text(json.dumps(colormap))
    save_file({"model.0.weight": torch.zeros(4, 1, 1, 1, 1), "model.0.bias": torch.zeros(4)}, folder / "model.pth")
    return folder


@pytest.mark.parametrize("kind", [monai, nnunet, auto3dseg, meshnet])
def test_the_second_structure_of_a_name_gets_a_number_with_a_warning(kind, tmp_path: Path) -> None:
    package = open_model(kind(tmp_path / "model"))
    assert names(package) == ["Liver", "spleen", "liver 2"]
    assert "3 is now 'liver 2'" in said(package.notices)
    first, _, third = package.spec.labels
    assert first.terminology == third.terminology is not None  # the code is that of the name that it had


def made(*given: str) -> list[Label]:
    return [Label(n, name, (1, 2, 3)) for n, name in enumerate(given, start=1)]


def test_a_new_name_is_one_that_no_other_structure_has() -> None:
    labels, notices = distinct(made("cyst", "cyst", "cyst 2", "CYST", "cyst 3"))
    assert [label.name for label in labels] == ["cyst", "cyst 4", "cyst 2", "CYST 5", "cyst 3"]
    assert len(notices) == 1


def test_a_name_stays_within_its_length() -> None:
    labels, _ = distinct(made("x" * LONGEST_LABEL, "x" * LONGEST_LABEL))
    assert labels[1].name == "x" * (LONGEST_LABEL - 2) + " 2"


def test_a_warning_names_a_few_of_many() -> None:
    _, notices = distinct(made(*["x"] * 100))
    assert "6 is now 'x 6' and 94 more" in said(notices)


def test_names_that_differ_are_left_alone_without_a_word() -> None:
    given = made("left kidney", "right kidney")
    assert distinct(given) == (tuple(given), ())
