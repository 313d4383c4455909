"""Wherever a device runs out of memory, the run goes on in the machine's memory and finds the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from fixtures.balls import turned
from MedDLCore import out_of_memory
from MedDLCore.errors import Code
from MedDLCore.inference import Engine, Predictor, predict
from MedDLCore.inference.head import head_left_to_later
from MedDLCore.postprocess import decide
from MedDLCore.spec import Inference, Output
from MedDLCore.volume import Geometry, Label

NETWORK = Geometry.from_parts((13, 12, 11), (2.0, 2.5, 1.5), np.eye(3), (4.0, -3.0, 2.0))
FINER = NETWORK.with_spacing((0.9, 1.1, 1.0))
TURNED = Geometry.from_parts((14, 13, 12), (1.4, 1.9, 1.6), turned(20, 1), (8, 0, 4))
LABELS = tuple(Label(n, f"label {n}", (n, n, n)) for n in (1, 2, 3))
CASES: dict[str, tuple[Inference, Output, Geometry]] = {
    "patches": (Inference(patch=(6, 6, 16), batch=2), Output(), FINER),
    "mirrored probabilities": (Inference(patch=(6, 6, 6), mirror_axes=(0,)), Output("softmax", "probabilities"), FINER),
    "overlapping": (Inference(patch=(6, 6, 6)), Output("sigmoid"), FINER),
    "turned": (Inference(patch=(6, 6, 6)), Output(), TURNED),
    "whole, with a head": (Inference(divisor=4), Output(), FINER),
}


class _Full(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A device whose memory is full when room for a result is asked for the ``nth`` time, and at no other time."""

    def __init__(self, nth: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nth, self.asked = nth, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        is_new = not func._schema.name.endswith("_") and not func.is_view
        if is_new and isinstance(result, torch.Tensor) and result.numel():
            self.asked += 1
            if self.asked == self.nth:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return result


class _Headed(nn.Module):
    """A network whose last layer works on each voxel alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.last = nn.Conv3d(1, 3, 3, padding=1), nn.Conv3d(3, 4, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.last(self.body(image))


def _found(case: str, full: _Full) -> tuple[np.ndarray, list[Code]]:
    inference, output, scan = CASES[case]
    array = torch.from_numpy(np.random.default_rng(0).normal(size=(1, *NETWORK.shape)).astype(np.float32))
    network = _Headed().eval()
    head = head_left_to_later([network], 1, inference)
    assert head is not None
    predictor = Predictor([Engine(network, head=head)], 4)
    predictor.device = "cpu:0"  # from here on the processor counts as a device that may be left
    said: list[str] = []
    with full:
        slabs = predict(array, predictor, inference)
        label_map = decide(slabs, NETWORK, scan, output, LABELS, on_step_down=said.append)
    return label_map.array, [notice.code for notice in predictor.notices] + [Code.STEPPED_DOWN for _ in said]


@pytest.mark.parametrize("case", CASES)
def test_out_of_memory_at_any_moment_changes_nothing_but_a_notice(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_memory, "ON_HOST", frozenset())
    counting = _Full()
    wanted, none = _found(case, counting)
    assert none == []
    assert len(np.unique(wanted)) > 2
    for nth in range(1, counting.asked + 1, max(1, counting.asked // 25)):
        found, codes = _found(case, _Full(nth))
        assert np.array_equal(found, wanted), nth
        assert codes == [Code.STEPPED_DOWN], nth
