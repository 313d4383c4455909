"""A trusted bundle runs its own code, but not in this process, not longer than it may, and what it gives is checked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import psutil
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import EnsureChannelFirstd, LoadImaged

from fixtures.balls import ball, turned
from fixtures.own_code import PHASES, own_code_bundle, phases_inference
from fixtures.published_bundle import inference, write_bundle
from MedDLCore import pipeline
from MedDLCore.admission import Options
from MedDLCore.atomic import temporary_name
from MedDLCore.errors import Code, MedDLError
from MedDLCore.models import ModelPackage
from MedDLCore.models.trusted import Consents, file_set, open_trusted, run_trusted
from MedDLCore.models.trusted.parent import checked
from MedDLCore.models.trusted.scan_reader import scan_reader
from MedDLCore.pipeline import load, segment
from MedDLCore.preprocess import Region, inside
from MedDLCore.spec import Channel
from MedDLCore.volume import Geometry, Label, LabelMap, Volume


def scan() -> Volume:
    """A ball in a small, oblique, left-handed CT, whose place is one that NIfTI can hold (float32)."""
    place = Geometry.from_parts((14, 20, 18), (1.8, 1.4, 2.2), turned(20) * [1, -1, 1], (5, -8, 30))
    geometry = Geometry(place.shape, place.ijk_to_ras.astype(np.float32))
    noise = np.random.default_rng(1).normal(0, 60, geometry.shape)
    volume = ball(geometry, geometry.index_to_ras((9, 10, 7)), 9)
    return Volume((volume.array / 8 + noise).astype(np.float32), geometry, "CT")


def phases() -> list[Volume]:
    """Three scans on one grid that have nothing in common."""
    volume = scan()
    others = np.random.default_rng(2).normal(50, 150, (2, *volume.geometry.shape)).astype(np.float32)
    return [volume, *(Volume(array, volume.geometry, "CT") for array in others)]


def run(
    bundle: Path, tell: Callable[[int, int], None] = lambda *_: None, volumes: Sequence[Volume] | None = None
) -> LabelMap:
    store = bundle.parent / "store"
    Consents(store).grant(bundle, file_set(bundle))
    package = open_trusted(bundle, store)
    assert package is not None and package.spec.labels[0].name == "spleen"
    return run_trusted(package, volumes or [scan()], "cpu", tell)


def refused(bundle: Path, volumes: Sequence[Volume] | None = None) -> MedDLError:
    with pytest.raises(MedDLError) as caught:
        run(bundle, volumes=volumes)
    return caught.value


def monais_own(config: dict[str, Any], bundle: Path, files: dict[str, str]) -> Any:
    """What MONAI makes of the files of scans in this process: ``(K, J, I)`` label values."""
    config["device"], config["output_dir"] = "cpu", str(bundle)
    config["postprocessing"]["transforms"].pop()
    parser = ConfigParser(config)
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(bundle / "models/model.pt", weights_only=True))
    data = parser.get_parsed_content("preprocessing")(files)
    with torch.inference_mode():
        found = parser.get_parsed_content("inferer")(data["image"][None], network.eval())
    data["pred"] = found[0]
    wanted = parser.get_parsed_content("postprocessing")(data)["pred"][0].numpy().T
    assert 0 < (wanted > 0).mean() < 1
    return wanted


def saved(volume: Volume, path: Path) -> str:
    nibabel.save(nibabel.Nifti1Image(volume.array.T, volume.geometry.ijk_to_ras), path)
    return str(path)


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_the_result_is_that_of_monais_own_transforms_and_inferer(tmp_path: Path) -> None:
    """The oracle is MONAI in this process, on the scan as a file, with a harmless bundle."""
    bundle, volume = write_bundle(tmp_path / "bundle"), scan()
    wanted = monais_own(inference(), bundle, {"image": saved(volume, tmp_path / "scan.nii")})
    result = run(bundle)
    assert result.geometry is not volume.geometry and result.geometry.same_as(volume.geometry)
    assert (result.array == wanted).mean() >= 0.9999


@pytest.mark.parametrize("answer", [None, "label", "seg"])
def test_inputs_under_several_keys_go_one_to_each_and_the_network_is_given_what_is_made_of_them(
    tmp_path: Path, answer: str | None
) -> None:
    """Guards a network that ran on the first input as it was loaded, and keys of a truth that no scan comes with."""
    bundle, volumes = write_bundle(tmp_path / "bundle", phases_inference(answer)), phases()
    files = {key: saved(volume, tmp_path / f"{key}.nii") for key, volume in zip(PHASES, volumes, strict=True)}
    wanted = monais_own(phases_inference(), bundle, files)
    assert (run(bundle, volumes=volumes).array == wanted).mean() >= 0.9999
    assert (run(bundle, volumes=volumes[::-1]).array == wanted).mean() < 0.99, "the order matters, or nothing is tested"


def test_a_bundle_that_loads_another_number_of_images_than_it_says_is_refused(tmp_path: Path) -> None:
    error = refused(write_bundle(tmp_path / "bundle", phases_inference()), phases()[:2])
    assert error.code is Code.MODEL_INVALID
    assert "loads 3 images (artery, vein, excret); its metadata say 2" in error.message


def test_a_bundle_that_makes_no_one_image_of_several_is_refused(tmp_path: Path) -> None:
    config = phases_inference()
    del config["preprocessing"]["transforms"][4:]
    error = refused(write_bundle(tmp_path / "bundle", config), phases())
    assert error.code is Code.MODEL_INVALID and "makes no 'image'" in error.message


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_network_that_computes_no_numbers_gives_no_result(tmp_path: Path, value: str) -> None:
    """Guards an empty segmentation: the argmax of NaN is the background."""
    error = refused(own_code_bundle(tmp_path / "bundle", f"return super().forward(x) * float({value!r})"))
    assert error.code is Code.NETWORK_NONFINITE


def test_a_failure_is_told_by_its_innermost_cause_without_addresses(tmp_path: Path) -> None:
    config = inference()
    config["preprocessing"]["transforms"].append({"_target_": "scripts.own.Spilling", "keys": "image"})
    own = "class Spilling:\n    def __init__(self, keys): pass\n    def __call__(self, data): raise OSError('milk')\n"
    error = refused(write_bundle(tmp_path / "bundle", config, {"scripts/own.py": own, "scripts/__init__.py": ""}))
    assert error.code is Code.MODEL_INVALID
    assert "OSError: milk (in RuntimeError: applying transform <scripts.own.Spilling object>" in error.message
    assert "0x" not in error.message


def test_running_out_of_memory_within_a_transform_is_told_apart(tmp_path: Path) -> None:
    act = "try: raise MemoryError('all gone')\n        except MemoryError as e: raise RuntimeError('applying') from e"
    error = refused(own_code_bundle(tmp_path / "bundle", act))
    assert error.code is Code.NO_MEMORY and "all gone" in error.message


def test_code_that_reads_standard_input_finds_it_empty(tmp_path: Path) -> None:
    """Guards a run that waited for ever, and a channel that the bundle read in MedDL's place."""
    deadline = time.monotonic() + 120

    def tell(*_: Any) -> None:
        if time.monotonic() > deadline:
            raise StoppedError

    act = "assert sys.stdin.read() == '' and os.read(0, 1) == b''"
    assert run(own_code_bundle(tmp_path / "bundle", act), tell).array.any()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_loading_transform_is_given_the_scan_in_its_place(tmp_path: Path, channels: int) -> None:
    volume = scan()
    files = []
    for n in range(channels):
        files.append(str(tmp_path / f"{n}.npy"))
        np.save(files[-1], volume.array.T + n)
    load_image = LoadImaged(keys="image", reader=scan_reader(volume.geometry.ijk_to_ras))
    image = EnsureChannelFirstd(keys="image")(load_image({"image": files if channels > 1 else files[0]}))["image"]
    assert np.array_equal(image.numpy(), np.stack([volume.array.T + n for n in range(channels)]))
    assert np.array_equal(image.affine.numpy(), volume.geometry.ijk_to_ras)


