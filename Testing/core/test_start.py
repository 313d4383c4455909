"""What each way to begin imports: Slicer's own process, the commands, and a process that is to segment at once.

Modules are counted, not seconds. Each list comes from a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.nnunet_folder import results_folder
from fixtures.packages import threshold_package

SLOW = {
    "torch", "monai", "nnunetv2", "openvino", "highdicom", "pydicom", "SimpleITK", "nibabel", "scipy", "skimage",
    "matplotlib", "PIL", "rich", "sympy",
}  # fmt: skip
"""Libraries that take a tenth of a second to be imported, or several."""

ON_THE_WAY = {"torch"}
"""What a process that is to segment needs of them."""

PARTS_OF_TORCH = {"torch._dynamo", "torch._inductor", "torch.fx.experimental.symbolic_shapes", "torch.onnx.ops"}
"""Torch's compiler and what comes with it: as slow as all the rest of torch."""


def imported(code: str, *arguments: object, **environment: str) -> set[str]:
    """What of ``SLOW`` and ``PARTS_OF_TORCH`` a fresh process has imported after the code."""
    end = f"\nimport sys\nprint('\\nIMPORTED', *({SLOW | PARTS_OF_TORCH!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + end, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("IMPORTED")[2].split())


@pytest.mark.parametrize(
    "module", ["errors", "volume", "spec", "terminology", "resample", "models", "readers", "writers", "batch"]
)
def test_what_slicer_imports_brings_no_torch_and_nothing_slow(module: str) -> None:
    assert imported(f"import MedDLCore.{module}") == set()


COMMANDS = (
    ["--help"],
    ["segment", "--help"],
    ["plan", "--help"],
    ["batch", "--help"],
    ["check", "--help"],
    ["evaluate", "--help"],
    ["models", "list"],
    ["models", "info", "phantom"],
    ["codes"],
    ["codes", "--markdown"],
)


def test_commands_that_run_no_network_import_no_torch(tmp_path: Path) -> None:
    threshold_package(tmp_path / "store" / "threshold")
    results_folder(tmp_path / "total" / "Dataset001_Made" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    code = f"""
from MedDLCore.cli.main import run
for command in {COMMANDS!r}:
    assert run(list(command)) == 0, command
"""
    assert imported(code, MEDDL_MODELS=str(tmp_path / "store"), TOTALSEG_WEIGHTS_PATH=str(tmp_path / "total")) <= {
        "rich"
    }


SEGMENTS = """
import sys
from pathlib import Path
from MedDLCore.case import Outputs, run_case
from MedDLCore.models import open_model
from MedDLCore.pipeline import load
from MedDLCore.readers import read

scan, out, model = sys.argv[1:]
run_case(read(scan), load(open_model(model), "cpu", 1), Outputs(Path(out), ("nrrd", "nifti")))
"""
"""A scan of a file to files."""


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A CT of 8 x 16 x 16 voxels of 2.5 x 0.9 x 0.9 mm."""
    import nibabel
    import numpy as np

    array = np.zeros((16, 16, 8), np.int16)
    array[4:12, 4:12, 2:6] = 200
    nibabel.save(nibabel.Nifti1Image(array, np.diag([0.9, 0.9, 2.5, 1.0])), tmp_path / "scan.nii")
    return tmp_path / "scan.nii"


def test_a_meshnet_segments_with_torch_alone(scan: Path, tmp_path: Path) -> None:
    """From the file to the result: neither MONAI, nor a DICOM library, nor torch's compiler."""
    threshold_package(tmp_path / "model")
    assert imported(SEGMENTS, scan, tmp_path / "out", tmp_path / "model") == ON_THE_WAY
    assert len(list((tmp_path / "out").glob("scan*"))) >= 4


def test_a_network_of_nnunet_segments_without_nnunet(scan: Path, tmp_path: Path) -> None:
    """Its checkpoint is read, its network built and forecast, the scan brought onto its grid and the result back."""
    results = results_folder(tmp_path / "Dataset007_Made" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    assert imported(SEGMENTS, scan, tmp_path / "out", results) == ON_THE_WAY


def test_a_network_of_monai_imports_monai_and_no_more_than_it_must(scan: Path, tmp_path: Path) -> None:
    """Its package imports all of itself, and with it scipy, matplotlib, pydicom and torch's compiler."""
    seen = imported(SEGMENTS, scan, tmp_path / "out", "phantom")
    assert "monai" in seen
    assert not seen & {"nnunetv2", "highdicom", "openvino"}


def test_dicom_libraries_come_with_dicom() -> None:
    assert "pydicom" in imported("import MedDLCore.readers.dicom")
    assert {"pydicom", "highdicom"} <= imported("import MedDLCore.writers.dicom_seg")


def test_what_is_looked_for_is_there_to_be_imported() -> None:
    """A misspelt name would never be found."""
    installed = SLOW - {"openvino"}
    code = f"from importlib.util import find_spec; print([name for name in {installed!r} if find_spec(name) is None])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
