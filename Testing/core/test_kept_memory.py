"""Freed memory is kept for the next layer, and goes back to the system afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from MedDLCore.kept_memory import is_possible

only_glibc = pytest.mark.skipif(not is_possible(), reason="the C library is not glibc")

PROGRAM = """
import resource
import numpy as np
from MedDLCore.kept_memory import keeping_memory

SIZE = 12_000_000

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def layers(count):
    before = faults()
    for _ in range(count):
        np.empty(SIZE, np.float32)[::1000] = 1
    return faults() - before

given_back = layers(5)
with keeping_memory():
    layers(1)
    with keeping_memory():
        kept = layers(5)
    still = layers(5)
    held = resident()
after = resident()
print(given_back, kept, still, held - after)
"""


@only_glibc
def test_what_a_layer_frees_is_there_for_the_next_and_gone_after_the_run() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    given_back, kept, still, returned = map(int, done.stdout.split())
    assert given_back > 1000
    assert kept < 100 and still < 100
    assert returned > 40_000_000


def test_where_it_is_not_possible_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from MedDLCore import kept_memory

    monkeypatch.setattr(kept_memory, "_library", lambda: None)
    with kept_memory.keeping_memory():
        pass
