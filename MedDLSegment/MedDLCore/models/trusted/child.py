"""What happens inside the child process: the bundle's own transforms, network and inferer, as MONAI builds them.

This is the only place that hands a stranger's configuration to MONAI's parser, which evaluates it as Python. MedDL
gives the scan and takes the result: reading files and writing them are not the bundle's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

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

OnProgress = Callable[[int, int], None]


def run(request: Mapping[str, Any], on_progress: OnProgress) -> None:
    """Segments the scan of a request and writes ``result.npy`` into the current folder.

    Raises:
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
    keys = _given_scan(raw, np.array(request["affine"]))
    parser[CHECKPOINT] = _checkpoint(raw, bundle)  # whatever is set makes the parser forget what it has built
    steps = 4
    on_progress(0, steps)

    before = parser.get_parsed_content(_id(raw, PREPROCESSING))
    network = parser.get_parsed_content(_id(raw, NETWORKS)).to(device).eval()
    network.load_state_dict(read_state_dict(Path(bundle, parser.get_parsed_content(CHECKPOINT))))
    inferer = parser.get_parsed_content(_id(raw, INFERERS))
    on_progress(1, steps)

    data = before(dict.fromkeys(keys, files if len(files) > 1 else files[0]))
    key = keys[0]
    on_progress(2, steps)
    with torch.inference_mode():
        batch = list_data_collate([data])
        found = inferer(batch[key].to(device), network)
    batch["pred"] = (found[0] if isinstance(found, (tuple, list)) else found).cpu()
    data = decollate_batch(batch)[0]
    on_progress(3, steps)
    after = _id(raw, POSTPROCESSING, needed=False)
    result = parser.get_parsed_content(after)(data)["pred"] if after else data["pred"].argmax(0, keepdim=True)
    np.save("result.npy", _on_the_scans_grid(result, request, files[0]), allow_pickle=False)
    on_progress(steps, steps)


def _given_scan(raw: Any, affine: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[str, ...]:
    """Makes every loading transform take the scan from MedDL, and takes the saving ones out.

    Returns:
        The keys under which the bundle loads its images.
    """
    keys: list[str] = []
    for owner, name, component in _components(raw):
        target = str(component.get("_target_")).rpartition(".")[2]
        if target in ("LoadImaged", "LoadImageD", "LoadImageDict"):
            component["reader"] = scan_reader(affine)
            named = component.get("keys")
            keys += [named] if isinstance(named, str) else list(named or ())
        elif target in ("SaveImaged", "SaveImageD", "SaveImageDict") and isinstance(owner, list):
            owner[name] = None
    for owner, _, _ in list(_components(raw)):
        if isinstance(owner, list):
            owner[:] = [item for item in owner if item is not None]
    images = [key for key in dict.fromkeys(keys) if not key.startswith(("@", "$", "label"))]
    return tuple(images) or ("image",)


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
