"""``meddl segment`` and ``meddl plan`` as a person, and a program, meet them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from fixtures.balls import THRESHOLD, ball, ball_mask
from fixtures.dicom_phantoms import planes, series, stored, with_tags, write
from fixtures.listening import listening_package
from fixtures.models import threshold_package
from MedDLCore.cli.main import run
from MedDLCore.errors import Code, Exit, MedDLError
from MedDLCore.readers import read
from MedDLCore.spec import Channel, Crops
from MedDLCore.volume import Geometry

MEDDL = (sys.executable, "-m", "MedDLCore.cli")
CENTRE, RADIUS = (20.0, 25.0, 18.0), 9.0
GEOMETRY = Geometry.from_parts((24, 30, 28), (1.5, 1.5, 1.5))


@pytest.fixture(autouse=True)
def a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDDL_MODELS", str(tmp_path / "store"))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    volume = ball(GEOMETRY, CENTRE, RADIUS)
    path = tmp_path / "scan one.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume.array.transpose(2, 1, 0).astype(np.int16), GEOMETRY.ijk_to_ras), path)
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return threshold_package(tmp_path / "package", THRESHOLD)


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def segment(*arguments: object) -> int:
    return run(["segment", *map(str, arguments), "--threads", "1", "--no-picture", "--modality", "CT"])


def test_a_scan_becomes_a_segmentation_a_table_and_a_manifest(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    assert segment(scan, "-m", package, "-o", out, "--format", "nrrd", "--format", "nifti") == Exit.OK
    said = capsys.readouterr().out
    assert "ball" in said
    assert "mL" in said
    names = sorted(path.name for path in out.iterdir())
    stem = names[0].split("_threshold")[0] + "_threshold"
    assert [name.removeprefix(stem) for name in names] == [
        ".labels.json",
        ".nii.gz",
        ".seg.nrrd",
        "_manifest.json",
        "_statistics.csv",
    ]
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(out / f"{stem}.seg.nrrd")))
    truth = ball_mask(GEOMETRY, CENTRE, RADIUS)
    assert 2 * (truth & (array == 1)).sum() / (truth.sum() + (array == 1).sum()) > 0.97
    manifest = json.loads((out / f"{stem}_manifest.json").read_text())
    assert {output["kind"] for output in manifest["outputs"]} == {"nrrd", "nifti", "nifti labels", "statistics"}
    assert str(tmp_path) not in json.dumps(manifest)


def test_programs_get_one_json_object_per_line_and_nothing_else(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(scan, "-m", package, "-o", tmp_path / "out", "--json") == Exit.OK
    told = events(capsys.readouterr().out)
    kinds = [event["event"] for event in told]
    assert kinds[-1] == "result"
    assert "warning" in kinds  # the ball has no anatomical code
    fractions = [event["fraction"] for event in told if event["event"] == "progress"]
    assert fractions == sorted(fractions)  # type: ignore[type-var]
    assert told[-1]["structures"] == {"ball": pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.05)}
    assert all(Path(path).is_file() for path in told[-1]["files"].values())  # type: ignore[attr-defined]


def test_an_error_is_an_event_too(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert segment(tmp_path / "nothing.nii", "-m", package, "-o", tmp_path / "out", "--json") == Exit.INPUT
    told = events(capsys.readouterr().out)
    assert told[-1]["event"] == "error"
    assert told[-1]["code"] == Code.FILE_NOT_FOUND.value
    assert told[-1]["hint"]


def test_an_earlier_result_is_kept_unless_the_person_says_otherwise(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert segment(scan, "-m", package, "-o", out) == Exit.OK
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert segment(scan, "-m", package, "-o", out) == Exit.OUTPUT
    assert Code.OUTPUT_EXISTS.value in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert segment(scan, "-m", package, "-o", out, "--overwrite") == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["--modality", "MR"], Exit.INPUT, Code.WRONG_MODALITY),
        (["--structure", "liver"], Exit.MODEL, Code.LABEL_UNKNOWN),
        (["--roi", "500,600,0,10,0,10"], Exit.INPUT, Code.REGION_OUTSIDE),
        (["--device", "cuda:77"], Exit.RESOURCES, Code.DEVICE_MISSING),
        (["--format", "dicomseg"], Exit.OUTPUT, Code.NOT_DICOM),
        (["--frame", "3"], Exit.INPUT, Code.NOT_3D),
    ],
)
def test_each_refusal_is_one_message_with_a_hint_and_its_exit_status(
    scan: Path,
    package: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: Exit,
    code: Code,
) -> None:
    out = tmp_path / "out"
    command = ["segment", str(scan), "-m", str(package), "-o", str(out), "--modality", "CT", "--no-picture", *arguments]
    assert run(command) == status
    said = capsys.readouterr().err.strip().splitlines()
    assert said[0].startswith(f"{code.value}: ")
    assert len(said) >= 2
    assert "Traceback" not in "".join(said)
    assert not list(out.glob("*"))


def test_an_unknown_model_is_refused_with_a_hint(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(scan, "-m", "brain-tisue-t1", "-o", tmp_path) == Exit.MODEL
    assert "brain-tissue-t1" in capsys.readouterr().err


def test_wrong_usage_has_its_own_status(scan: Path, package: Path, tmp_path: Path) -> None:
    assert run(["segment", str(scan)]) == Exit.USAGE
    assert segment(scan, "-m", package, "-o", tmp_path, "--roi", "1,2,3") == Exit.USAGE
    assert segment(scan, "-m", package, "-o", tmp_path, "--allow", "EVERYTHING") == Exit.USAGE
    assert run(["dance"]) == Exit.USAGE


def test_several_scans_are_several_cases_and_one_bad_one_does_not_stop_the_rest(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "broken.nii.gz"
    empty.write_bytes(b"")
    assert segment(empty, scan, "-m", package, "-o", tmp_path / "out", "--json") == Exit.SOME_FAILED
    told = events(capsys.readouterr().out)
    assert [event["event"] for event in told if event["event"] in ("error", "result")] == ["error", "result"]


def test_a_model_with_two_channels_takes_two_inputs(scan: Path, tmp_path: Path) -> None:
    package = threshold_package(
        tmp_path / "two", THRESHOLD, channels=(Channel("first", "CT"), Channel("second", "CT")), inputs=2
    )
    assert segment(scan, scan, "-m", package, "-o", tmp_path / "out") == Exit.OK
    assert segment(scan, "-m", package, "-o", tmp_path / "other") == Exit.INPUT


def test_the_plan_says_what_a_run_needs_and_writes_nothing(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert run(["plan", str(scan), "-m", str(package), "--modality", "CT"]) == Exit.OK
    said = capsys.readouterr().out
    assert "patches" in said
    assert "GB needed" in said
    assert run(["plan", str(scan), "-m", str(package), "--modality", "CT", "--json"]) == Exit.OK
    result = events(capsys.readouterr().out)[-1]
    assert result["fits"] is True
    assert result["patches"] == 3 * 3 * 2
    assert sorted(tmp_path.rglob("*")) == before


def program(scan: Path, package: Path, out: Path) -> tuple[str, ...]:
    return (*MEDDL, "segment", str(scan), "-m", str(package), "-o", str(out), "--no-picture")


def test_the_program_runs_as_a_program(scan: Path, package: Path, tmp_path: Path) -> None:
    done = subprocess.run(program(scan, package, tmp_path / "o"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "MODALITY_UNKNOWN" in done.stderr
    assert "MODALITY_UNKNOWN" not in done.stdout


def listens() -> None:
    """A job in the background, such as these tests, may have been started deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_a_run_leaves_nothing(
    scan: Path, package: Path, tmp_path: Path, interrupt: signal.Signals
) -> None:
    out = tmp_path / "out"
    command = (*program(scan, package, out), "--json")
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if os.name == "nt" else listens,
    )
    assert process.stdout is not None
    process.stdout.readline()  # it has begun, and has yet to read the scan and to load the model
    process.send_signal(interrupt)
    told, said = process.communicate(timeout=60)
    assert process.returncode == Exit.CANCELLED
    assert events(told)[-1]["code"] == Code.CANCELLED.value
    assert "Traceback" not in said
    assert not out.exists() or not list(out.iterdir())


