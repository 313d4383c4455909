"""A model made ready to run: its networks, and what computes them on this machine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .importing import import_torch
from .models import ModelPackage, ModelStore, cache_folders, load_networks
from .spec import ModelSpec
from .toolkit import limit_threads

if TYPE_CHECKING:
    from torch import nn

    from .inference import Device, Engine
    from .inference.engine import Wanted


@dataclass(frozen=True, eq=False)
class Model:
    """A model that is ready to run: keep it for the next case.

    Attributes:
        package: what it is.
        networks: one for each weights file, in eval mode; none for a model in parts, or one that runs its own code.
        device: where they run.
        previous: the model that runs first, whose result this one takes.
        parts: the models whose results together are this one's.
        engines: what computes each network; by default torch.
    """

    package: ModelPackage
    networks: Sequence[nn.Module]
    device: Device
    previous: Model | None = None
    parts: tuple[Model, ...] = ()
    engines: Sequence[Engine] = ()

    @property
    def spec(self) -> ModelSpec:
        """The model as plain data."""
        return self.package.spec


def load(
    package: ModelPackage,
    device: str = "auto",
    threads: int | None = None,
    backend: Wanted = "auto",
    full_precision: bool = False,
    store: ModelStore | None = None,
) -> Model:
    """Loads a model's networks.

    Args:
        package: the model.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        threads: CPU threads for the network and for resampling; None: all cores.
        backend: ``torch``; ``openvino``; ``auto``: on a CPU whichever is known to be faster, see ``Engine``.
        full_precision: float32 throughout, on a graphics card too.
        store: in its folder, if it is there, is kept what this machine has made of the networks and learnt about them;
            the person's own if None.

    Raises:
        MedDLError: DEVICE_MISSING, EXTRA_MISSING, MODEL_CORRUPT, MODEL_UNSAFE, MODEL_INVALID.
    """
    import_torch()
    from .inference import choose_device, make_engines
    from .inference.devices import usable_cores

    chosen = choose_device("cpu" if (device, backend) == ("auto", "openvino") else device, threads)
    limit_threads(threads or usable_cores())
    make = functools.partial(make_engines, device=chosen, backend=backend, full_precision=full_precision)
    return _loaded(package, chosen, make, (store or ModelStore()).path)


def _loaded(package: ModelPackage, device: Device, make: Callable[..., Sequence[Engine]], kept: Path) -> Model:
    if package.trusted:
        return Model(package, (), device)
    if package.parts:
        return Model(package, (), device, parts=tuple(_loaded(part, device, make, kept) for part in package.parts))
    previous = None if package.previous is None else _loaded(package.previous, device, make, kept)
    networks = load_networks(package)
    engines = make(networks, package.spec, folders=cache_folders(package, kept))
    return Model(package, networks, device, previous, engines=engines)
