"""Who may import whom: the rules that keep the core free of Slicer, and start-up free of torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "MedDLCore", "MedDLScene", "MedDLSegmentLib", "MedDLSegmentEffect", "MedDLTraining", "MedDLTrainLib",
    "MedDLSegment", "MedDLTrain",
)  # fmt: skip
PACKAGE_FOLDERS = {
    "MedDLCore": ROOT / "MedDLSegment" / "MedDLCore",
    "MedDLScene": ROOT / "MedDLSegment" / "MedDLScene",
    "MedDLSegmentLib": ROOT / "MedDLSegment" / "MedDLSegmentLib",
    "MedDLSegmentEffect": ROOT / "MedDLSegment" / "MedDLSegmentEffect",
    "MedDLTraining": ROOT / "MedDLTrain" / "MedDLTraining",
    "MedDLTrainLib": ROOT / "MedDLTrain" / "MedDLTrainLib",
}
GUI = {"qt", "ctk", "slicer", "vtk", "vtkmodules", "PythonQt", "PySide6"}
HEAVY = {"torch", "monai", "openvino", "nnunetv2", "matplotlib"}

GROUND_FLOOR = {
    "alignment",
    "atomic",
    "claim_file",
    "click",
    "codes",
    "cut",
    "errors",
    "out_of_memory",
    "explanations",
    "geometry",
    "html_page",
    "kept_memory",
    "lazily",
    "machine_memory",
    "importing",
    "waiting",
    "meta",
    "plain_data",
    "resample",
    "spec",
    "spec_rules",
    "stretch",
    "system_errors",
    "taps",
    "terminology",
    "text",
    "toolkit",
    "volume",
}
STATIONS = {"readers", "preprocess", "inference", "postprocess", "writers", "metrics"}
JOINTS = {"admission", "clock", "field_of_view", "foresight", "loading", "progress"}
MAY_IMPORT = {
    **dict.fromkeys(GROUND_FLOOR | STATIONS, GROUND_FLOOR),
    "models": GROUND_FLOOR,
    "clock": GROUND_FLOOR | {"inference"},
    "admission": GROUND_FLOOR | STATIONS,
    "field_of_view": GROUND_FLOOR | STATIONS,
    "loading": GROUND_FLOOR | {"models", "inference"},
    "foresight": GROUND_FLOOR | STATIONS | {"admission", "clock", "field_of_view", "loading"},
    "pipeline": GROUND_FLOOR | STATIONS | JOINTS | {"models"},
    "case": GROUND_FLOOR | STATIONS | JOINTS | {"models", "pipeline"},
    "refine": GROUND_FLOOR | STATIONS | JOINTS | {"models", "pipeline"},
    "uncertainty": GROUND_FLOOR | STATIONS | JOINTS | {"models", "pipeline"},
    "pictures": GROUND_FLOOR | {"case"},
    "demo": GROUND_FLOOR | STATIONS | JOINTS | {"models", "pipeline"},
    "worker": GROUND_FLOOR | STATIONS | JOINTS | {"models", "pipeline", "refine", "uncertainty"},
    "batch": GROUND_FLOOR | STATIONS | JOINTS | {"models", "pipeline", "case", "pictures", "worker"},
}
"""Which parts of MedDLCore a part may import, beside itself. ``cli`` may import everything; its entry point nothing."""

ABOVE = {"MedDLScene", "MedDLTraining"}
"""Packages that the command line and ``pictures`` import, inside their functions only."""

PACKAGES = {
    "MedDLCore": {"MedDLCore"},
    "MedDLTraining": {"MedDLTraining", "MedDLCore"},
    "MedDLScene": {"MedDLScene", "MedDLCore"},
    "MedDLSegmentLib": {"MedDLSegmentLib", "MedDLScene", "MedDLCore"},
    "MedDLSegmentEffect": {"MedDLSegmentEffect", "MedDLSegmentLib"},
    "MedDLTrainLib": {"MedDLTrainLib", "MedDLSegmentLib", "MedDLTraining", "MedDLScene", "MedDLCore"},
}


def _imports(path: Path, package: str, folder: Path) -> Iterator[tuple[str, bool, int]]:
    """Yields (absolute module name, is at module level, line) of each import of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside_functions = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for_types_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", getattr(block.test, "attr", "")) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    here = [package, *path.relative_to(folder).parent.parts]
    for node in ast.walk(tree):
        if id(node) in for_types_only:
            continue
        at_module_level = id(node) not in inside_functions
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, at_module_level, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}", at_module_level, node.lineno


