"""What ``meddl segment`` offers beyond one plain scan: every kind of model, of input, and of choice, to the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from fixtures import dicom_phantoms as phantoms
from fixtures.balls import OUTSIDE, THRESHOLD, ball, ball_mask
from fixtures.listening import listening_spec
from fixtures.models import BALL, spec, threshold_package
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit
from MedDLCore.models import write_package
from MedDLCore.spec import Channel, CleanUp, Inference, Network, Output
from MedDLCore.volume import Geometry, Label, LabelMap

GEOMETRY = Geometry.from_parts((24, 30, 28), (1.5, 1.5, 1.5))
LARGE, SMALL = ((20.0, 25.0, 18.0), 9.0), ((36.0, 10.0, 8.0), 4.0)


@pytest.fixture(autouse=True)
def a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))


def values() -> NDArray[np.float32]:
    """``(K, J, I)``: two balls that do not touch."""
    one, other = (ball(GEOMETRY, *part).array for part in (LARGE, SMALL))
    return np.maximum(one, other)


def nifti(array: NDArray[Any], path: Path) -> Path:
    """``(K, J, I)``, or ``(T, K, J, I)``, as a file."""
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array.T.astype(np.int16), GEOMETRY.ijk_to_ras), path)
    return path


def package(folder: Path, weights: list[list[float]], biases: list[list[float]], **changes: Any) -> Path:
    """A model on disk whose logit of each class is ``weight * value + bias``; several lists are an ensemble."""
    layer = {"in_channels": 1, "kernel_size": 1, "padding": 0, "stride": 1, "dilation": 1}
    network = Network("MeshNet", {"layers": [{**layer, "out_channels": len(weights[0])}]})
    states = [
        {"model.0.weight": torch.tensor(w).reshape(-1, 1, 1, 1, 1), "model.0.bias": torch.tensor(b)}
        for w, b in zip(weights, biases, strict=True)
    ]
    write_package(spec(network=network, **changes), states, folder)
    return folder


def segment(*arguments: object, modality: bool = True) -> int:
    stated = ["--modality", "CT"] if modality else []
    return run(["segment", *map(str, arguments), "--threads", "1", "--no-picture", "--json", *stated])


def told(capsys: pytest.CaptureFixture[str], kind: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [event for event in events if event["event"] == kind]


def masks(path: Path) -> dict[str, NDArray[np.bool_]]:
    """Each segment of a ``.seg.nrrd`` by its name, as another reader sees layers and values."""
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    layers = array[..., None] if array.ndim == 3 else array
    found = {}
    for n in range(99):
        if f"Segment{n}_Name" not in image.GetMetaDataKeys():
            return found
        layer, value = (int(image.GetMetaData(f"Segment{n}_{key}")) for key in ("Layer", "LabelValue"))
        found[image.GetMetaData(f"Segment{n}_Name")] = layers[..., layer] == value
    raise AssertionError("too many segments")


def test_overlapping_structures_of_a_sigmoid_model_come_out_as_layers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = values()
    array[ball_mask(GEOMETRY, LARGE[0], 4)] = 900
    core = Label(2, "core", (0, 0, 255))
    model = package(
        tmp_path / "m", [[0.01, 0.01]], [[3.0, -6.0]], labels=(BALL, core), output=Output(activation="sigmoid")
    )
    scan = nifti(array, tmp_path / "scan.nii.gz")
    assert segment(scan, "-m", model, "-o", tmp_path / "out") == Exit.OK
    result = told(capsys, "result")[0]
    found = masks(Path(result["files"]["nrrd"]))
    stored = array.astype(np.int16)
    assert np.array_equal(found["ball"], stored > -300)
    assert np.array_equal(found["core"], stored > 600)
    assert (found["ball"] & found["core"]).any()
    for name, mask in found.items():
        assert result["structures"][name] == pytest.approx(mask.sum() * 1.5**3 / 1000, abs=1e-3)


def test_structures_that_may_overlap_are_refused_as_nifti_before_the_network_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal came after the network, beside files that no manifest vouched for."""
    model = package(
        tmp_path / "m",
        [[0.01, 0.01]],
        [[3.0, -6.0]],
        labels=(BALL, Label(2, "core", (0, 0, 255))),
        output=Output(activation="sigmoid"),
    )
    command = [nifti(values(), tmp_path / "scan.nii.gz"), "-m", model, "-o", tmp_path / "out", "--format", "nifti"]
    assert segment(*command, "--format", "nrrd") == Exit.OUTPUT
    assert [event["code"] for event in told(capsys, "error")] == [Code.LABELS_OVERLAP.value]
    assert not (tmp_path / "out").exists()
    assert segment(*command, "--structure", "ball") == Exit.OK


