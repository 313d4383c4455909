"""What happens inside the child process: the bundle's own transforms, network and inferer, as MONAI builds them.

This is the only place that hands a stranger's configuration to MONAI's parser, which evaluates it as Python. MedDL
gives the scan and takes the result: reading files and writing them are not the bundle's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Code, MedDLError
from ..weights import read_state_dict
from .scan_reader import scan_reader

PREPROCESSING = ("dataset::transform", "preprocessing")
NETWORKS = ("evaluator::network", "network", "network_def")
INFERERS = ("evaluator::inferer", "inferer")
POSTPROCESSING = ("evaluator::postprocessing", "postprocessing")
"""Where a configuration keeps its parts: what its evaluator is given, else the usual name."""

CONFIGURATIONS = ("inference.json", "inference.yaml", "inference.yml")

CHECKPOINT = "meddl_checkpoint"
"""Our own id in the configuration."""

IMAGE = "image"
"""What MONAI's evaluator gives to the network (``CommonKeys.IMAGE``)."""

ANSWERS = ("label", "labels", "seg", "pred")
"""The keys under which a bundle loads what no scan comes with: the truth, an earlier result."""

OnProgress = Callable[[int, int], None]


def run(request: Mapping[str, Any], on_progress: OnProgress) -> None:
    """Segments the scan of a request and writes ``result.npy`` into the current folder.

    Raises:
        MedDLError: MODEL_INVALID where the bundle takes other inputs than it says; NETWORK_NONFINITE.
        Exception: whatever the bundle's code raises.
    """
    import torch
    from monai.bundle import ConfigParser
    from monai.data import decollate_batch, list_data_collate

    bundle = Path(request["bundle"])
    device = torch.device(request["device"])
    torch.set_num_threads(request["threads"])
    sys.path.insert(0, str(bundle))
    config = next(bundle / "configs" / name for name in CONFIGURATIONS if (bundle / "configs" / name).is_file())
    parser = ConfigParser()
    parser.read_meta(bundle / "configs" / "metadata.json")
    parser.read_config(config)
    parser["bundle_root"] = str(bundle)
    parser["output_dir"] = str(Path.cwd())
    parser["device"] = device
    raw = parser.config
    files = [str(Path.cwd() / name) for name in request["channels"]]
    _give_scan(raw, np.array(request["affine"]))
    parser[CHECKPOINT] = _checkpoint(raw, bundle)  # whatever is set makes the parser forget what it has built
    steps = 4
    on_progress(0, steps)

    before = parser.get_parsed_content(_id(raw, PREPROCESSING))
    network = parser.get_parsed_content(_id(raw, NETWORKS)).to(device).eval()
    network.load_state_dict(read_state_dict(Path(bundle, parser.get_parsed_content(CHECKPOINT))))
    inferer = parser.get_parsed_content(_id(raw, INFERERS))
    on_progress(1, steps)

    keys, answers = _loaded_keys(before)
    data = _tolerant(before, answers)(_inputs(keys, files))
    on_progress(2, steps)
    with torch.inference_mode():
        batch = list_data_collate([data])
        found = inferer(_image(batch, keys).to(device), network)
    batch["pred"] = _finite(found[0] if isinstance(found, (tuple, list)) else found, device).cpu()
    data = decollate_batch(batch)[0]
    on_progress(3, steps)
    after = _id(raw, POSTPROCESSING, needed=False)
    if after:
        result = _tolerant(parser.get_parsed_content(after), answers)(data)["pred"]
    else:
        result = data["pred"].argmax(0, keepdim=True)
    np.save("result.npy", _on_the_scans_grid(result, request, files[0]), allow_pickle=False)
    on_progress(steps, steps)


