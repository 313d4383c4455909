"""Networks as one function of a patch: ensemble, mirroring, and stepping down when a device runs out of memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from ..errors import Code, MedDLError, Notice
from ..kept_memory import keeping_memory
from ..out_of_memory import is_out_of_memory, on_device, release
from .engine import Engine

OUT_OF_MEMORY = "ran out of memory"
LACKING = "lacks an operation of this network"


class Predictor:
    """Maps patches to logits: the mean over the networks and over the flips.

    Where the last layer is left to later (``Head``), to features, of which ``logits`` makes the logits.

    When the device runs out of memory, the batch is halved; a single patch that does not fit moves the networks to the
    CPU for the rest of the run, and so does what MPS cannot compute. The result is the same, and ``notices`` says what
    happened. Other errors propagate.

    A context manager: within it, what a layer frees is kept for the next one; on leaving, it is given back, and what
    was measured is remembered.

    Attributes:
        device: where the networks are now.
        notices: STEPPED_DOWN, at most one for each kind of step.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module | Engine],
        outputs: int,
        device: str = "cpu",
        mirror_axes: Sequence[int] = (),
        patches: int = 0,
    ) -> None:
        """Takes the networks to the device.

        Args:
            networks: each maps ``(B, C, d0, d1, d2)`` float32 to ``(B, outputs or more, d0, d1, d2)`` logits.
            outputs: channels that the labels need.
            device: torch's name of the device.
            mirror_axes: spatial axes (0, 1, 2) over whose flips the prediction is averaged.
            patches: how many will come, so far as it is known.
        """
        self.device = device
        self.notices: list[Notice] = []
        self._engines = [each if isinstance(each, Engine) else Engine(each) for each in networks]
        self._head = self._engines[0].head if len(self._engines) == 1 else None
        self._room: Tensor | None = None
        self._outputs = outputs
        self._kept = ExitStack()
        self._flips = [
            [axis + 2 for axis in axes]
            for n in range(len(mirror_axes) + 1)
            for axes in itertools.combinations(sorted(mirror_axes), n)
        ]
        for engine in self._engines:
            engine.begin(patches * len(self._flips))
        try:
            self._move(device)
        except RuntimeError as error:
            if not is_out_of_memory(error) or device == "cpu":
                raise
            self._step_down_to_cpu(OUT_OF_MEMORY)

    def __enter__(self) -> Predictor:
        if self.device == "cpu":
            self._kept.enter_context(keeping_memory())
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._engines:
            engine.end()
        self._kept.close()

    def release(self) -> None:
        """Gives back the memory that is kept from one call to the next."""
        for engine in self._engines:
            engine.release()

    @property
    def passes(self) -> int:
        """Forward passes per patch."""
        return len(self._flips) * len(self._engines)

    @property
    def backends(self) -> frozenset[str]:
        """Names of what has computed the networks so far."""
        return frozenset(name for engine in self._engines for name in engine.used)

    @contextmanager
    def watched(self, on_layer: Callable[[], None]) -> Iterator[int]:
        """Calls ``on_layer`` after each layer while in use; gives how many calls one run of all passes makes.

        For networks that take a scan at once: minutes in one pass, with progress and a way to cancel.
        """
        layers = [layer for each in self._engines for layer in each.network.modules() if not any(layer.children())]
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
            ``(B, outputs or more, d0, d1, d2)`` float32 on ``self.device``; where the network's head is left to later,
            its features ``(B, F, d0, d1, d2)``.

        Raises:
            MedDLError: NO_MEMORY where the CPU's memory does not suffice; MODEL_INVALID where the network returns
                something else than logits of the patch's size; NETWORK_NONFINITE.
        """
        try:
            logits = self._mean(patches.to(self.device), on_pass)
        except NotImplementedError:  # of an operation that MPS lacks
            if self.device != "mps":
                raise
            problem = LACKING
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            problem = OUT_OF_MEMORY
        else:
            return logits if logits is not None else self._more_carefully(patches, on_pass)
        return self._with_less(patches, on_pass, problem)  # outside the handler: its traceback would keep the tensors

    def logits(self, features: Tensor) -> Tensor:
        """Makes logits of what ``__call__`` gives, or of weighted means of that.

        Args:
            features: ``(F, n, d1, d2)`` float32.

        Returns:
            ``(outputs or more, n, d1, d2)`` float32, in memory that the next call takes again; what was given where no
            head is left to later.

        Raises:
            MedDLError: NETWORK_NONFINITE.
        """
        if self._head is None:
            return features
        logits = self._head.logits(features, self.stepped_down, self._room)
        self._room = logits if self._room is None or logits.shape[1] > self._room.shape[1] else self._room
        if not on_device(_is_finite, [logits], "to check the logits", self.stepped_down):
            raise MedDLError(Code.NETWORK_NONFINITE, f"The network gave NaN or infinite values on {self.device}.")
        return logits

    def _with_less(self, patches: Tensor, on_pass: Callable[[], None] | None, problem: str) -> Tensor:
        release(self.device)
        if len(patches) > 1 and problem == OUT_OF_MEMORY:
            self.stepped_down(
                f"{self.device} ran out of memory; patches went through the network one by one or in pairs."
            )
            halves = torch.tensor_split(patches, 2)
            return self._joined([self(half, on_pass) for half in halves])
        if self.device == "cpu":
            shape = "x".join(str(n) for n in patches.shape[2:])
            raise MedDLError(
                Code.NO_MEMORY,
                f"The machine's memory does not suffice for a patch of {shape} voxels.",
                "Close other programs or choose a smaller model; a smaller region does not make its patch smaller.",
            )
        self._step_down_to_cpu(problem)
        return self(patches, on_pass)

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """One batch of several, on the CPU where the device has no room for it beside them."""
        try:
            return torch.cat([part.to(self.device) for part in parts])  # which was left, maybe, between the two
        except RuntimeError as error:
            if not is_out_of_memory(error) or self.device == "cpu":
                raise
        return torch.cat([part.cpu() for part in parts])

    def _more_carefully(self, patches: Tensor, on_pass: Callable[[], None] | None) -> Tensor:
        """Again, after what is not finite: in float32 instead of half precision, by torch instead of OpenVINO."""
        stepped_down = [engine.step_down() for engine in self._engines]
        if not any(stepped_down):
            raise MedDLError(Code.NETWORK_NONFINITE, f"The network gave NaN or infinite values on {self.device}.")
        return self(patches, on_pass)

    def _mean(self, patches: Tensor, on_pass: Callable[[], None] | None) -> Tensor | None:
        """The mean; None where it is not finite."""
        total: Tensor | None = None
        with torch.inference_mode():
            for engine in self._engines:
                for axes in self._flips:
                    logits = self._checked(engine(patches.flip(axes) if axes else patches), patches)
                    logits = logits.flip(axes) if axes else logits
                    if self.passes == 1:
                        total = logits
                    elif total is None:
                        total = logits.clone()  # what a network returns may be its input
                    else:
                        total += logits
                    del logits  # before the next pass
                    for notice in engine.notices:
                        self._add(notice)
                    if on_pass is not None:
                        on_pass()
                if len(self._engines) > 1:
                    engine.release()
            assert total is not None  # noqa: S101  there is at least one network and one flip
            if self.passes > 1:
                total /= self.passes
            return total if _is_finite(total) else None

    def _checked(self, logits: object, patches: Tensor) -> Tensor:
        if not isinstance(logits, Tensor) or logits.ndim != 5 or logits.shape[2:] != patches.shape[2:]:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise MedDLError(
                Code.MODEL_INVALID,
                f"The network returns {got} for an input of {tuple(patches.shape)}, not logits of the same size.",
            )
        outputs = logits.shape[1] if self._head is None else self._head.outputs
        if outputs < self._outputs:
            raise MedDLError(
                Code.MODEL_INVALID,
                f"The network returns {outputs} channels; the model's labels need {self._outputs}.",
            )
        return logits.float()

    def _step_down_to_cpu(self, problem: str) -> None:
        self.stepped_down(f"{self.device} {problem}; the network went on on the CPU.")
        lost, self.device = self.device, "cpu"
        self._move("cpu")
        release(lost)

    def _move(self, device: str) -> None:
        for engine in self._engines:
            engine.to(device)

    def stepped_down(self, message: str) -> None:
        """Notes what happened; the same once."""
        self._add(Notice(Code.STEPPED_DOWN, message))

    def _add(self, notice: Notice) -> None:
        if notice not in self.notices:
            self.notices.append(notice)


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())
