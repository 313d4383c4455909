"""Packages: written, opened, checked, and found by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fixtures.packages import threshold_package, threshold_spec, threshold_weights
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelStore, load_networks, open_model, write_package
from MedDLCore.models.description import MOST_BYTES, description_of, read_json
from MedDLCore.spec import Weights


def refused(code: Code, action, *arguments, **more) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        action(*arguments, **more)
    assert caught.value.code is code, caught.value
    return caught.value


def plain_folder(folder: Path, spec, weights=None) -> Path:
    folder.mkdir(parents=True)
    (folder / "meddl.json").write_text(json.dumps(description_of(spec)))
    save_file(threshold_weights() if weights is None else weights, folder / "weights.bin")
    return folder


def test_a_written_package_opens_with_the_same_spec_and_runs(tmp_path: Path) -> None:
    written = threshold_package(tmp_path / "threshold")
    opened = open_model(tmp_path / "threshold")
    assert opened == written
    assert replace(opened.spec, weights=threshold_spec().weights) == threshold_spec()
    (network,) = load_networks(opened)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    logits = network(torch.tensor([99.0, 101.0]).reshape(1, 1, 2, 1, 1))
    assert logits.argmax(1).flatten().tolist() == [0, 1]


def test_a_package_has_the_files_and_keys_of_a_bundle(tmp_path: Path) -> None:
    threshold_package(tmp_path / "m", version="1.2.3", description="Finds balls.")
    files = {p.relative_to(tmp_path / "m").as_posix() for p in (tmp_path / "m").rglob("*") if p.is_file()}
    assert files == {"configs/metadata.json", "models/model.safetensors", "LICENSE", "docs/README.md"}
    metadata = json.loads((tmp_path / "m/configs/metadata.json").read_text())
    mandatory = {
        "version",
        "monai_version",
        "pytorch_version",
        "numpy_version",
        "required_packages_version",
        "task",
        "description",
        "authors",
        "copyright",
        "network_data_format",
    }
    assert mandatory <= set(metadata)
    assert metadata["version"] == "1.2.3"
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "ball"}
    assert metadata["meddl"]["meddl_format"] == 1
    assert "Finds balls." in (tmp_path / "m/docs/README.md").read_text()
    assert (tmp_path / "m/LICENSE").read_text() == "CC0-1.0\n"


def test_an_ensemble_has_one_file_and_one_network_per_member(tmp_path: Path) -> None:
    package = write_package(threshold_spec(), [threshold_weights(10), threshold_weights(20)], tmp_path / "m")
    assert [w.file for w in package.spec.weights] == ["models/model_0.safetensors", "models/model_1.safetensors"]
    biases = [float(network.model[0].bias[1]) for network in load_networks(package)]
    assert biases == pytest.approx([-0.1, -0.2])


def test_an_existing_folder_is_not_written_over_and_nothing_is_left_behind(tmp_path: Path) -> None:
    threshold_package(tmp_path / "m")
    refused(Code.MODEL_EXISTS, threshold_package, tmp_path / "m")
    refused(Code.MODEL_INVALID, write_package, threshold_spec(), {}, tmp_path / "empty")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_the_identity_follows_the_description_and_the_weights_and_not_the_folder(tmp_path: Path) -> None:
    first = threshold_package(tmp_path / "a")
    assert threshold_package(tmp_path / "b").sha256 == first.sha256
    assert threshold_package(tmp_path / "c", description="other").sha256 != first.sha256
    other = write_package(threshold_spec(), threshold_weights(99), tmp_path / "d")
    assert other.sha256 != first.sha256


def test_one_flipped_bit_anywhere_in_the_weights_is_refused(tmp_path: Path) -> None:
    package = threshold_package(tmp_path / "m")
    path = tmp_path / "m/models/model.safetensors"
    good = path.read_bytes()
    for n in range(100):
        position = n * len(good) // 100
        bad = bytearray(good)
        bad[position] ^= 1 << (n % 8)
        path.write_bytes(bad)
        refused(Code.MODEL_CORRUPT, load_networks, package)
    path.write_bytes(good)
    assert load_networks(package)


def test_weights_without_a_known_hash_get_one_when_they_are_opened(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "p", threshold_spec(weights=(Weights("weights.bin"),)))
    package = open_model(folder)
    assert package.spec.weights[0].sha256 is not None
    (folder / "weights.bin").write_bytes((folder / "weights.bin").read_bytes()[:-1] + b"\x01")
    refused(Code.MODEL_CORRUPT, load_networks, package)


def test_an_own_package_without_hashes_is_refused(tmp_path: Path) -> None:
    threshold_package(tmp_path / "m")
    path = tmp_path / "m/configs/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["meddl"]["weights"][0]["sha256"] = None
    path.write_text(json.dumps(metadata))
    refused(Code.MODEL_INVALID, open_model, tmp_path / "m")


@pytest.mark.parametrize(
    "file",
    ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "..\\secret.bin", "C:\\secret.bin", "C:secret.bin", "", "."],
)
def test_weights_outside_the_folder_are_refused(tmp_path: Path, file: str) -> None:
    save_file(threshold_weights(), tmp_path / "secret.bin")
    folder = plain_folder(tmp_path / "p", threshold_spec(weights=(Weights(file),)))
    refused(Code.MODEL_INVALID, open_model, folder)


def test_weights_through_a_link_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    save_file(threshold_weights(), tmp_path / "secret.bin")
    folder = plain_folder(tmp_path / "p", threshold_spec(weights=(Weights("linked.bin"),)))
    (folder / "linked.bin").symlink_to(tmp_path / "secret.bin")
    assert "outside" in refused(Code.MODEL_INVALID, open_model, folder).message


def test_missing_weights_are_named(tmp_path: Path) -> None:
    threshold_package(tmp_path / "m")
    (tmp_path / "m/models/model.safetensors").unlink()
    assert "model.safetensors" in refused(Code.MODEL_INVALID, open_model, tmp_path / "m").message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "JSON"),
        ("[1]", "object"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "too large"),
        ("[" * 100_000, "JSON"),
        ('{"a": ' + "9" * 5000 + "}", "JSON"),
        ("\udcff", "JSON"),
        ('{"a": "' + "x" * MOST_BYTES + '"}', "larger"),
    ],
)
def test_a_description_that_is_not_plain_json_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "meddl.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert problem in refused(Code.MODEL_INVALID, read_json, path).message


@pytest.mark.parametrize("number", [None, 2, True, "1"])
def test_a_description_of_another_format_is_refused(tmp_path: Path, number: object) -> None:
    folder = plain_folder(tmp_path / "p", threshold_spec(weights=(Weights("weights.bin"),)))
    data = json.loads((folder / "meddl.json").read_text()) | {"meddl_format": number}
    (folder / "meddl.json").write_text(json.dumps(data))
    assert "meddl_format" in refused(Code.MODEL_INVALID, open_model, folder).message


def test_a_bundle_without_our_description_and_an_empty_folder_are_refused_with_what_is_needed(tmp_path: Path) -> None:
    assert "meddl.json" in refused(Code.MODEL_INVALID, open_model, tmp_path).hint
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/metadata.json").write_text('{"version": "1"}')
    assert "inference.json" in refused(Code.MODEL_INVALID, open_model, tmp_path).hint


def test_a_model_is_found_by_folder_then_in_the_store(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    threshold_package(tmp_path / "source")
    store.add(tmp_path / "source")
    assert open_model("threshold", store).folder == tmp_path / "store/threshold"
    assert open_model("Threshold", store).folder == tmp_path / "store/threshold"
    assert open_model(str(tmp_path / "source"), store).folder == tmp_path / "source"


def test_a_folder_of_results_named_like_a_model_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(tmp_path / "store")
    threshold_package(tmp_path / "source")
    store.add(tmp_path / "source")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "threshold").mkdir()
    assert open_model("threshold", store).folder == tmp_path / "store/threshold"
    refused(Code.MODEL_INVALID, open_model, "threshold", ModelStore(tmp_path / "empty"))
    refused(Code.MODEL_NOT_FOUND, open_model, "", store)


def test_a_name_that_is_not_there_is_answered_with_near_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore(tmp_path / "store")
    threshold_package(tmp_path / "source")
    store.add(tmp_path / "source")
    assert "threshold" in refused(Code.MODEL_NOT_FOUND, open_model, "treshold", store).hint
    assert "meddl models get brain-tissue-t1" in refused(Code.MODEL_NOT_FOUND, open_model, "brain_tissue", store).hint
    (tmp_path / "alone/here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "alone/here")
    assert refused(Code.MODEL_NOT_FOUND, open_model, "../store", ModelStore(tmp_path / "none")).hint


def test_a_zip_given_as_a_model_is_answered_with_how_to_add_it(tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "m"), "zip", threshold_package(tmp_path / "source").folder)
    assert "meddl models add" in refused(Code.MODEL_INVALID, open_model, tmp_path / "m.zip").hint


def test_importing_the_models_and_listing_them_does_not_import_torch(tmp_path: Path) -> None:
    threshold_package(tmp_path / "store/threshold")
    program = (
        "import sys; from MedDLCore.models import ModelStore, catalogue; "
        f"assert len(ModelStore({str(tmp_path / 'store')!r}).list()) == 1 and catalogue(); "
        "sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_everybody_may_read_the_weights_of_a_package(tmp_path: Path) -> None:
    """A model is there to be shared; some libraries write files that only their owner can read."""
    package = write_package(threshold_spec(), threshold_weights(), tmp_path / "package")
    assert (package.folder / package.spec.weights[0].file).stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize("name", ["n" * 5000, "m" * 300 + "/model"])
def test_a_name_too_long_to_be_a_file_s_is_not_found(name: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    for attempt, code in (
        (lambda: open_model(name, store), Code.MODEL_NOT_FOUND),
        (lambda: store.add(name), Code.FILE_NOT_FOUND),
    ):
        with pytest.raises(MedDLError) as refusal:
            attempt()
        assert refusal.value.code is code
        assert len(refusal.value.message) < 500


def test_a_disk_that_is_full_is_named_and_leaves_no_half_of_a_model(tmp_path: Path) -> None:
    """The library that writes safetensors hides the system's reason."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(MedDLError) as refused:
            write_package(threshold_spec(), {"weight": torch.ones(100_000)}, tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.code is Code.NO_SPACE
    assert not list(tmp_path.iterdir())
