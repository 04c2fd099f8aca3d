"""How many threads torch takes for work that consists of many small steps; knows nothing of the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

SMALL = 1 << 18
"""Numbers in a tensor up to which a step over them takes no longer than it takes to wake a second thread twice."""


@contextmanager
def as_many_as_help(values: Tensor) -> Iterator[None]:
    """Let one thread do the steps over tensors of a size where others, asleep between them, would be waited for.

    An image of 320 x 320 is passed over in 0.1 ms, and a solver passes over it some thousand times.
    """
    before = torch.get_num_threads()
    if values.numel() <= SMALL and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
