"""Everything that augmentation draws, from one seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from ...plan import Effect


class Draws:
    """Random numbers for one batch. Each patch has streams of its own: it is varied in one way, whoever holds it.

    Parameters are drawn on the CPU, so that they are the same on every device; fields on the device.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu", first: int = 0) -> None:
        """Streams for the batch with this seed; ``first`` is the place in it of the first patch held here."""
        self.device = torch.device(device)
        self._seed = seed
        self._places: Sequence[int] = range(first, first + 2**31)
        self._streams: dict[int, tuple[Generator, Generator]] = {}

    def of(self, chosen: Tensor) -> Draws:
        """What these patches, of those held here, draw on."""
        part = Draws(self._seed, self.device)
        part._places, part._streams = [self._places[n] for n in chosen.tolist()], self._streams
        return part

    def uniform(self, shape: Sequence[int], low: float, high: float) -> Tensor:
        """``shape`` float32 in [low, high), on the device; its first axis counts patches."""
        values = [torch.rand(tuple(shape[1:]), generator=self._stream(n)[0]) for n in range(shape[0])]
        return (low + (high - low) * torch.stack(values)).to(self.device)

    def chosen(self, count: int, probability: float) -> Tensor:
        """Indices of those of ``count`` patches that an effect meets, on the CPU."""
        met = [n for n in range(count) if float(torch.rand((), generator=self._stream(n)[0])) < probability]
        return torch.tensor(met, dtype=torch.int64)

    def strengths(self, count: int, effect: Effect) -> Tensor:
        """``(count,)`` within the effect's bounds."""
        return self.uniform((count,), effect.low, effect.high)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """``shape`` of the standard normal distribution, made on the device; its first axis counts patches."""
        result = torch.empty(tuple(shape), device=self.device)
        for n, field in enumerate(result):
            field.normal_(generator=self._stream(n)[1])
        return result

    def _stream(self, n: int) -> tuple[Generator, Generator]:
        place = self._places[n]
        if place not in self._streams:
            parameters, fields = np.random.SeedSequence([self._seed, place]).generate_state(2, np.uint64).tolist()
            on_cpu, on_device = Generator(), Generator(self.device)
            self._streams[place] = on_cpu.manual_seed(parameters >> 2), on_device.manual_seed(fields >> 2)
        return self._streams[place]