def test_an_ensemble_with_mirroring_is_the_mean_of_its_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone, the first finds everything above -700 and the second above 100: together above -300."""
    model = package(
        tmp_path / "m",
        [[0.0, 0.01], [0.0, 0.01]],
        [[0.0, 7.0], [0.0, -1.0]],
        inference=Inference(patch=(16, 16, 16), mirror_axes=(0, 1, 2), batch=2),
    )
    scan = nifti(values(), tmp_path / "scan.nii.gz")
    assert run(["plan", str(scan), "-m", str(model), "--modality", "CT", "--json"]) == Exit.OK
    assert told(capsys, "result")[0]["passes"] == 16
    assert segment(scan, "-m", model, "-o", tmp_path / "out") == Exit.OK
    found = masks(Path(told(capsys, "result")[0]["files"]["nrrd"]))
    assert np.array_equal(found["ball"], values().astype(np.int16) > -300)


def test_only_the_largest_component_reaches_the_file_where_the_model_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = nifti(values(), tmp_path / "scan.nii.gz")
    near = ball_mask(GEOMETRY, LARGE[0], LARGE[1] + 3)
    for name, steps in (("all", CleanUp()), ("largest", CleanUp(keep_largest=(1,)))):
        model = threshold_package(tmp_path / name, THRESHOLD, name=name, clean_up=steps)
        assert segment(scan, "-m", model, "-o", tmp_path / "out") == Exit.OK
        found = masks(Path(told(capsys, "result")[0]["files"]["nrrd"]))["ball"]
        assert found[near].any()
        assert found[~near].any() == (name == "all")


def test_one_structure_of_several_is_what_the_files_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = (BALL, Label(2, "Bone", (0, 255, 0)))
    model = package(tmp_path / "m", [[0.0, 0.01, 0.03]], [[0.0, 3.0, -3.0]], labels=labels)
    array = values()
    array[ball_mask(GEOMETRY, LARGE[0], 4)] = 900
    scan = nifti(array, tmp_path / "scan.nii.gz")
    assert segment(scan, "-m", model, "-o", tmp_path / "out", "--structure", "bone") == Exit.OK
    result = told(capsys, "result")[0]
    found = masks(Path(result["files"]["nrrd"]))
    assert list(found) == list(result["structures"]) == ["Bone"]
    assert np.array_equal(found["Bone"], array.astype(np.int16) > 300)
    table = Path(result["files"]["statistics"]).read_text().splitlines()
    assert [row.split(",")[0] for row in table[1:]] == ["Bone"]
    assert json.loads(Path(result["files"]["manifest"]).read_text())["settings"]["structures"] == ["bone"]


def test_a_region_reaches_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = nifti(values(), tmp_path / "scan.nii.gz")
    model = threshold_package(tmp_path / "m", THRESHOLD)
    region = "-5,20,40,0,0,60"  # from and to, in any order
    assert segment(scan, "-m", model, "-o", tmp_path / "out", "--roi", region) == Exit.OK
    found = masks(Path(told(capsys, "result")[0]["files"]["nrrd"]))["ball"]
    right = GEOMETRY.index_to_ras([[i, 0, 0] for i in range(28)])[:, 0]
    assert np.array_equal(found, (values().astype(np.int16) > -300) & (right <= 20) & ball_mask(GEOMETRY, LARGE[0], 12))


def test_every_frame_of_a_file_becomes_a_result_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = np.full(GEOMETRY.shape, OUTSIDE)
    scan = nifti(np.stack([values(), empty, values()]), tmp_path / "cine.nii.gz")
    model = threshold_package(tmp_path / "m", THRESHOLD)
    assert segment(scan, "-m", model, "-o", tmp_path / "no") == Exit.INPUT
    capsys.readouterr()
    assert segment(scan, "-m", model, "-o", tmp_path / "out", "--frame", "all") == Exit.OK
    files = [Path(result["files"]["nrrd"]) for result in told(capsys, "result")]
    assert [path.name for path in files] == [f"cine_frame{n:03d}_threshold.seg.nrrd" for n in range(3)]
    assert [bool(masks(path)["ball"].any()) for path in files] == [True, False, True]


def test_every_series_of_a_folder_becomes_a_result_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, modality in ((1, "CT"), (2, "CT"), (3, "MR")):
        images = phantoms.series(phantoms.planes(), modality, number)
        phantoms.write(images, tmp_path / "study", f"series{number}-")
    model = threshold_package(tmp_path / "m", phantoms.middle())
    command = [tmp_path / "study", "-m", model, "-o", tmp_path / "out"]
    assert segment(*command, modality=False) == Exit.INPUT
    assert told(capsys, "error")[0]["code"] == Code.MANY_SERIES.value
    assert segment(*command, "--series", "all", modality=False) == Exit.SOME_FAILED
    said = capsys.readouterr().out
    events = [json.loads(line) for line in said.splitlines()]
    assert [e["code"] for e in events if e["event"] == "error"] == [Code.WRONG_MODALITY.value]
    results = [e for e in events if e["event"] == "result"]
    assert len({e["files"]["nrrd"] for e in results}) == len(results) == 2
    volume = 4 / 3 * np.pi * phantoms.RADIUS**3 / 1000
    assert all(e["structures"]["ball"] == pytest.approx(volume, rel=0.03) for e in results)
    assert "Canary" not in said
    assert "CANARY" not in said


def test_the_series_of_a_folder_are_never_taken_for_channels_in_an_order_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which of two series is T1 and which T2 stands nowhere; their numbers decided, silently."""
    for number in (1, 2):
        images = phantoms.series(phantoms.planes(), "MR", number)
        phantoms.write(images, tmp_path / "study" / f"{number}")
    channels = (Channel("T1", "MR"), Channel("T2", "MR"))
    model = threshold_package(tmp_path / "m", 2 * phantoms.middle("MR"), inputs=2, channels=channels)
    command = ["-m", model, "-o", tmp_path / "out"]
    assert segment(tmp_path / "study", *command, "--series", "all", modality=False) == Exit.INPUT
    assert [error["code"] for error in told(capsys, "error")] == [Code.CHANNELS_MISMATCH.value]
    assert segment(tmp_path / "study/2", tmp_path / "study/1", *command, modality=False) == Exit.OK
    assert told(capsys, "result")[0]["structures"]["ball"] > 0


