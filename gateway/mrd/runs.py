"""Pass over many readouts of one shape at once: nearly all of a scan is a run of them, and a loop per readout costs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from gateway.model.readout import ACQUISITION_HEADER, Flag, mask
from gateway.mrd.framing import Bytes, MessageId

SHAPE = ("number_of_samples", "active_channels", "trajectory_dimensions")
_COMPRESSED = mask(Flag.COMPRESSION1, Flag.COMPRESSION2)


def alike(piece: memoryview, at: int, *, head: Bytes, n_bytes: int) -> int:
    """Count the whole acquisitions at ``at`` that have the shape of the one before.

    Parameters
    ----------
    head
        Header of the acquisition before.
    n_bytes
        How long it was, with its message id.
    """
    n = (len(piece) - at) // n_bytes
    if n == 0:
        return 0
    before = np.frombuffer(head, ACQUISITION_HEADER, 1)[0]
    found = np.ndarray(n, _message(n_bytes), piece, at)
    same = (found["id"] == MessageId.ACQUISITION) & (found["flags"] & _COMPRESSED == 0)
    for name in SHAPE:
        same &= found[name] == before[name]
    return n if same.all() else int(same.argmin())


@lru_cache(maxsize=64)
def _message(n_bytes: int) -> np.dtype[Any]:
    """Lay out what tells an acquisition of this length from other messages, in place."""
    fields = {name: ACQUISITION_HEADER.fields[name] for name in ("flags", *SHAPE)}  # type: ignore[index]
    return np.dtype(
        {
            "names": ["id", *fields],
            "formats": ["<u2", *(field[0] for field in fields.values())],
            "offsets": [0, *(2 + field[1] for field in fields.values())],
            "itemsize": n_bytes,
        }
    )
