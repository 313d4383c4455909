"""What a worker does in the folder of models, while the person looks at the list: get, add, remove, trust.

These run beside the network, in a thread of their own. Only ``get`` connects to another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import Code, MedDLError
from ..models import Consents, ModelStore, entry, file_set, get, offered_models
from .messages import Errand, read_errand

OnFraction = Callable[[float], None]
Cancelled = Callable[[], bool]


def tell_models(_: Errand) -> dict[str, Any]:
    """``models``: what can be chosen on this machine. The first look at a large foreign model takes a while."""
    return {"models": [asdict(model) for model in offered_models()]}


def get_model(errand: Errand, tell: OnFraction, cancelled: Cancelled) -> dict[str, Any]:
    """Downloads a model of the catalogue, and goes on where an earlier attempt stopped. The result: its ``name``."""

    def progress(done: int, of: int | None) -> None:
        tell(done / of if of else 0.0)

    stored = get(entry(errand.model), ModelStore(), errand.accept_licence, progress, cancelled)
    return {"name": stored.name}


def add_model(errand: Errand) -> dict[str, Any]:
    """Copies a folder, or unpacks a zip. Nothing in it is run. The result: its ``name``."""
    return {"name": ModelStore().add(errand.model).name}


def remove_model(errand: Errand) -> dict[str, Any]:
    """Removes a model of the store; of a folder that was trusted only the consent, not the files."""
    store = ModelStore()
    if store.find(errand.model) is None and Consents(store.path).revoke(Path(errand.model)):
        return {"name": errand.model}
    store.remove(errand.model)
    return {"name": errand.model}


def examine_model(errand: Errand) -> dict[str, Any]:
    """What of a bundle is not data. The result: ``reasons``; ``programs``, ``files``, ``size``, ``sha256`` of all."""
    from ..models.monai_bundle import reasons

    folder = _folder(errand)
    files = file_set(folder)
    return {
        "reasons": [str(reason) for reason in reasons(folder)],
        "programs": [file.name for file in files.programs],
        "files": len(files.files),
        "size": files.size,
        "sha256": files.sha256,
    }


def trust_model(errand: Errand) -> dict[str, Any]:
    """Records the person's consent to exactly the files that ``examine`` showed. The result: ``name``, the folder.

    Raises:
        MedDLError: MODEL_UNTRUSTED where they have changed since.
    """
    folder = _folder(errand)
    files = file_set(folder)
    if files.sha256 != errand.sha256:
        raise MedDLError(
            Code.MODEL_UNTRUSTED, f"The files of {folder.name} have changed since they were shown.", "Look at it again."
        )
    Consents(ModelStore().path).grant(folder, files)
    return {"name": str(folder)}


def run_errand(kind: str, job: Any, tell: OnFraction, cancelled: Cancelled) -> dict[str, Any]:
    """Does what a request of one of ``messages.ERRANDS`` asks for.

    Raises:
        MedDLError: REQUEST_INVALID; as ``get``, ``ModelStore.add``, ``ModelStore.remove``, ``file_set``.
    """
    errand = read_errand(job)
    return get_model(errand, tell, cancelled) if kind == "get" else _AT_ONCE[kind](errand)


_AT_ONCE: Mapping[str, Callable[[Errand], dict[str, Any]]] = {
    "models": tell_models,
    "add": add_model,
    "remove": remove_model,
    "examine": examine_model,
    "trust": trust_model,
}


def _folder(errand: Errand) -> Path:
    folder = Path(errand.model)
    if not folder.is_dir():
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no folder {folder.name[:200]!r}.")
    return folder