def _give_scan(raw: Any, affine: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Makes every loading transform take the scan from MedDL, and takes the saving ones out."""
    for owner, name, component in _components(raw):
        target = str(component.get("_target_")).rpartition(".")[2]
        if target in ("LoadImaged", "LoadImageD", "LoadImageDict"):
            component["reader"] = scan_reader(affine)
        elif target in ("SaveImaged", "SaveImageD", "SaveImageDict") and isinstance(owner, list):
            owner[name] = None
    for owner, _, _ in list(_components(raw)):
        if isinstance(owner, list):
            owner[:] = [item for item in owner if item is not None]


def _loaded_keys(before: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The keys under which a bundle loads its images, and those of ``ANSWERS``, which stay away."""
    from monai.transforms import LoadImaged

    loaders = [transform for transform in _transforms(before) if isinstance(transform, LoadImaged)]
    keys = dict.fromkeys(key for loader in loaders for key in loader.keys) if loaders else (IMAGE,)
    answers = tuple(key for key in keys if key in ANSWERS)
    return tuple(key for key in keys if key not in answers), answers


def _transforms(transform: Any) -> Iterator[Any]:
    """A transform and those that it is composed of."""
    yield transform
    parts = getattr(transform, "transforms", ())
    for part in parts if isinstance(parts, (list, tuple)) else ():
        yield from _transforms(part)


def _tolerant(transform: Any, answers: Sequence[Any]) -> Any:
    """The transform; where answers stay away, it and its parts pass over keys that are not there."""
    for part in _transforms(transform) if answers else ():
        if hasattr(part, "allow_missing_keys"):
            part.allow_missing_keys = True
    return transform


def _inputs(keys: Sequence[Any], files: Sequence[str]) -> dict[Any, Any]:
    """A file for each key, in their order; a single key takes all the files, as channels of one image."""
    if len(keys) == 1:
        return {keys[0]: list(files) if len(files) > 1 else files[0]}
    if len(keys) != len(files):
        named = ", ".join(map(str, keys))
        raise MedDLError(
            Code.MODEL_INVALID,
            f"The trusted bundle loads {len(keys)} images ({named}); its metadata say {len(files)}.",
        )
    return dict(zip(keys, files, strict=True))


def _image(batch: Mapping[Any, Any], keys: Sequence[Any]) -> Any:
    """What the network is given: ``image`` where there is one, else the only image that there is."""
    import torch

    image = batch[IMAGE] if IMAGE in batch else batch.get(keys[0]) if len(keys) == 1 else None
    if not isinstance(image, torch.Tensor):
        raise MedDLError(
            Code.MODEL_INVALID,
            f"The preprocessing of the trusted bundle loads {', '.join(map(str, keys))} and makes no {IMAGE!r} of it.",
        )
    return image


def _finite(found: Any, device: Any) -> Any:
    """What the network computed, if it is all numbers: after the argmax nobody could tell."""
    import torch

    if not torch.isfinite(found.sum()) and not torch.isfinite(found).all():
        raise MedDLError(Code.NETWORK_NONFINITE, f"The network gave NaN or infinite values on {device}.")
    return found


def _components(raw: Any) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Every component of a configuration with what holds it, and where."""
    items = list(raw.items()) if isinstance(raw, dict) else list(enumerate(raw)) if isinstance(raw, list) else []
    for name, item in items:
        if isinstance(item, dict) and "_target_" in item:
            yield raw, name, item
        yield from _components(item)


def _checkpoint(raw: Any, bundle: Path) -> Any:
    """Where the weights are, as the bundle's checkpoint loader says it; else ``models/model.pt``."""
    loaders = (c for _, _, c in _components(raw) if str(c.get("_target_")).rpartition(".")[2] == "CheckpointLoader")
    return next((loader["load_path"] for loader in loaders), str(bundle / "models" / "model.pt"))


def _id(raw: Any, ids: tuple[str, ...], needed: bool = True) -> str:
    """The first of the ids that the configuration has; empty where it has none and none is needed."""
    found = next((id for id in ids if _holds(raw, id.split("::"))), "")
    if needed and not found:
        raise KeyError(f"the configuration has none of {', '.join(ids)}")
    return found


def _holds(raw: Any, keys: list[str]) -> bool:
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw is not None


def _on_the_scans_grid(result: Any, request: Mapping[str, Any], file: str) -> np.ndarray[Any, Any]:
    """``(C, I, J, K)``: brought back as MONAI's saving transform would, where the bundle's own steps did not."""
    import torch
    from monai.data import MetaTensor
    from monai.transforms import SpatialResample

    shape, affine = np.load(file, mmap_mode="r").shape, np.array(request["affine"])
    if isinstance(result, MetaTensor) and result.ndim == 4:
        there = tuple(result.shape[1:]) == shape and np.allclose(result.affine.cpu().numpy(), affine, atol=1e-3)
        if not there:
            back = SpatialResample(mode="nearest", padding_mode="border", dtype=torch.float64)
            result = back(result, dst_affine=torch.as_tensor(affine), spatial_size=shape)
    return np.asarray(torch.as_tensor(result).cpu())
