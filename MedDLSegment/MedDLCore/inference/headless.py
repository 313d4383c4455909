"""Networks that take a whole scan and end in a layer that works on each voxel alone: logits need not exist at once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Headed(Protocol):
    """A network whose last layer can be left to later.

    Attributes:
        head: maps features ``(B, F, d0, d1, d2)`` to logits ``(B, outputs, d0, d1, d2)``, each voxel on its own; None
            where the last layer is of another kind.
    """

    @property
    def head(self) -> nn.Module | None: ...  # noqa: D102

    def headless(self) -> AbstractContextManager[None]:
        """Within, the network returns the features."""


def headed(network: nn.Module, passes: int) -> Headed | None:
    """The network, where its logits can be made slab by slab: it has a head, and no mean over passes is wanted."""
    return network if passes == 1 and isinstance(network, Headed) and network.head is not None else None