def test_its_channels_lie_on_the_grid_of_the_first_whatever_their_own_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a result of inputs that were laid over each other voxel by voxel."""
    bundle, given = own_code_bundle(tmp_path / "bundle"), []
    Consents(tmp_path).grant(bundle, file_set(bundle))
    package = open_trusted(bundle, tmp_path)
    assert package is not None
    package = replace(package, spec=replace(package.spec, channels=(Channel("a"), Channel("b"))))

    def run_trusted(package: ModelPackage, volumes: Sequence[Volume], *_: Any) -> LabelMap:
        given.extend(volumes)
        return LabelMap(np.zeros(volumes[0].geometry.shape, np.uint8), volumes[0].geometry, package.spec.labels)

    monkeypatch.setattr(pipeline, "run_trusted", run_trusted)
    places = [Geometry.from_parts((20, 20, 20), (mm, mm, mm), np.eye(3), (0, 0, 0)) for mm in (1.0, 1.5)]
    scans = [ball(place, (10, 9, 8), 6) for place in places]
    found = segment(scans, load(package, "cpu", 1), Options(crop_body=True))
    assert [notice.code for notice in found.notices] == [Code.NOT_CROPPED, Code.EMPTY_RESULT]
    first, second = given
    assert second.geometry.same_as(first.geometry) and second.array.shape == first.array.shape
    assert np.mean(np.abs(second.array - first.array)) < 0.2 * np.mean(np.abs(scans[1].array - first.array))


def test_the_code_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    act = f"json.dump([os.getpid(), os.getpgid(0), os.getcwd(), os.path.abspath(__file__)], open({str(facts)!r}, 'w'))"
    bundle = own_code_bundle(tmp_path / "bundle", act)
    canary = tmp_path / "canary"
    (bundle / "configs/logging.conf").write_text(f"[handler_h]\nargs=(open({str(canary)!r}, 'w'),)\n")
    result = run(bundle)
    assert not canary.exists(), "logging.conf is code, and never read"
    pid, group, folder, file = json.loads(facts.read_text())
    assert pid != os.getpid() and group == pid != os.getpgid(0)
    assert file == str(bundle / "scripts/own.py")
    assert not Path(folder).exists(), "its private folder stays"
    assert not psutil.pid_exists(pid)
    assert result.array.any()
    assert "scripts.own" not in sys.modules and str(bundle) not in sys.path
    assert not list(bundle.rglob("__pycache__")), "running it has changed what was agreed to"


NOISE = "print('{\"event\": \"result\"}', flush=True); os.write(1, b'noise\\n'); sys.stdout.write('x' * 100000)"


def test_what_the_bundle_prints_does_not_disturb(tmp_path: Path) -> None:
    assert run(own_code_bundle(tmp_path / "bundle", NOISE)).array.any()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("raise ValueError('out of milk')", "out of milk"),
        ("os._exit(3)", "status 3"),
        ("sys.exit('enough')", "enough"),
    ],
)
def test_code_that_fails_is_a_refusal_in_words(tmp_path: Path, act: str, words: str) -> None:
    error = refused(own_code_bundle(tmp_path / "bundle", act))
    assert error.code is Code.MODEL_INVALID and words in error.message


def test_running_out_of_memory_is_told_apart(tmp_path: Path) -> None:
    """The system kills a process for which it has no memory left."""
    assert refused(own_code_bundle(tmp_path / "bundle", "os.kill(os.getpid(), 9)")).code is Code.NO_MEMORY


class StoppedError(Exception):
    """What the caller raises to cancel."""


SLEEP = "import subprocess; p = subprocess.Popen(['sleep', '600']); open({facts!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}'); time.sleep(600)"  # noqa: E501


def test_cancelling_ends_the_process_and_what_it_has_started(tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    bundle = own_code_bundle(tmp_path / "bundle", SLEEP.format(facts=str(facts)))

    def tell(*_: Any) -> None:
        if facts.exists() and len(facts.read_text().split()) == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(bundle, tell)
    assert all(_gone(int(pid)) for pid in facts.read_text().split())


PARENT = """
import sys
sys.path[:0] = {paths!r}
sys.modules[__name__].__spec__ = None
import importlib.util
spec = importlib.util.spec_from_file_location("trusted_processes", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from pathlib import Path
module.run(Path({bundle!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")
def test_the_process_and_the_scan_in_its_folder_end_with_the_one_that_started_it(tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    facts = tmp_path / "facts"
    bundle = own_code_bundle(tmp_path / "bundle", SLEEP.format(facts=str(facts)))
    testing = str(Path(__file__).resolve().parents[1])
    code = PARENT.format(paths=[testing], file=__file__, bundle=str(bundle))
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(place)})
    try:
        deadline = time.monotonic() + 120
        while not (facts.exists() and len(facts.read_text().split()) == 2):
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        assert list(place.glob("*/channel_0.npy"))
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert all(_gone(int(pid)) for pid in facts.read_text().split())
    assert not list(place.rglob("*.npy"))


def test_the_scan_that_a_killed_run_has_left_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    mine = temporary_name(place)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed = place / mine.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    for folder in (mine, killed):
        folder.mkdir()
        (folder / "channel_0.npy").write_bytes(b"voxels")
    run(own_code_bundle(tmp_path / "bundle"))
    assert list(place.iterdir()) == [mine], "of a run that goes on, all stays; of the others, nothing"


def test_a_region_is_cut_out_of_the_whole_result(tmp_path: Path) -> None:
    bundle, volume = own_code_bundle(tmp_path / "bundle"), scan()
    Consents(tmp_path / "store").grant(bundle, file_set(bundle))
    package = open_trusted(bundle, tmp_path / "store")
    assert package is not None
    centre = volume.geometry.index_to_ras((9, 10, 7))
    region = Region(tuple(centre - 6), tuple(centre + 6))
    model = load(package, "cpu", 1)
    whole, part = segment([volume], model), segment([volume], model, Options(region=region))
    within = inside(volume.geometry, region)
    assert np.array_equal(part.label_map.array, whole.label_map.array * within)
    assert 0 < part.label_map.array.sum() < whole.label_map.array.sum()


GEOMETRY = Geometry.from_parts((2, 3, 4), (1, 1, 1))
TWO = (Label(1, "a", (1, 2, 3)), Label(300, "b", (1, 2, 3)))


def _values(*values: float, shape: tuple[int, ...] = (1, 4, 3, 2), kind: Any = np.float32) -> Any:
    return np.resize(np.array(values, kind), shape)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (_values(0, 1, shape=(1, 4, 3, 3)), "shape"),
        (_values(0, 1, shape=(1, 2, 3, 4)), "shape"),
        (_values(0, 1, shape=(4, 3)), "shape"),
        (_values(0, 1, shape=(1, 1, 4, 3, 2)), "shape"),
        (_values(0, 1, shape=(0, 4, 3, 2)), "shape"),
        (_values(0, 0.5), "fractions"),
        (_values(0, np.nan), "not numbers"),
        (_values(0, np.inf), "not numbers"),
        (_values(0, 1j, kind=complex), "not numbers"),
        (_values(0, 2), "holds 2"),
        (_values(0, -1), "holds -1"),
        (_values(0, 65537, kind=np.int64), "holds 65537"),
        (_values(0, 2, shape=(2, 4, 3, 2)), "channels"),
        (_values(0, 1, shape=(3, 4, 3, 2)), "channels"),
    ],
)
def test_what_is_no_segmentation_of_this_scan_is_refused(array: Any, words: str) -> None:
    with pytest.raises(MedDLError) as caught:
        checked(array, GEOMETRY, TWO)
    assert caught.value.code is Code.MODEL_INVALID and words in caught.value.message


@pytest.mark.parametrize("shape", [(4, 3, 2), (1, 4, 3, 2)])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool])
def test_label_values_become_a_label_map(shape: tuple[int, ...], kind: Any) -> None:
    array = _values(0, 1, 1, shape=shape, kind=kind)
    label_map = checked(array, GEOMETRY, TWO)
    assert label_map.array.dtype == np.uint16 and label_map.labels == TWO
    assert np.array_equal(label_map.array, array.reshape(4, 3, 2).T)


def test_overlapping_structures_have_a_layer_each() -> None:
    array = np.zeros((2, 4, 3, 2))
    array[0, :2], array[1, 1:] = 1, 1
    label_map = checked(array, GEOMETRY, TWO)
    assert [label.layer for label in label_map.labels] == [0, 1]
    for n, label in enumerate(label_map.labels):
        assert np.array_equal(label_map.mask(label), array[n].T > 0)
        assert set(np.unique(label_map.layer(n))) == {0, label.value}


def test_a_result_that_would_run_code_when_it_is_read_is_refused(tmp_path: Path) -> None:
    act = "import numpy; numpy.save = lambda *a, **k: open('result.npy', 'wb').write(b'\\x80\\x04.')"
    error = refused(own_code_bundle(tmp_path / "bundle", act))
    assert error.code is Code.MODEL_INVALID and "cannot be read" in error.message
