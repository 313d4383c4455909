"""Networks as one function of a patch: ensemble, mirroring, and stepping down when a device runs out of memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..errors import Code, MedDLError, Notice
from ..out_of_memory import is_out_of_memory, release


class Predictor:
    """Maps patches to logits: the mean over the networks and over the flips.

    When the device runs out of memory, the batch is halved; a single patch that does not fit moves the networks to the
    CPU for the rest of the run. The result is the same, and ``notices`` says what happened. Other errors propagate.

    Attributes:
        device: where the networks are now.
        notices: STEPPED_DOWN, at most one for each kind of step.
    """

    def __init__(
        self, networks: Sequence[nn.Module], outputs: int, device: str = "cpu", mirror_axes: Sequence[int] = ()
    ) -> None:
        """Takes the networks to the device.

        Args:
            networks: each maps ``(B, C, d0, d1, d2)`` float32 to ``(B, outputs or more, d0, d1, d2)`` logits.
            outputs: channels that the labels need.
            device: torch's name of the device.
            mirror_axes: spatial axes (0, 1, 2) over whose flips the prediction is averaged.
        """
        self.device = device
        self.notices: list[Notice] = []
        self._networks = list(networks)
        self._outputs = outputs
        self._flips = [
            [axis + 2 for axis in axes]
            for n in range(len(mirror_axes) + 1)
            for axes in itertools.combinations(sorted(mirror_axes), n)
        ]
        try:
            self._move(device)
        except RuntimeError as error:
            if not is_out_of_memory(error) or device == "cpu":
                raise
            self._step_down_to_cpu()

    @property
    def passes(self) -> int:
        """Forward passes per patch."""
        return len(self._flips) * len(self._networks)

    @contextmanager
    def watched(self, on_layer: Callable[[], None]) -> Iterator[int]:
        """Calls ``on_layer`` after each layer while in use; gives how many calls one run of all passes makes.

        For networks that take a scan at once: minutes in one pass, with progress and a way to cancel.
        """
        layers = [layer for network in self._networks for layer in network.modules() if not any(layer.children())]
        hooks = [layer.register_forward_hook(lambda *_: on_layer()) for layer in layers]
        try:
            yield len(layers) * len(self._flips)
        finally:
            for hook in hooks:
                hook.remove()

    def __call__(self, patches: Tensor, on_pass: Callable[[], None] | None = None) -> Tensor:
        """Predicts.

        Args:
            patches: ``(B, C, d0, d1, d2)`` float32, on the CPU.
            on_pass: called after each forward pass of a network.

        Returns:
            ``(B, outputs, d0, d1, d2)`` float32 on ``self.device``.

        Raises:
            MedDLError: NO_MEMORY where the CPU's memory does not suffice; MODEL_INVALID where the network returns
                something else than logits of the patch's size; NETWORK_NONFINITE.
        """
        try:
            logits = self._mean(patches.to(self.device), on_pass)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return logits
        return self._with_less(patches, on_pass)  # outside the handler: its traceback would keep the tensors alive

    def _with_less(self, patches: Tensor, on_pass: Callable[[], None] | None) -> Tensor:
        release(self.device)
        if len(patches) > 1:
            self._notice(f"{self.device} ran out of memory; patches went through the network one by one or in pairs.")
            halves = torch.tensor_split(patches, 2)
            return torch.cat([self(half, on_pass) for half in halves])
        if self.device == "cpu":
            shape = "x".join(str(n) for n in patches.shape[2:])
            raise MedDLError(
                Code.NO_MEMORY,
                f"The machine's memory does not suffice for a patch of {shape} voxels.",
                "Close other programs or choose a smaller model; a smaller region does not make its patch smaller.",
            )
        self._step_down_to_cpu()
        return self(patches, on_pass)

    def _mean(self, patches: Tensor, on_pass: Callable[[], None] | None) -> Tensor:
        total: Tensor | None = None
        with torch.inference_mode():
            for network, axes in itertools.product(self._networks, self._flips):
                logits = network(patches.flip(axes) if axes else patches)
                logits = self._checked(logits, patches)
                logits = logits.flip(axes) if axes else logits
                total = logits if total is None else total + logits
                if on_pass is not None:
                    on_pass()
            assert total is not None  # noqa: S101  there is at least one network and one flip
            if self.passes > 1:
                total = total / self.passes
            if not torch.isfinite(total.sum()) and not torch.isfinite(total).all():
                raise MedDLError(Code.NETWORK_NONFINITE, f"The network gave NaN or infinite values on {self.device}.")
        return total

    def _checked(self, logits: object, patches: Tensor) -> Tensor:
        if not isinstance(logits, Tensor) or logits.ndim != 5 or logits.shape[2:] != patches.shape[2:]:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise MedDLError(
                Code.MODEL_INVALID,
                f"The network returns {got} for an input of {tuple(patches.shape)}, not logits of the same size.",
            )
        if logits.shape[1] < self._outputs:
            raise MedDLError(
                Code.MODEL_INVALID,
                f"The network returns {logits.shape[1]} channels; the model's labels need {self._outputs}.",
            )
        return logits.float()

    def _step_down_to_cpu(self) -> None:
        self._notice(f"{self.device} ran out of memory; the network went on on the CPU.")
        lost, self.device = self.device, "cpu"
        self._move("cpu")
        release(lost)

    def _move(self, device: str) -> None:
        for network in self._networks:
            network.to(device)

    def _notice(self, message: str) -> None:
        notice = Notice(Code.STEPPED_DOWN, message)
        if notice not in self.notices:
            self.notices.append(notice)
