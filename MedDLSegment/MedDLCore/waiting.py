"""How long a thread that computes waits for the others before it lets the processor go."""

from __future__ import annotations

import os

SPINS, POLICY = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"
"""Environment variables that GNU's OpenMP, which torch brings along on Linux, reads when it is loaded."""

BRIEF = "1000"
"""Looks at the others. By itself it would be 300,000: milliseconds in which, on a machine that does other work too, the
others cannot run. A small network's training step on two cores that another program kept busy took 1.7 CPU-s and 3.7 s,
and takes 0.14 CPU-s and 0.5 s; on an idle machine it takes as long as before."""


def wait_briefly() -> None:
    """For this process, before it imports torch, and for those that it starts; unless the person has chosen."""
    if POLICY not in os.environ:
        os.environ.setdefault(SPINS, BRIEF)
