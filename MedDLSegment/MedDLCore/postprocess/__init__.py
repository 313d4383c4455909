"""From slabs of logits to a label map on the scan's own grid, then clean-up."""

from .boxes import join
from .clean_up import clean_up
from .decide import decide, only
from .memory import deciding_memory, joining_memory, merging_memory
from .merge import merge

__all__ = ["clean_up", "decide", "deciding_memory", "join", "joining_memory", "merge", "merging_memory", "only"]
