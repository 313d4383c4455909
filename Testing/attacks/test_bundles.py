"""S3, S4, S5: MONAI bundles that would run code, read elsewhere or never end. They are data: nothing in them runs.

Every attack opens in a watched child process. Where MONAI itself would act, a test shows that it does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.hostile_bundles import (
    BOMBS,
    NETWORKS_THAT_FETCH,
    NOT_REACHED,
    REACHED,
    chains,
    checkpoint_paths,
    evil_module,
    expressions,
    malformed,
    pickled_weights,
    targets,
    with_value,
    yaml_attacks,
)
from fixtures.published_bundle import inference, write_bundle
from fixtures.watched import Opened, open_watched

REFUSALS = {"MODEL_INVALID", "MODEL_UNSAFE", "MODEL_CORRUPT", "MODEL_UNTRUSTED"}
"""Codes of refusals. LOADED is none, and CRASHED is an error that nobody foresaw."""

Fill = Callable[[Path, Path], object]
"""Writes a bundle into a folder; the second path is the canary that must not appear."""


def _config(config: Any, more: dict[str, str] | None = None) -> Fill:
    return lambda folder, canary: write_bundle(folder, config, more)


def _evil_files(canary: Path) -> dict[str, str]:
    """Python of the bundle that acts when it is imported, under every name that is imported by custom."""
    names = ("scripts/__init__.py", "scripts/evil.py", "evil.py", "hubconf.py", "sitecustomize.py", "conftest.py")
    return dict.fromkeys(names, evil_module(canary))


def _hostile() -> dict[str, Fill]:
    """Attacks at places that must be looked at: none of these bundles may open as if nothing were."""
    there = Path("canary")
    found: dict[str, Fill] = {}
    for what in expressions(there):
        for where, place in REACHED.items():
            found[f"{where}: {what}"] = lambda folder, canary, what=what, place=place: write_bundle(  # type: ignore[misc]
                folder, with_value(place, expressions(canary)[what])
            )
    for what in targets(there):
        for where in ("network", "transform", "network argument", "inferer argument"):
            found[f"{where}: {what}"] = lambda folder, canary, what=what, where=where: write_bundle(  # type: ignore[misc]
                folder, with_value(REACHED[where], targets(canary)[what]), _evil_files(canary)
            )
    for what, network in NETWORKS_THAT_FETCH.items():
        found[f"network that fetches: {what}"] = _config(with_value(("network_def",), network))
    for what, (place, value) in BOMBS.items():
        found[f"bomb: {what}"] = _config(with_value(place, value))
    for what, config in chains().items():
        found[f"chain: {what}"] = _config(config)
    for what, text in malformed().items():
        found[f"malformed: {what}"] = _config(text)
    for what in checkpoint_paths(there):
        found[f"checkpoint: {what}"] = lambda folder, canary, what=what: _leading_out(folder, what)  # type: ignore[misc]
    for what in yaml_attacks(there):
        found[f"YAML: {what}"] = lambda folder, canary, what=what: write_bundle(  # type: ignore[misc]
            folder, more={"configs/inference.yaml": yaml_attacks(canary)[what]}
        )
    for what in pickled_weights(there):
        found[f"weights: {what}"] = lambda folder, canary, what=what: (  # type: ignore[misc]
            write_bundle(folder) / "models/model.pt"
        ).write_bytes(pickled_weights(canary)[what])
    return found


def _leading_out(folder: Path, what: str) -> None:
    outside = folder.parent
    write_bundle(folder, with_value(REACHED["checkpoint path"], checkpoint_paths(outside)[what]))
    (outside / "secret.pt").write_bytes((folder / "models/model.pt").read_bytes())
    (folder / "models/linked.pt").symlink_to(outside / "secret.pt")


def _harmless() -> dict[str, Fill]:
    """Attacks at places that nobody needs to look at, beside a harmless model."""
    logging = "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\n"
    found: dict[str, Fill] = {
        "nothing": _config(None),
        "files of Python": lambda folder, canary: write_bundle(folder, more=_evil_files(canary)),
        "logging.conf": lambda folder, canary: write_bundle(
            folder,
            more={
                "configs/logging.conf": logging + f"class=StreamHandler\nargs=(open({str(canary)!r}, 'w'),)\n",
                "configs/evil.json": "{",
            },
        ),
        "another configuration": lambda folder, canary: write_bundle(
            folder, more={"configs/train.json": json.dumps({"evil": f"$open({str(canary)!r}, 'w')"})}
        ),
    }
    for where, place in NOT_REACHED.items():
        for what in ("import and shell", "class walk", "import statement"):
            found[f"{where}: {what}"] = lambda folder, canary, what=what, place=place: write_bundle(  # type: ignore[misc]
                folder, with_value(place, expressions(canary)[what])
            )
        found[f"{where}: target"] = lambda folder, canary, place=place: write_bundle(  # type: ignore[misc]
            folder, with_value(place, targets(canary)["os.system"])
        )
    return found


HOSTILE, HARMLESS = _hostile(), _harmless()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Opened]:
    """Every bundle of this file, opened in one watched process."""
    root = tmp_path_factory.mktemp("bundles")
    folders = {}
    for number, (name, fill) in enumerate({**HOSTILE, **HARMLESS}.items()):
        folder = root / str(number) / "bundle"
        folder.mkdir(parents=True)
        fill(folder, folder.parent / "canary")
        assert not (folder.parent / "canary").exists(), f"{name} ran while it was made"
        folders[name] = folder
    results = open_watched(folders, first=write_bundle(root / "first"))
    canaries = [str(path) for path in root.rglob("canary*")]
    assert canaries == [], "something ran"
    return results


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_bundle_is_refused_in_words_and_nothing_in_it_runs(opened: dict[str, Opened], attack: str) -> None:
    result = opened[attack]
    assert result.events == ()
    assert result.code in REFUSALS, result


@pytest.mark.parametrize("attack", HARMLESS)
def test_what_nobody_needs_to_look_at_never_runs(opened: dict[str, Opened], attack: str) -> None:
    assert opened[attack].events == ()
    assert opened[attack].code == "LOADED", opened[attack]


def test_a_refusal_lists_the_places(opened: dict[str, Opened]) -> None:
    message = opened["network argument: import and shell"].message
    assert "inference.json: network_def::out_channels" in message and "os" in message


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    """A model in a folder of that name is read, which the watch takes for an attack."""
    result = open_watched({"watched": write_bundle(tmp_path / "secret")})["watched"]
    assert any(event.startswith("open") and "metadata.json" in event for event in result.events)


RUN_BY_MONAI = """
import json, sys
from monai.bundle import ConfigParser
parser = ConfigParser(json.load(open(sys.argv[1])))
for key in sys.argv[2:]:
    try:
        parser.get_parsed_content(key)
    except Exception as error:
        print(key, error)
"""


def test_the_attacks_are_real(tmp_path: Path) -> None:
    """MONAI's own parser runs them: else the tests above would show nothing."""
    config, canaries = inference(), {}
    for name in ("import and shell", "open", "exec", "lambda", "f-string", "subscript", "operator", "walrus"):
        canaries[name] = tmp_path / f"canary{len(canaries)}"
        config[name] = expressions(canaries[name])[name]
    for name in ("os.system", "builtins.open", "subprocess.Popen"):
        canaries[name] = tmp_path / f"canary{len(canaries)}"
        config[name] = targets(canaries[name])[name]
    path = write_bundle(tmp_path / "bundle", config) / "configs/inference.json"
    done = subprocess.run([sys.executable, "-c", RUN_BY_MONAI, path, *canaries], check=True, capture_output=True)
    assert [name for name, canary in canaries.items() if not canary.exists()] == [], done.stdout