def test_an_interrupt_that_was_caught_is_no_death_by_a_signal_wherever_it_came(tmp_path: Path) -> None:
    """Within exec(), as imports run it, CPython marked it as uncaught, and killed the process at its end."""
    lines = (
        "import sys",
        "from MedDLCore.cli import main",
        "def run(_):",
        "    try:",
        "        exec('raise KeyboardInterrupt')",
        "    except KeyboardInterrupt:",
        "        return 130",
        "sys.modules['MedDLCore.cli.main'].run = run",
        "main([])",
    )
    (tmp_path / "interrupted.py").write_text("\n".join(lines))
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False)
    assert done.returncode == Exit.CANCELLED


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; from MedDLCore.cli.main import run; run(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'monai', 'SimpleITK', 'pydicom')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_folder_of_models_with_an_impossible_name_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDDL_MODELS", "x" * 5000)
    assert run(["models", "list"]) == Exit.INPUT
    assert capsys.readouterr().err.startswith("FILE_NOT_FOUND: A path is longer")


def test_a_folder_that_has_a_result_s_name_is_never_removed(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(scan, "-m", package, "-o", tmp_path / "first") == Exit.OK
    (manifest,) = (tmp_path / "first").glob("*_manifest.json")
    folder = tmp_path / "out" / manifest.name
    folder.mkdir(parents=True)
    assert segment(scan, "-m", package, "-o", tmp_path / "out", "--overwrite") == Exit.OUTPUT
    assert Code.OUTPUT_UNWRITABLE.value in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == [folder]


@pytest.mark.parametrize("command", ["segment x -m nobody", "demo", "train x", "evaluate x -m nobody"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_read(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scan was read, a model loaded, a data set checked: minutes, for a slip of the pen."""
    (tmp_path / "file").touch()
    assert run([*command.split(), "-o", str(tmp_path / "file" / "out")]) == Exit.OUTPUT
    assert Code.OUTPUT_UNWRITABLE.value in capsys.readouterr().err


def test_a_refused_scan_leaves_no_folder_for_its_results(package: Path, tmp_path: Path) -> None:
    assert segment(tmp_path / "nothing", "-m", package, "-o", tmp_path / "a" / "b") == Exit.INPUT
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("suffix", "arguments"), [(".png", []), (".mrb", ["--format", "mrb", "--no-picture"])])
def test_a_picture_or_scene_of_the_result_s_name_is_not_overwritten_and_nothing_is_run(
    suffix: str, arguments: list[str], scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture was replaced without a word; a scene was noticed after the network, with other files left behind."""
    if suffix == ".mrb":
        pytest.importorskip("slicer")
    assert segment(scan, "-m", package, "-o", tmp_path / "first") == Exit.OK
    (manifest,) = (tmp_path / "first").glob("*_manifest.json")
    mine = tmp_path / "out" / (manifest.name.removesuffix("_manifest.json") + suffix)
    mine.parent.mkdir()
    mine.write_text("mine")
    command = ["segment", str(scan), "-m", str(package), "-o", str(mine.parent), "--modality", "CT", *arguments]
    assert run(command) == Exit.OUTPUT
    assert Code.OUTPUT_EXISTS.value in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]


def clicked(click: str, scan: Path, folder: Path, *more: object) -> int:
    return segment(
        scan, "-m", listening_package(folder / "listens").folder, "-o", folder / "out", "--click", click, *more
    )


@pytest.mark.parametrize(("sign", "there"), [("=", True), ("!=", False)])
def test_a_click_corrects_the_result_and_stands_in_the_manifest(
    sign: str, there: bool, scan: Path, tmp_path: Path
) -> None:
    point = (4.5, 4.5, 4.5) if there else CENTRE
    r, a, s = point
    assert clicked(f"{r},{a},{s}{sign}Ball", scan, tmp_path, "--format", "nifti") == Exit.OK
    (result,) = (tmp_path / "out").glob("*.nii.gz")
    k, j, i = np.round(GEOMETRY.ras_to_index(point)[::-1]).astype(int)
    assert bool(np.asarray(nibabel.load(result).dataobj)[i, j, k]) is there
    (manifest,) = (tmp_path / "out").glob("*_manifest.json")
    written = json.loads(manifest.read_text())["settings"]["clicks"]
    assert written == [{"point": list(point), "structure": "Ball", "positive": there}]


def test_a_model_of_crops_looks_where_the_click_is(scan: Path, tmp_path: Path) -> None:
    crops = Crops((8.0, 8.0, 8.0), (9.0, 9.0, 9.0))
    package = listening_package(tmp_path / "crops", crops=crops).folder
    r, a, s = CENTRE
    given = ("-m", package, "-o", tmp_path / "out", "--format", "nifti")
    assert segment(scan, *given) == Exit.INPUT
    assert segment(scan, *given, "--click", f"{r},{a},{s}=ball") == Exit.OK
    (result,) = (tmp_path / "out").glob("*.nii.gz")
    assert 0 < np.count_nonzero(np.asarray(nibabel.load(result).dataobj)) <= 10**3
    collect = ("--overwrite", "--collect", tmp_path / "set", "--click", f"{r},{a},{s}=ball")
    assert segment(scan, *given, *collect) == Exit.INPUT and not (tmp_path / "set").exists()


def test_a_set_that_the_corrected_case_does_not_belong_to_is_said_before_anything_is_run(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("kept")
    assert clicked("4.5,4.5,4.5=ball", scan, tmp_path, "--collect", tmp_path / "set") == Exit.OUTPUT
    assert Code.OUTPUT_EXISTS.value in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and [path.name for path in (tmp_path / "set").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("click", ["1,2=ball", "1,2,3", "1,2,3=", "1,2,nan=ball", "a,b,c=ball"])
def test_a_click_that_is_none_is_refused_as_it_was_typed(click: str, scan: Path, tmp_path: Path) -> None:
    assert clicked(click, scan, tmp_path) == Exit.USAGE
    assert not (tmp_path / "out").exists()


def test_clicks_are_refused_where_nothing_would_listen(
    scan: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    click = "4.5,4.5,4.5=ball"
    assert segment(scan, "-m", package, "-o", tmp_path / "out", "--click", click) != Exit.OK
    assert Code.CLICKS_MISMATCH.value in capsys.readouterr().err
    assert clicked(click, scan, tmp_path, "--structure", "ball") == Exit.USAGE
    assert not (tmp_path / "out").exists()


def test_clicks_on_one_scan_correct_no_other_one(scan: Path, tmp_path: Path) -> None:
    """Crops share their coordinates: another patient's scan was corrected, and collected, by the same clicks."""
    other = tmp_path / "other.nii.gz"
    other.write_bytes(scan.read_bytes())
    assert clicked("4.5,4.5,4.5=ball", scan, tmp_path, other, "--collect", tmp_path / "set") == Exit.USAGE
    assert not (tmp_path / "out").exists() and not (tmp_path / "set").exists()
    assert clicked("4.5,4.5,4.5=ball", scan, tmp_path / "b", "--frame", "all") == Exit.USAGE


def test_clicks_correct_no_other_acquisition_of_a_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One folder, and no word of the others: both were corrected, and collected, by the same clicks."""
    images = series(planes()) + series(planes(), first=50, AcquisitionNumber=2, ImageComments="later")
    images = [with_tags(image, PixelData=(stored(image) + n // 21).tobytes()) for n, image in enumerate(images)]
    write(images, tmp_path / "ct")
    r, a, s = read(tmp_path / "ct")[0].geometry.index_to_ras((4, 4, 4)).tolist()
    click, kept = f"{r},{a},{s}=ball", tmp_path / "set"
    assert clicked(click, tmp_path / "ct", tmp_path, "--collect", kept) == Exit.INPUT
    assert Code.NOT_3D.value in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not kept.exists()
    assert clicked(click, tmp_path / "ct", tmp_path / "one", "--collect", kept, "--frame", "1") == Exit.OK
    assert len([*(kept / "labelsTr").iterdir()]) == 1


def test_a_dicom_seg_of_what_clicks_corrected_is_not_said_to_be_automatic(tmp_path: Path) -> None:
    write(series(planes()), tmp_path / "ct")
    r, a, s = read(tmp_path / "ct")[0].geometry.index_to_ras((4, 4, 4)).tolist()
    assert clicked(f"{r},{a},{s}=ball", tmp_path / "ct", tmp_path, "--format", "dicomseg") == Exit.OK
    (result,) = (tmp_path / "out").glob("*.dcm")
    assert dcmread(result).SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_a_result_that_could_not_be_collected_is_told_all_the_same(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files were there, without a word of them; run again, as the hint says, it was refused for their sake."""

    def full(*_: object) -> None:
        raise MedDLError(Code.NO_SPACE, "The disk is full.")

    monkeypatch.setattr("MedDLCore.cli.segment.add_to_training_set", full)
    assert clicked("4.5,4.5,4.5=ball", scan, tmp_path, "--collect", tmp_path / "set") == Exit.SOME_FAILED
    told = capsys.readouterr()
    assert ".seg.nrrd" in told.out and Code.NO_SPACE.value in told.err
