"""Several processes that train one network together, each on a device of its own, through ``torch.distributed``.

Each learns from its share of every batch and looks at its share of the validation cases. Gradients are averaged by
torch's DistributedDataParallel, so that all hold the same weights and come to the same decisions. The first process
(rank 0) is told what to do and writes what there is to write; the others ``follow`` it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import FileStore  # type: ignore[attr-defined]  # public, but not to type checkers
from torch.nn.parallel import DistributedDataParallel

from MedDLCore.errors import Code, MedDLError

from ..launching import MEETING, member

PATIENCE = timedelta(days=30)
"""A pause may be long. A process that is gone is noticed at once, by its closed connections."""

LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused")
"""How gloo says it; it has no exception of its own for that."""

T = TypeVar("T")


class ProcessLostError(Exception):
    """Another process of this training is gone. Who started them all knows why, and says it."""


@dataclass(frozen=True)
class Processes:
    """Those that train together.

    Attributes:
        rank: which one this is, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    def share(self, batch: int) -> range:
        """Which patches of a batch are this process's.

        Raises:
            MedDLError: PLAN_INVALID where the batch cannot be divided evenly.
        """
        if batch % self.count:
            raise MedDLError(
                Code.PLAN_INVALID,
                f"plan.batch: {batch} patches cannot be divided evenly among {self.count} processes.",
                f"Make it a multiple of {self.count}, or train in fewer processes.",
            )
        size = batch // self.count
        return range(self.rank * size, (self.rank + 1) * size)

    def learning(self, network: nn.Module) -> nn.Module:
        """The same network; its gradients will be means over all processes. Which weights it uses never changes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network, gradient_as_bucket_view=True, static_graph=True)

    def total(self, own: Tensor) -> Tensor:
        """The sum over all processes.

        Its gradient by ``own`` is multiplied by their number, since gradients become means.
        """
        if self.count == 1:
            return own
        everywhere = own.detach().clone()
        dist.all_reduce(everywhere)
        return everywhere + self.count * (own - own.detach())

    def from_first(self, value: T) -> T:
        """What the first process gives here."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def gathered(self, own: T) -> list[T]:
        """What each process gives, in the order of their ranks."""
        if self.count == 1:
            return [own]
        everything: list[Any] = [None] * self.count
        dist.all_gather_object(everything, own)
        return everything

    def said_once(self, error: MedDLError) -> Exception:
        """An error that all processes meet alike: the first one says it."""
        return error if self.rank == 0 else ProcessLostError()

    def dealt(self, items: Sequence[T]) -> Sequence[T]:
        """Every so-manieth of these is this process's."""
        return items[self.rank :: self.count]


ALONE = Processes()


def joined() -> Processes:
    """The processes that this one is among."""
    return Processes(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else ALONE


@contextmanager
def joining(device: str) -> Iterator[Processes]:
    """Meets the other processes, where this one was started as one of several; at the end the others are let go.

    Args:
        device: torch's name, from ``own_device``.

    Raises:
        ProcessLostError: one of them is gone.
    """
    one = member()
    if one is None:
        yield ALONE
        return
    rank, count = one
    meeting = os.environ.get(MEETING)
    store = FileStore(meeting, count) if meeting else None  # None: torchrun says where
    with naming_the_lost():
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE, store=store, rank=rank, world_size=count)
        processes = joined()
        yield processes
        if rank == 0:
            processes.from_first(None)
    dist.destroy_process_group()


def follow(work: Callable[..., object]) -> None:
    """What the others do: ``work``, with the arguments that the first one gives, until it lets them go."""
    while (arguments := joined().from_first(None)) is not None:
        work(*arguments)


@contextmanager
def naming_the_lost() -> Iterator[None]:
    """Turns the failure of a connection to another process into ``ProcessLostError``."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(words in str(error) for words in LOST):
            raise ProcessLostError from error
        raise


def own_device(wanted: str) -> str:
    """The graphics card of this process, where there are several processes; else what is wanted.

    Raises:
        MedDLError: DEVICE_MISSING for a single card, or a device whose processes cannot work together.
    """
    if member() is None or wanted == "cpu":
        return wanted
    if wanted == "auto" and not torch.cuda.is_available():
        return "cpu"
    if wanted in ("auto", "cuda"):
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    message = f"Several processes cannot train together on {wanted}."
    raise MedDLError(Code.DEVICE_MISSING, message, "With --processes, give --device cuda or cpu.")
