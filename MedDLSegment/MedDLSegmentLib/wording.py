"""Figures in words, as a person reads them at a glance."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from MedDLCore.errors import Code

from .remedies import remedy
from .translation import _


def controlKey() -> str:
    """As it is written on the keyboard. On a Mac, Qt takes Command for it, and Control + click for the right button."""
    return "Cmd" if sys.platform == "darwin" else "Ctrl"


def size(count: float) -> str:
    """Bytes: ``3.1 GB``."""
    if count >= 1e9:
        return _("{n:.1f} GB").format(n=count / 1e9)
    if count >= 1e6:
        return _("{n:.0f} MB").format(n=count / 1e6)
    return _("{n:.0f} kB").format(n=count / 1e3)


def duration(seconds: float) -> str:
    """Not more exact than it is known: ``40 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 1:
        return _("1 s")
    if seconds < 10:
        return _("{n:.0f} s").format(n=seconds)
    if seconds < 90:
        return _("{n:.0f} s").format(n=5 * round(seconds / 5))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{n} min").format(n=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def latency(seconds: float) -> str:
    """How long an answer took: ``0.08 s``, ``1.4 s``, ``12 s``."""
    if seconds < 0.095:
        return _("{n:.2f} s").format(n=seconds)
    return _("{n:.1f} s").format(n=seconds) if seconds < 9.5 else duration(seconds)


def plan(foreseen: Mapping[str, Any]) -> str:
    """The worker's plan in a line: ``64 patches, 3.1 GB, about 40 s on this CPU``."""
    parts = [_("1 patch") if foreseen["patches"] == 1 else _("{n} patches").format(n=foreseen["patches"])]
    parts.append(size(foreseen["memory"]))
    if foreseen["device_memory"]:
        parts.append(_("{size} on the graphics card").format(size=size(foreseen["device_memory"])))
    on_cpu = foreseen["device"] == "cpu" or not foreseen["device_memory"]
    where = _("this CPU") if on_cpu else foreseen["device"]
    if foreseen["seconds"] is None:
        parts.append(_("on {where}").format(where=where))
    else:
        parts.append(_("about {time} on {where}").format(time=duration(foreseen["seconds"]), where=where))
    return ", ".join(parts)


def memory_lacks(foreseen: Mapping[str, Any]) -> str:
    """What a plan needs that is not there, and what to do; empty where it fits."""
    if foreseen["fits"]:
        return ""
    return _("It needs {needed} of memory, and {free} are free. {remedy}").format(
        needed=size(foreseen["memory"]),
        free=size(foreseen["free_memory"]),
        remedy=remedy(Code.NO_MEMORY, foreseen["remedy"]),
    )


def stage(name: str) -> str:
    """What the worker does, while it does it."""
    words = {
        "start": _("Starting the worker"),
        "read": _("Reading the scan"),
        "load": _("Loading the model"),
        "prepare": _("Preparing the scan"),
        "network": _("Running the network"),
        "finish": _("Finishing the labels"),
        "write": _("Measuring"),
        "picture": _("Drawing the picture"),
    }
    return words.get(name, name)


def progress(name: str, seconds_left: float | None) -> str:
    """``Running the network, about 40 s left``."""
    if seconds_left is None:
        return _("{stage} ...").format(stage=stage(name))
    return _("{stage}, about {time} left").format(stage=stage(name), time=duration(seconds_left))
