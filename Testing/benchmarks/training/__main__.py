"""``python -m benchmarks.training``, in the folder ``Testing``."""

from __future__ import annotations

from .command import main, one_thread

if __name__ == "__main__":
    one_thread()
    main()