def test_the_frames_of_a_file_are_the_channels_of_a_model_with_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the data sets of the Medical Segmentation Decathlon are."""
    channels = (Channel("FLAIR", "CT"), Channel("T1", "CT"))
    model = threshold_package(tmp_path / "m", 2 * THRESHOLD, inputs=2, channels=channels)
    scan = nifti(np.stack([values(), values()]), tmp_path / "both.nii.gz")
    assert segment(scan, "-m", model, "-o", tmp_path / "out", "--frame", "all") == Exit.OK
    result = told(capsys, "result")[0]
    assert np.array_equal(masks(Path(result["files"]["nrrd"]))["ball"], values().astype(np.int16) > -300)


def test_clicks_correct_a_case_whose_channels_lie_in_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--frame all`` names its channels, no further scans."""
    channels = (Channel("FLAIR", "CT"), Channel("T1", "CT"))
    layer = {"in_channels": 5, "out_channels": 2, "kernel_size": 1, "padding": 0, "stride": 1, "dilation": 1}
    weights = torch.zeros(2, 5, 1, 1, 1)
    weights[1, 2] = 100.0
    state = {"model.0.weight": weights, "model.0.bias": torch.tensor([0.0, -1.0])}
    listens = listening_spec(network=Network("MeshNet", {"layers": [layer]}), channels=channels)
    model = write_package(listens, state, tmp_path / "m").folder
    scan = nifti(np.stack([values(), values()]), tmp_path / "both.nii.gz")
    r, a, s = GEOMETRY.index_to_ras((5, 6, 7)).tolist()
    given = (scan, "-m", model, "-o", tmp_path / "out", "--click", f"{r},{a},{s}=ball", "--collect", tmp_path / "set")
    assert segment(*given, "--frame", "all") == Exit.OK
    result = told(capsys, "result")[0]
    assert masks(Path(result["files"]["nrrd"]))["ball"][7, 6, 5]
    assert len([*(tmp_path / "set" / "imagesTr").iterdir()]) == 2


