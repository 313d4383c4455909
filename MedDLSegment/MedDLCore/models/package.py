"""Model packages: a folder that holds a description and weights, and nothing that runs.

Our own layout is that of a MONAI bundle: ``configs/metadata.json`` (with our description under the key ``meddl``),
``models/model.safetensors``, ``LICENSE``, ``docs/README.md``. Without that key it is another program's bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Code, MedDLError, Notice
from ..spec import ModelSpec, Weights
from ..text import shown
from .about import with_about
from .anatomy import coded
from .described import Described
from .description import identity_of, read_json, spec_from_description
from .digests import known_sha256
from .distinct import distinct
from .inside import path_inside
from .nnunet import holds_nnunet, read_nnunet

METADATA = Path("configs", "metadata.json")
DESCRIPTION_KEY = "meddl"
"""Key of our description within ``metadata.json``."""

LARGE_FILES = ("large_files.yml", "large_files.yaml", "large_files.json")
"""Where a bundle of the Model Zoo lists the files that its repository does not hold."""

PLAIN_DESCRIPTION = "meddl.json"
"""The description that makes plain weights a model: it lies beside them."""

Layout = Callable[[Path], tuple[ModelSpec, tuple[Notice, ...]]]


@dataclass(frozen=True)
class ModelPackage:
    """A model on disk.

    Attributes:
        spec: what it is. Each of its weights has its SHA-256.
        folder: where it lies.
        sha256: over the description and, through it, the weights: identifies the model.
        notices: what a person should know about the package.
        previous: the model whose result this one takes: it runs first.
        parts: the models whose results together are this one's; where two find something, the later one counts. The
            spec then only says what goes in and what comes out.
        trusted: the person lets it run its own code (see ``trusted``); its spec says nothing of the stations.
    """

    spec: ModelSpec
    folder: Path
    sha256: str
    notices: tuple[Notice, ...] = ()
    previous: ModelPackage | None = None
    parts: tuple[ModelPackage, ...] = ()
    trusted: bool = False


def open_folder(folder: Path) -> ModelPackage:
    """Opens the package in a folder. Weights whose SHA-256 the description knows are not read here.

    Raises:
        MedDLError: MODEL_INVALID where the folder holds no model or an invalid one.
    """
    for file, read in _LAYOUTS.items():
        if (folder / file).is_file():
            spec, notices = read(folder)
            spec = with_about(_with_hashes(spec, folder), folder)
            labels, renamed = distinct(coded(spec.labels))
            return ModelPackage(replace(spec, labels=labels), folder, identity_of(spec), (*notices, *renamed))
    if holds_nnunet(folder):
        return packaged(read_nnunet(folder))
    raise MedDLError(
        Code.MODEL_INVALID,
        f"The folder {folder.name or folder.resolve().name or folder} holds no model that MedDL reads.",
        f"A model is a folder with one of: {', '.join(LAYOUTS)}; or results of nnU-Net.",
    )


def packaged(described: Described) -> ModelPackage:
    """A package of what was read from a folder of another program.

    Raises:
        MedDLError: MODEL_INVALID where weights are missing.
    """
    parts = tuple(packaged(part) for part in described.parts)
    previous = None if described.previous is None else packaged(described.previous)
    known = [weights for part in parts for weights in part.spec.weights]
    if known:
        pairs = zip(described.spec.weights, known, strict=True)
        spec = replace(described.spec, weights=tuple(replace(own, sha256=part.sha256) for own, part in pairs))
    else:
        spec = _with_hashes(described.spec, described.folder)
    related = [package.sha256 for package in (*parts, *((previous,) if previous else ()))]
    identity = identity_of(spec)
    if related:
        identity = hashlib.sha256("".join([identity, *related]).encode()).hexdigest()
    notices = described.notices + (previous.notices if previous else ())
    spec = replace(spec, labels=coded(spec.labels))
    return ModelPackage(spec, described.folder, identity, tuple(dict.fromkeys(notices)), previous, parts)


def holds_package(folder: Path) -> bool:
    """Whether ``open_folder`` knows the folder for a model, valid or not."""
    return any((folder / file).is_file() for file in _LAYOUTS) or holds_nnunet(folder)


def weights_path(folder: Path, weights: Weights) -> Path:
    """The weights file.

    Raises:
        MedDLError: MODEL_INVALID for a path out of the folder, or one where no file is.
    """
    path = path_inside(folder, weights.file)
    if not path.is_file():
        listed = [name for name in LARGE_FILES if (folder / name).is_file()]
        hint = f"Its {listed[0]} says where they can be downloaded; put them there and add it again." if listed else ""
        raise MedDLError(Code.MODEL_INVALID, f"The weights file {shown(weights.file)} is missing.", hint)
    return path


def verify_weights(package: ModelPackage) -> tuple[Path, ...]:
    """Compares every weights file with its SHA-256, those of the model that runs before it included.

    Returns:
        The model's own files, in the order of the spec.

    Raises:
        MedDLError: MODEL_CORRUPT, naming the file; MODEL_INVALID as ``weights_path``.
    """
    paths = []
    for weights in package.spec.weights:
        path = weights_path(package.folder, weights)
        if weights.sha256 is not None and known_sha256(path) != weights.sha256.lower():
            raise MedDLError(
                Code.MODEL_CORRUPT, f"{weights.file} of the model {package.spec.name} is not the published file."
            )
        paths.append(path)
    if package.previous is not None:
        verify_weights(package.previous)
    return tuple(paths)


def _read_bundle(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    if DESCRIPTION_KEY not in read_json(folder / METADATA, strict=False):
        from .monai_bundle import read_bundle_folder

        return read_bundle_folder(folder)
    description = read_json(folder / METADATA)[DESCRIPTION_KEY]
    if not isinstance(description, dict):
        raise MedDLError(Code.MODEL_INVALID, f"{METADATA.name}: {DESCRIPTION_KEY!r} is not a description.")
    spec = spec_from_description(description, METADATA.name)
    if any(weights.sha256 is None for weights in spec.weights):
        raise MedDLError(Code.MODEL_INVALID, f"{METADATA.name}: the weights have no SHA-256.")
    return spec, ()


def _read_plain(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    return spec_from_description(read_json(folder / PLAIN_DESCRIPTION), PLAIN_DESCRIPTION), ()


def _read_meshnet(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    from .meshnet_layout import read_meshnet_folder

    return read_meshnet_folder(folder)


def _read_auto3dseg(folder: Path) -> tuple[ModelSpec, tuple[Notice, ...]]:
    from .auto3dseg import read_auto3dseg_folder

    return read_auto3dseg_folder(folder)


def _with_hashes(spec: ModelSpec, folder: Path) -> ModelSpec:
    weights = tuple(
        replace(item, sha256=item.sha256 or known_sha256(path))
        for item, path in ((item, weights_path(folder, item)) for item in spec.weights)
    )
    return replace(spec, weights=weights)


_LAYOUTS: dict[Path, Layout] = {
    METADATA: _read_bundle,
    Path(PLAIN_DESCRIPTION): _read_plain,
    Path("model.json"): _read_meshnet,
    Path("labels.csv"): _read_auto3dseg,
}
"""The file that shows a layout, and what reads it. The first one counts. Readers are imported when they are needed."""

LAYOUTS = tuple(file.as_posix() for file in _LAYOUTS)
"""The files that show a model, relative to its folder."""
