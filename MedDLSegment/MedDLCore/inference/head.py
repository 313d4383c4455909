"""The last layer of a network, where it works on each voxel alone: it can be left to later.

Such a layer is linear, and so is the sliding window. The weighted mean of logits is therefore what the layer makes of
the weighted mean of its input: ``sum(w (A f + b)) / sum(w) = A (sum(w f) / sum(w)) + b``. Where a network has more
classes than features, the window sums the features (32 in place of 118 channels), and the layer is computed once for
each voxel, of a few slices at a time, in place of once for each patch that covers it.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeGuard

import torch
from torch import Tensor, nn

from ..meta import NOT_TAKEN, shapes_of, without_data
from ..out_of_memory import on_device
from ..spec import Inference

EDGE = 64
"""Voxels of the cube by which a network is looked at that takes a scan of any size; or the next multiple that suits."""


class Head:
    """The last layer of a network.

    Attributes:
        features: channels that it takes.
        outputs: logits that it makes of them.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        """Takes the name of the layer: a convolution of 1x1x1."""
        above, _, self._key = name.rpartition(".")
        self._parent = network.get_submodule(above)
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Conv3d)  # noqa: S101
        self._layer: nn.Conv3d = layer
        self.features, self.outputs = self._layer.in_channels, self._layer.out_channels

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Within, the network returns the features."""
        setattr(self._parent, self._key, nn.Identity())
        try:
            yield
        finally:
            setattr(self._parent, self._key, self._layer)

    def logits(self, features: Tensor, tell: Callable[[str], None] | None = None, room: Tensor | None = None) -> Tensor:
        """Makes logits of features: on their device, or in the machine's memory where it has no room.

        Args:
            features: ``(features, n, d1, d2)`` float32.
            tell: told what happened where the device did not do.
            room: earlier logits that are no longer wanted, to write these into where they fit in: memory that is taken
                anew costs as much time as the product.

        Returns:
            ``(outputs, n, d1, d2)`` float32.
        """
        with torch.inference_mode():
            product = functools.partial(_product, room=room)
            return on_device(product, [features, *self._layer.parameters()], "for the logits", tell)


def without(head: Head | None) -> AbstractContextManager[None]:
    """Within, the network lacks its head, if there is one that is left to later."""
    return nullcontext() if head is None else head.left_out()


def _product(features: Tensor, weight: Tensor, bias: Tensor | None = None, room: Tensor | None = None) -> Tensor:
    """Slice by slice: no copy of a slab that is a part of a larger one."""
    slices, plane = features.shape[1], features.shape[2:]
    if room is None or room.device != features.device or room.shape[2:] != plane or room.shape[1] < slices:
        room = features.new_empty(len(weight), slices, *plane)
    logits = room[:, :slices]
    for given, made in zip(features.unbind(1), logits.unbind(1), strict=True):
        torch.mm(weight.flatten(1), given.flatten(1), out=made.flatten(1))
    return logits if bias is None else logits.add_(bias.view(-1, 1, 1, 1))


def head_left_to_later(networks: Sequence[nn.Module], channels: int, inference: Inference) -> Head | None:
    """The head of a model's network, where leaving it to later saves something.

    That is where a network takes a scan at once, or has fewer features than classes. Several networks have several
    heads: None.

    Args:
        networks: of the model.
        channels: of their input.
        inference: the patch, or what a network that has none asks for.
    """
    if len(networks) != 1:
        return None
    (network,) = networks

    def saves(layer: nn.Module) -> bool:
        return _is_pointwise(layer) and (inference.patch is None or layer.in_channels < layer.out_channels)

    if network not in _KNOWN:
        edge = math.ceil(EDGE / inference.divisor) * inference.divisor
        shape = (1, channels, *(inference.patch or (edge,) * 3))
        _KNOWN[network] = _name_of_head(network, shape) if any(map(saves, network.modules())) else None
    name = _KNOWN[network]
    return Head(network, name) if name is not None and saves(network.get_submodule(name)) else None


_KNOWN: weakref.WeakKeyDictionary[nn.Module, str | None] = weakref.WeakKeyDictionary()


def _name_of_head(network: nn.Module, shape: Sequence[int]) -> str | None:
    """The layer whose output is the network's, untouched: seen on tensors without data."""
    calls: list[tuple[str, Tensor, Tensor, int]] = []
    bare = without_data(network)
    for name, layer in bare.named_modules():
        if _is_pointwise(layer):

            def called(_: nn.Module, given: tuple[Tensor], made: Tensor, name: str = name) -> None:
                calls.append((name, given[0], made, made._version))

            layer.register_forward_hook(called)
    images: list[Tensor] = []
    bare.register_forward_pre_hook(lambda _, given: images.append(given[0]))
    try:
        result = shapes_of(bare, shape)
    except NOT_TAKEN:
        return None
    last = next((call for call in calls if call[2] is result and call[3] == result._version), None)
    if last is None or last[1] is images[0] or sum(call[0] == last[0] for call in calls) > 1:
        return None
    return last[0]


def _is_pointwise(layer: nn.Module) -> TypeGuard[nn.Conv3d]:
    if not isinstance(layer, nn.Conv3d):
        return False
    return set(layer.kernel_size) == set(layer.stride) == {1} and not any(layer.padding) and layer.groups == 1