def test_an_anonymous_result_is_named_by_its_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = threshold_package(tmp_path / "m", THRESHOLD)
    out = tmp_path / "out"
    for name in ("Doe John.nii.gz", "another.nii.gz"):
        scan = nifti(values(), tmp_path / name)
        assert segment(scan, "-m", model, "-o", out, "--anonymous", "--overwrite") == Exit.OK
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 3  # both scans hold the same: one name
    assert all(name.startswith("scan-") for name in names)
    assert not any(b"Doe" in path.read_bytes() for path in out.iterdir())


def test_a_scan_never_replaces_the_result_of_another_scan_of_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --overwrite, the second of two files of one name silently replaced the result of the first."""
    first = nifti(values(), tmp_path / "a" / "head.nii.gz")
    second = nifti(np.full(GEOMETRY.shape, OUTSIDE), tmp_path / "b" / "head.nii.gz")
    model = threshold_package(tmp_path / "m", THRESHOLD)
    command = [first, second, "-m", model, "-o", tmp_path / "out", "--overwrite"]
    for _ in range(2):
        assert segment(*command) == Exit.SOME_FAILED
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [e["code"] for e in events if e["event"] == "error"] == [Code.OUTPUT_EXISTS.value]
        results = [e for e in events if e["event"] == "result"]
        assert len(results) == 1
        assert masks(Path(results[0]["files"]["nrrd"]))["ball"].any()


def test_a_scan_too_large_for_the_memory_does_not_stop_the_smaller_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = nifti(np.tile(values(), (2, 3, 3)), tmp_path / "large.nii.gz")
    small = nifti(values(), tmp_path / "small.nii.gz")
    model = threshold_package(tmp_path / "m", THRESHOLD)
    plan = ["plan", str(large), str(small), "-m", str(model), "--modality", "CT", "--json"]
    assert run(plan) == Exit.OK
    needed = [event["memory"] for event in told(capsys, "result")]
    monkeypatch.setattr("MedDLCore.inference.free_memory", lambda: sum(needed) // 2)
    assert run(plan) == Exit.RESOURCES
    assert [event["fits"] for event in told(capsys, "result")] == [False, True]
    assert segment(large, small, "-m", model, "-o", tmp_path / "out") == Exit.SOME_FAILED
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["code"] for e in events if e["event"] == "error"] == [Code.NO_MEMORY.value]
    assert [Path(e["files"]["nrrd"]).name for e in events if e["event"] == "result"] == ["small_threshold.seg.nrrd"]


def test_a_series_that_was_left_out_shows_in_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of two series could not be read, and the command ended with 0."""
    bad = phantoms.series(phantoms.planes(), "CT", number=2)
    bad[2].PatientID = "OTHER"
    phantoms.write(phantoms.series(phantoms.planes()) + bad, tmp_path / "study")
    model = threshold_package(tmp_path / "model", THRESHOLD)
    command = ["segment", tmp_path / "study", "--series", "all", "-m", model, "-o", tmp_path / "out", "--no-picture"]
    assert run([str(part) for part in command]) == Exit.SOME_FAILED
    assert Code.SERIES_LEFT_OUT.value in capsys.readouterr().err


@pytest.mark.parametrize(("choice", "code"), [(("--series", "2"), "SERIES_UNKNOWN"), (("--frame", "7"), "NOT_3D")])
def test_a_choice_that_a_scene_does_not_have_is_not_ignored(
    choice: tuple[str, str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("slicer")
    from MedDLScene.result_scene import writeResultScene

    empty = LabelMap(np.zeros(GEOMETRY.shape, np.uint8), GEOMETRY, (BALL,))
    writeResultScene(ball(GEOMETRY, *LARGE), empty, tmp_path / "case.mrb", "scan")
    model = threshold_package(tmp_path / "model", THRESHOLD)
    command = ["segment", str(tmp_path / "case.mrb"), *choice, "-m", str(model), "-o", str(tmp_path / "out")]
    assert run(command) == Exit.INPUT
    assert capsys.readouterr().err.startswith(code)
