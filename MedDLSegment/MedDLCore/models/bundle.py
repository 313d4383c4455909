"""Writes a model in our own layout: that of a MONAI bundle, with weights as safetensors and our description.

``configs/metadata.json`` has the keys that a bundle must have (MONAI, docs/source/mb_specification.rst), as far as the
spec knows them, and ours under ``meddl``. There is no ``model.pt``: nothing here needs a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Code, MedDLError
from ..spec import ModelSpec, Weights
from .description import description_of
from .package import DESCRIPTION_KEY, METADATA, ModelPackage, open_folder
from .staging import staged_folder
from .weights import sha256_of

if TYPE_CHECKING:
    from torch import Tensor

    StateDict = Mapping[str, Tensor]

LICENCE_FILE = "LICENSE"
CARD_FILE = Path("docs", "README.md")


def write_package(
    spec: ModelSpec, weights: StateDict | Sequence[StateDict], folder: Path, licence_text: str = ""
) -> ModelPackage:
    """Writes a model; the folder appears only when it is whole.

    Args:
        spec: the model; its ``weights`` are replaced by the files that are written.
        weights: a state dict, or one for each member of an ensemble.
        folder: must not exist.
        licence_text: for ``LICENSE``; what the spec says if empty.

    Raises:
        MedDLError: MODEL_EXISTS, MODEL_INVALID for an empty state dict, NO_SPACE, OUTPUT_UNWRITABLE.
    """
    members = [weights] if isinstance(weights, Mapping) else list(weights)
    names = ["model.safetensors"] if len(members) == 1 else [f"model_{n}.safetensors" for n in range(len(members))]
    with staged_folder(folder) as staged:
        files = []
        for name, state in zip(names, members, strict=True):
            path = staged / "models" / name
            path.parent.mkdir(exist_ok=True)
            _save(state, path)
            files.append(Weights(f"models/{name}", sha256_of(path)))
        write_description(replace(spec, weights=tuple(files)), staged, licence_text)
        open_folder(staged)
    return open_folder(folder)


def write_description(spec: ModelSpec, folder: Path, licence_text: str = "") -> None:
    """Writes all of a package but its weights into a folder."""
    for path in (METADATA, CARD_FILE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    metadata = json.dumps(metadata_of(spec), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / METADATA).write_text(metadata + "\n", encoding="utf-8")
    licence = licence_text or spec.licence or "No licence was given."
    (folder / LICENCE_FILE).write_text(licence.rstrip() + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(_card(spec), encoding="utf-8")


def _save(state: StateDict, path: Path) -> None:
    """Writes a state dict. Of names that share one tensor, as in MONAI's DynUNet, only the first is written."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    seen: set[tuple[Any, ...]] = set()
    for key, tensor in state.items():
        place = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        tensors[key] = tensor.detach().cpu().clone().contiguous()
    if not tensors:
        raise MedDLError(Code.MODEL_INVALID, "There are no weights to write.")
    path.write_bytes(save(tensors))  # the library's own file would hide why the system does not write it


def metadata_of(spec: ModelSpec) -> dict[str, Any]:
    """The content of ``metadata.json``: what a bundle must have, and our description."""
    image = {
        "type": "image",
        "format": "hounsfield" if any(c.modality == "CT" for c in spec.channels) else "magnitude",
        "modality": ", ".join(sorted({c.modality or "any" for c in spec.channels})),
        "num_channels": len(spec.channels),
        "spatial_shape": list(spec.inference.patch or spec.grid.shape or ("*", "*", "*")),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": spec.inference.patch is not None,
        "channel_def": {str(n): channel.name for n, channel in enumerate(spec.channels)},
    }
    exclusive = spec.output.activation == "softmax"
    names = {"0": "background"} if exclusive else {}
    names |= {str(label.value - (not exclusive)): label.name for label in spec.labels}
    prediction = {
        **image,
        "format": "segmentation",
        "modality": "any",
        "num_channels": spec.output_channels,
        "channel_def": names,
    }
    return {
        "version": spec.version or "0.0.0",
        "monai_version": _version("monai"),
        "pytorch_version": _version("torch"),
        "numpy_version": _version("numpy"),
        "required_packages_version": {},
        "name": spec.title or spec.name,
        "task": "segmentation",
        "description": spec.description,
        "authors": spec.source,
        "copyright": spec.licence,
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": prediction}},
        DESCRIPTION_KEY: description_of(spec),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _card(spec: ModelSpec) -> str:
    """The model card: what a person asks before using a model."""
    inputs = ", ".join(f"{c.name} ({c.modality or 'any modality'})" for c in spec.channels)
    facts = [
        ("Inputs", inputs),
        ("Structures", ", ".join(label.name for label in spec.labels)),
        ("Trained on", "" if spec.crops is None else f"crops of about {spec.crops}; a larger scan needs points"),
        ("Network", spec.network.name),
        ("Licence", spec.licence),
        ("Citation", spec.citation),
        ("Source", spec.source),
        *((key, str(value)) for key, value in spec.measured.items()),
    ]
    lines = [f"# {spec.title or spec.name}", "", *([spec.description, ""] if spec.description else [])]
    lines += [f"- {key}: {value}" for key, value in facts if value]
    return "\n".join([*lines, "", "For research. Not for clinical use.", ""])
