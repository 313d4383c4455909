"""The command line: ``meddl segment``, ``plan``, ``check``, ``models``, ``demo``, ``codes``.

Commands import what they need when they run, so that ``meddl --help`` is quick.
"""

from .main import main

__all__ = ["main"]