def _edges() -> Iterator[tuple[str, Path, str, bool, int]]:
    for package, folder in PACKAGE_FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            for name, at_module_level, line in _imports(path, package, folder):
                yield package, path.relative_to(ROOT), name, at_module_level, line


def _part(path: Path) -> str:
    """``.../MedDLCore/readers/dicom.py`` -> ``readers``; ``.../MedDLCore/volume.py`` -> ``volume``."""
    return path.relative_to("MedDLSegment/MedDLCore").parts[0].removesuffix(".py")


def _may_look_up(path: Path) -> bool:
    return path.is_relative_to("MedDLSegment/MedDLCore/cli") or path == Path("MedDLSegment/MedDLCore/pictures.py")


def test_the_core_and_the_training_never_import_qt_slicer_or_vtk() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for package, path, name, _, line in _edges()
        if package in ("MedDLCore", "MedDLTraining") and name.split(".")[0] in GUI
    ]
    assert not wrong, "\n".join(wrong)


def test_a_package_imports_only_the_packages_below_it() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for package, path, name, at_module_level, line in _edges()
        if name.split(".")[0] in OURS
        and name.split(".")[0] not in PACKAGES[package]
        and not (_may_look_up(path) and name.split(".")[0] in ABOVE and not at_module_level)
    ]
    assert not wrong, "\n".join(wrong)


def test_each_part_of_the_core_imports_only_what_stands_below_it() -> None:
    wrong = []
    for package, path, name, at_module_level, line in _edges():
        if package != "MedDLCore" or not name.startswith("MedDLCore."):
            continue
        part, imported = _part(path), name.split(".")[1]
        if part in ("__init__", "__main__") or imported in (part, "__version__"):
            continue
        if part == "cli":
            if path.name == "main.py" and at_module_level and imported != "errors":
                wrong.append(f"{path}:{line} imports {name} at module level")
        elif imported not in MAY_IMPORT[part]:
            wrong.append(f"{path}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_scene_package_imports_only_the_ground_floor_of_the_core() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for package, path, name, _, line in _edges()
        if package == "MedDLScene" and name.startswith("MedDLCore.") and name.split(".")[1] not in GROUND_FLOOR
    ]
    assert not wrong, "\n".join(wrong)


def test_only_networks_inference_and_the_training_loop_import_torch_at_module_level() -> None:
    """Slicer's own process imports the ground floor, the list of models and the scene code: these must stay light.

    Of the training it imports data sets, the check, plans and events; ``loop`` runs in a process of its own.
    """
    wrong = [
        f"{path}:{line} imports {name} at module level"
        for _, path, name, at_module_level, line in _edges()
        if at_module_level
        and name.split(".")[0] in HEAVY
        and not {"networks", "inference", "loop", "meta.py"} & set(path.parts)
    ]
    assert not wrong, "\n".join(wrong)


def test_openvino_is_imported_in_one_place_which_stops_its_telemetry() -> None:
    only = "MedDLSegment/MedDLCore/inference/backends/openvino_library.py"
    found = {str(path) for _, path, name, _, _ in _edges() if name.split(".")[0].startswith("openvino")}
    named = {
        str(path.relative_to(ROOT))
        for folder in PACKAGE_FOLDERS.values()
        for path in folder.rglob("*.py")
        if 'import_module("openvino' in path.read_text(encoding="utf-8")
    }
    assert (found, named) == (set(), {only})


@pytest.mark.parametrize("package", sorted(PACKAGE_FOLDERS))
def test_no_file_has_a_name_that_says_nothing(package: str) -> None:
    dumping_grounds = {"utils", "helpers", "common", "misc", "util", "helper"}
    wrong = [str(p) for p in PACKAGE_FOLDERS[package].rglob("*.py") if p.stem in dumping_grounds]
    assert not wrong
