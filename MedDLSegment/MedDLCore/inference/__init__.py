"""The network moved over the prepared array. Yields finished slabs of logits; needs torch."""

from ..machine_memory import free_memory
from .devices import Device, choose_device
from .engine import Engine
from .engines import make_engines
from .memory import peak_memory
from .plan import Plan, make_plan, together
from .predictor import Predictor
from .sliding import Slab, padded_shape, predict
from .windows import gaussian, window_starts

__all__ = [
    "Device",
    "Engine",
    "Plan",
    "Predictor",
    "Slab",
    "choose_device",
    "free_memory",
    "gaussian",
    "make_engines",
    "make_plan",
    "padded_shape",
    "peak_memory",
    "predict",
    "together",
    "window_starts",
]
