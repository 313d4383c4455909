"""Half precision: only where a card is made for it, never where it overflows, never against the person's wish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from MedDLCore.errors import Code, MedDLError
from MedDLCore.inference import Predictor
from MedDLCore.inference.backends import torch_backend
from MedDLCore.inference.engine import Engine


class OnCard(nn.Module):
    """A network that believes to be on a card, and notes in which precision it is computed."""

    def __init__(self, largest: float = 65_504.0, value: float = 1.0) -> None:
        super().__init__()
        self.largest, self.value = largest, value
        self.seen: list[Any] = []

    def to(self, *_: Any) -> OnCard:
        return self

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(PRECISION[-1])
        is_half = PRECISION[-1] is not None
        return x.expand(-1, 2, -1, -1, -1) * (torch.inf if is_half and self.value > self.largest else self.value)


PRECISION: list[Any] = [None]


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The compute capability of pretended cards; autocast notes what it was asked for."""
    cards = {"cuda:0": (9, 0), "cuda:1": (6, 1)}

    @contextmanager
    def autocast(device: str, dtype: torch.dtype) -> Iterator[None]:
        PRECISION.append((device, dtype))
        yield
        PRECISION.pop()

    monkeypatch.setattr(torch_backend.torch, "autocast", autocast)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: cards[device])
    return cards


def on(device: str, network: OnCard, full_precision: bool = False) -> tuple[Predictor, Engine]:
    """A predictor whose network believes to be there, while its tensors stay on the CPU."""
    engine = Engine(network, full_precision=full_precision, home=device)
    predictor = Predictor([engine], 2)
    engine.to(device)
    engine.device = "cpu"
    return predictor, engine


@pytest.mark.parametrize(
    ("device", "full_precision", "seen"),
    [
        ("cuda:0", False, ("cuda", torch.float16)),
        ("cuda:0", True, None),
        ("cuda:1", False, None),
        ("mps", False, None),
        ("cpu", False, None),
    ],
)
def test_half_precision_is_for_cards_with_tensor_cores_only(device: str, full_precision: bool, seen: Any) -> None:
    network = OnCard()
    predictor, _ = on(device, network, full_precision)
    logits = predictor(torch.ones(1, 1, 4, 4, 4))
    assert network.seen == [seen]
    assert logits.dtype == torch.float32
    assert predictor.backends == {"torch float16" if seen else "torch"}


def test_logits_in_half_precision_become_float32() -> None:
    class Halved(OnCard):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).half()

    predictor, _ = on("cuda:0", Halved())
    assert predictor(torch.ones(1, 1, 4, 4, 4)).dtype == torch.float32


def test_what_overflows_in_half_precision_is_computed_again_in_full() -> None:
    network = OnCard(value=1e5)
    predictor, _ = on("cuda:0", network)
    assert float(predictor(torch.ones(1, 1, 4, 4, 4)).max()) == 1e5
    predictor(torch.ones(1, 1, 4, 4, 4))
    assert network.seen == [("cuda", torch.float16), None, None]
    assert [notice.code for notice in predictor.notices] == [Code.STEPPED_DOWN]
    assert predictor.backends == {"torch", "torch float16"}


def test_what_overflows_in_full_precision_too_is_refused() -> None:
    predictor, _ = on("cuda:0", OnCard(value=float("inf")))
    with pytest.raises(MedDLError) as refusal:
        predictor(torch.ones(1, 1, 4, 4, 4))
    assert refusal.value.code is Code.NETWORK_NONFINITE


def test_a_card_that_was_stepped_down_from_leaves_no_half_precision_behind() -> None:
    network = OnCard()
    predictor, engine = on("cuda:0", network)
    engine.to("cpu")
    predictor(torch.ones(1, 1, 4, 4, 4))
    assert network.seen == [None]
