"""SimpleITK's threads. It is imported where it is first used: that takes a sixth of what importing torch does."""

from __future__ import annotations

import os
import sys

THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
"""Environment variable that ITK reads when it is loaded."""


def limit_threads(threads: int) -> None:
    """Sets how many CPU threads SimpleITK uses from now on, in this process and those that it starts."""
    os.environ[THREADS] = str(threads)
    if loaded := sys.modules.get("SimpleITK"):
        loaded.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
