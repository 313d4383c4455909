"""One network, computed by torch or, where that is right and faster, by OpenVINO."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import Code, Notice
from .backends import Backend, Exported, NotExportedError, OpenVINOBackend, TorchBackend, disagreement, last_line
from .head import Head
from .records import Choice, Record, Records

Wanted = Literal["auto", "torch", "openvino"]

COST = 10.0
"""Seconds that an export takes, more or less: it depends on the layers and not on the patch."""

SAVED = 0.4
"""Part of torch's time that OpenVINO saves, at least: 0.40 to 0.66 where it was measured."""

TIMED = 2
"""Passes of OpenVINO after which ``auto`` chooses. The first one also pays for its memory."""


class Engine:
    """Computes one network. It is kept with the network, so that what was compiled is compiled once.

    Where torch computes, its errors propagate. Where OpenVINO does, the first patch is computed by both and compared;
    whatever goes wrong with OpenVINO is a notice, and torch goes on.

    ``auto`` is torch until an export pays, by the passes that were made and are foreseen. Then both are timed on the
    patches at hand, whose logits are used, and the faster one is taken, and remembered for this machine.

    Attributes:
        network: the network.
        device: where it is.
        head: what makes logits of what it computes; None: it computes logits.
        used: names of the backends that were used since ``begin``.
        notices: what happened since ``begin``.
    """

    def __init__(
        self,
        network: nn.Module,
        backend: Wanted = "torch",
        full_precision: bool = False,
        exported: Exported | None = None,
        records: Records | None = None,
        cut: float | None = None,
        home: str = "cpu",
        head: Head | None = None,
    ) -> None:
        """Takes a network that is on the CPU.

        Args:
            network: in eval mode.
            backend: what is to compute it.
            full_precision: float32 on every device.
            exported: what OpenVINO takes; None: torch computes it.
            records: what is remembered of it.
            cut: how labels are compared, see ``disagreement``.
            home: the device that the records are of.
            head: what is left to later; then ``__call__`` gives features.
        """
        self.network = network
        self.device = "cpu"
        self.head = head
        self.used: set[str] = set()
        self.notices: list[Notice] = []
        self._torch = TorchBackend(network, home, full_precision, head)
        self._openvino: OpenVINOBackend | None = None
        self._exported = exported
        self._records = records or Records()
        self._record = self._records.read()
        self._wanted = backend
        self._choice: Choice | None = self._record.choice if backend == "auto" else backend
        self._cut, self._home = cut, home
        self._foreseen = self._voxels = 0
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    def to(self, device: str) -> None:
        """Moves the network."""
        self._torch.to(device)
        self.device = device

    def begin(self, passes: int) -> None:
        """A run begins, of so many passes of this network over a patch; 0 where nobody knows."""
        self._foreseen = passes
        self.used.clear()
        self.notices.clear()
        self._seconds.clear()
        if self._wanted == "openvino" and self._exported is None:
            self._notice("OpenVINO cannot compute this model; torch did.")

    def end(self) -> None:
        """A run has ended: remembers how long its passes took, and gives memory back."""
        if self.device == self._home and self._seconds:  # else it stepped down: no time to expect of the next run
            record = self._record
            for backend, seconds in self._seconds.items():
                record = record.after(backend, seconds, self._voxels)
            self._remember(record)
        self._seconds.clear()
        self.release()

    def release(self) -> None:
        """Gives back the memory that is kept for the next pass."""
        if self._openvino is not None:
            self._openvino.release()

    @property
    def seconds_per_voxel(self) -> float | None:
        """Of a pass over a patch, by what would compute it now; None where no run has measured it."""
        speed = self._record.speed("openvino" if self._is_openvino_chosen() else self._torch.name)
        return None if speed is None else speed.seconds / speed.voxels

    def step_down(self) -> bool:
        """Goes over to a slower and more careful way of computing; False where there is none."""
        if self._torch.widen():
            self._notice(f"In half precision the network gave no finite values on {self.device}; float32 was taken.")
        elif self._openvino is not None:
            self._give_up("no finite values")
        else:
            return False
        return True

    def __call__(self, patches: Tensor) -> Tensor:
        """See ``Backend``. The patches are on ``device``."""
        self._voxels = math.prod(patches.shape[2:])
        expected: Tensor | None = None
        if self._is_openvino_chosen() or self._is_tried():
            # Torch before OpenVINO, whose memory stays: the activations of both are never there together.
            expected = None if self._record.agrees else self._by(self._torch, patches)
            found = self._by_openvino(patches, expected)
            if found is not None:
                self.used.add("openvino")
                return found
        self.used.add(self._torch.name)
        return self._by(self._torch, patches) if expected is None else expected

    def _is_openvino_chosen(self) -> bool:
        return self._choice == "openvino" and self._exported is not None

    def _is_tried(self) -> bool:
        """Whether OpenVINO is on trial, or worth one: on all passes it would save more than an export costs."""
        if self._choice is not None or self._exported is None:
            return False
        seconds, known = self._fastest("torch"), self._record.speed("torch")
        if self._openvino is not None or seconds is None:
            return self._openvino is not None
        passes = max(self._foreseen, len(self._seconds.get("torch", ()))) + (known.passes if known else 0)
        return self._exported.is_kept or passes * seconds * SAVED > COST

    def _by(self, backend: Backend, patches: Tensor) -> Tensor:
        started = time.perf_counter()
        logits = backend(patches)
        if patches.device.type != "cpu":
            torch.accelerator.synchronize(patches.device)
        each = (time.perf_counter() - started) / len(patches)
        self._seconds[backend.name] += [each] * len(patches)
        return logits

    def _by_openvino(self, patches: Tensor, expected: Tensor | None) -> Tensor | None:
        """None where it fails, or gives something else than what is expected; then it is not tried again."""
        assert self._exported is not None  # noqa: S101
        try:
            self._openvino = self._openvino or self._exported.open()
            found = self._by(self._openvino, patches)
        except (RuntimeError, MemoryError, ImportError) as error:
            self._give_up(last_line(error), for_good=isinstance(error, NotExportedError))
            return None
        if expected is not None:
            if problem := disagreement(expected, found, self._cut, self.head):
                self._give_up(problem, for_good=True)
                return None
            self._remember(replace(self._record, agrees=True))
        if self._choice is None and len(self._seconds.get("openvino", ())) >= TIMED:
            self._decide()
        return found

    def _decide(self) -> None:
        ours, torchs = self._fastest("openvino"), self._fastest("torch")
        is_faster = ours is not None and torchs is not None and ours < torchs
        self._choice = "openvino" if is_faster else "torch"
        self._remember(replace(self._record, choice=self._choice))
        if not is_faster:
            self._openvino = None

    def _fastest(self, backend: str) -> float | None:
        """The best of this run's times and the remembered one: whatever else the machine did, it only took longer."""
        known = self._record.speed(backend)
        return min([*self._seconds.get(backend, ()), *([known.seconds] if known else [])], default=None)

    def _give_up(self, problem: str, for_good: bool = False) -> None:
        """Torch from here on; ``for_good``: in later runs on this machine too, unless OpenVINO is asked for."""
        self._openvino = self._exported = None
        self._notice(f"OpenVINO could not compute this network ({problem}); torch did.")
        if for_good:
            self._remember(replace(self._record, choice="torch"))

    def _remember(self, record: Record) -> None:
        self._record = record
        self._records.write(record)

    def _notice(self, message: str) -> None:
        self.notices.append(Notice(Code.STEPPED_DOWN, message))
