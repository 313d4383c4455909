"""Models that stay loaded, the latest used first, within a part of the memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from ..errors import Code, MedDLError
from ..machine_memory import total_memory
from ..models import ModelPackage, ModelStore, folder_state, open_model
from ..pipeline import Model, load
from .messages import Job

PART = 0.25
"""Of the machine's memory, or its container's, which models that are kept may take together."""


class Warm:
    """Keeps models from one request to the next."""

    def __init__(self, budget: int | None = None) -> None:
        """Takes the bytes that kept models may take beside the latest; ``PART`` of the memory if None."""
        self._budget = round(PART * total_memory()) if budget is None else budget
        self._packages: dict[tuple[str, str | None], tuple[ModelPackage, str]] = {}
        self._models: OrderedDict[tuple[object, ...], Model] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models that are kept, the latest last."""
        return tuple(model.spec.name for model in self._models.values())

    def model(self, job: Job) -> Model:
        """The job's model, loaded where it is not kept, or where a file of it has changed.

        Raises:
            MedDLError: as ``open_model`` and ``load``.
        """
        store = ModelStore(job.models)
        package = self._package(job.model, store, job.models)
        key = (package.sha256, package.folder, job.device, job.threads, job.backend, job.full_precision, job.models)
        if key not in self._models:
            self._models[key] = load(package, job.device, job.threads, job.backend, job.full_precision, store)
        self._models.move_to_end(key)
        self._make_room()
        return self._models[key]

    def forget_others(self, model: Model) -> bool:
        """Gives up all models but one; False where there is no other."""
        others = [key for key, kept in self._models.items() if kept is not model]
        for key in others:
            del self._models[key]
        return bool(others)

    def _package(self, name: str, store: ModelStore, models: str | None) -> ModelPackage:
        """Opening a foreign model reads all of its weights: once, as long as its files stay as they are."""
        known = self._packages.get((name, models))
        if known is not None and not known[0].trusted and known[1] == _state(known[0]):
            return known[0]
        package = open_model(name, store)
        self._packages[name, models] = package, _state(package)
        return package

    def _make_room(self) -> None:
        while len(self._models) > 1 and sum(map(_size, self._models.values())) > self._budget:
            self._models.popitem(last=False)


def _state(package: ModelPackage) -> str:
    try:
        return " ".join(folder_state(part.folder) for part in _all_parts(package))
    except OSError as error:
        raise MedDLError(Code.MODEL_NOT_FOUND, f"The files of {package.spec.name} are gone.") from error


def _all_parts(package: ModelPackage) -> Iterator[ModelPackage]:
    yield package
    for part in (*package.parts, *((package.previous,) if package.previous else ())):
        yield from _all_parts(part)


def _size(model: Model) -> int:
    """Bytes of a model's weights."""
    own = sum(int(tensor.nbytes) for network in model.networks for tensor in network.state_dict().values())
    return own + sum(map(_size, model.parts)) + (_size(model.previous) if model.previous else 0)
