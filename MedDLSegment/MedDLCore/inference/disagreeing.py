"""Networks run several times, in different ways, and what they then disagree about.

How much they do is measured patch by patch, so that the sliding window carries one channel more and no pass is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

Way = Literal["ensemble", "dropout", "perturbed"]

SAMPLES = 8
"""Passes with dropout; Gal and Ghahramani (2016) see little change beyond ten."""

NOISE = 0.1
"""Standard deviation of the noise of a perturbed pass, in those of a patch (of each channel)."""

GAIN = 0.1
"""By how much contrast and brightness of a perturbed pass differ: a factor, and standard deviations."""

SURE = 1e-6
"""The smallest probability that is told from 0."""


def dropout_layers(network: nn.Module) -> list[nn.Module]:
    """The layers that drop something while they learn."""
    return [part for part in network.modules() if isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0]


def best_way(networks: Sequence[nn.Module]) -> Way:
    """The members of an ensemble where there are some; dropout where a network has it; else its input is perturbed."""
    if len(networks) > 1:
        return "ensemble"
    return "dropout" if dropout_layers(networks[0]) else "perturbed"


def entropy(probability: Tensor, exclusive: bool) -> Tensor:
    """Shannon's entropy, nats, over the channels: of one distribution, or summed over independent structures.

    Args:
        probability: ``(B, C, ...)``.
        exclusive: channels are classes of which one is right.

    Returns:
        ``(B, 1, ...)``.
    """
    known: Tensor = torch.special.entr(probability)
    return (known if exclusive else known + torch.special.entr(1 - probability)).sum(dim=1, keepdim=True)


class Disagreeing(nn.Module):
    """Maps a patch to the mean over passes, and to minus the mean entropy of a single pass.

    The mean is of probabilities for exclusive classes; for structures that may overlap it is given as its logit. So
    what decides labels decides by the mean, and the last channel, which is never positive, decides nothing.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        way: Way,
        outputs: int,
        exclusive: bool,
        channels: int,
        mirror_axes: Sequence[int] = (),
    ) -> None:
        """Takes networks in eval mode, which stay as they are.

        Args:
            networks: of the model.
            way: how passes differ.
            outputs: channels that count of what the networks return.
            exclusive: they are classes of which one is right.
            channels: of the input that belong to the scan: only they are perturbed.
            mirror_axes: spatial axes (0, 1, 2) over which the model may be mirrored: with noise they are.
        """
        super().__init__()
        self._networks = nn.ModuleList(networks)
        self._way, self._outputs, self._exclusive, self._channels = way, outputs, exclusive, channels
        axes = sorted(mirror_axes)
        flips = [[a + 2 for a in some] for n in range(len(axes) + 1) for some in itertools.combinations(axes, n)]
        gains = [(1.0, 0.0), (1 + GAIN, 0.0), (1 - GAIN, 0.0), (1.0, GAIN), (1.0, -GAIN)]
        count = max(len(flips), len(gains))
        self._perturbations = [(flips[n % len(flips)], *gains[n % len(gains)], n > 0) for n in range(count)]

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, C, d0, d1, d2)`` to ``(B, outputs + 1, d0, d1, d2)``."""
        total: Tensor | None = None
        expected: Tensor | None = None
        count = 0
        for logits in self._passes(patches):
            wanted = logits[:, : self._outputs].float()
            probability = wanted.softmax(dim=1) if self._exclusive else wanted.sigmoid()
            own = entropy(probability, self._exclusive)
            total = probability if total is None else total.add_(probability)
            expected = own if expected is None else expected.add_(own)
            count += 1
        assert total is not None and expected is not None  # noqa: S101  there is at least one pass
        mean = total / count
        return torch.cat([mean if self._exclusive else mean.logit(SURE), -expected / count], dim=1)

    def _passes(self, patches: Tensor) -> Iterator[Tensor]:
        if self._way == "ensemble":
            yield from (network(patches) for network in self._networks)
            return
        for network in self._networks:
            if self._way == "dropout":
                for n in range(SAMPLES):
                    with _dropping(network), _drawn(n, patches):
                        yield network(patches)
                continue
            for n, (flip, gain, shift, noisy) in enumerate(self._perturbations):
                given = self._perturbed(patches, n, gain, shift) if noisy else patches
                logits = network(given.flip(flip) if flip else given)
                yield logits.flip(flip) if flip else logits

    def _perturbed(self, patches: Tensor, n: int, gain: float, shift: float) -> Tensor:
        scan, rest = patches[:, : self._channels], patches[:, self._channels :]
        deviation = scan.std(dim=(2, 3, 4), keepdim=True)
        mean = scan.mean(dim=(2, 3, 4), keepdim=True)
        with _drawn(n, patches):
            noise = torch.randn_like(scan)
        return torch.cat([mean + gain * (scan - mean) + deviation * (shift + NOISE * noise), rest], dim=1)


@contextmanager
def _dropping(network: nn.Module) -> Iterator[None]:
    """Within, dropout drops, and nothing else is as in training."""
    layers = dropout_layers(network)
    for layer in layers:
        layer.train()
    try:
        yield
    finally:
        for layer in layers:
            layer.eval()


@contextmanager
def _drawn(n: int, like: Tensor) -> Iterator[None]:
    """Within, chance is always the same for a pass: a scan has one uncertainty."""
    devices = [like.device] if like.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(n)
        yield
