"""Where the values of a phase-encoding counter stand in the matrix, and which of them were to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.header import Limit, ScanHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Phase-encoding lines or partitions.

    Parameters
    ----------
    name
        What one of them is called.
    shift
        Index in the matrix, less the counter on the wire.
    first, last
        The range that was to be measured, as indices in the matrix; what is beyond was left out on purpose.
    n
        Size of the matrix.
    """

    name: str
    shift: int
    first: int
    last: int
    n: int

    @property
    def n_wanted(self) -> int:
        """Count what was to be measured."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spelling:
    """How MRD calls a counter in its three places; ``user`` is where Siemens sends its centre in ``idx.user``."""

    axis: str
    index: str
    limit: str
    user: int


_SPELLINGS = {
    "line": _Spelling(axis="y", index="kspace_encode_step_1", limit="kspace_encoding_step_1", user=5),
    "partition": _Spelling(axis="z", index="kspace_encode_step_2", limit="kspace_encoding_step_2", user=6),
}


def place_counter(name: str, heads: npt.NDArray[Any], header: ScanHeader) -> Counter:
    """Place lines or partitions so that the centre of k-space is at the centre of the matrix.

    Without limits in the header, the range that was measured is the range that was to be measured.

    Raises
    ------
    BadScan
        One lies outside the matrix, or the centre of k-space was not measured.
    """
    spelling, encoding = _SPELLINGS[name], header.encodings[0]
    n: int = getattr(encoding.encoded.matrix, spelling.axis)
    limit = encoding.limits.get(spelling.limit)
    idx = heads["idx"]
    shift = n // 2 - _centre(limit, idx["user"][:, spelling.user], header.system.vendor, default=n // 2)
    lowest, highest = -shift, n - 1 - shift
    first, last = int(idx[spelling.index].min()), int(idx[spelling.index].max())
    for value in (first, last):
        if not lowest <= value <= highest:
            raise BadScan(f"{name} {value} lies outside the matrix, which has room for {lowest} to {highest}")
    if limit:
        first, last = max(min(first, limit.minimum), lowest), min(max(last, limit.maximum), highest)
    if not first <= n // 2 - shift <= last:
        raise BadScan(f"{name}s {first} to {last} were measured, without {n // 2 - shift}, the centre of k-space")
    return Counter(name=name, shift=shift, first=first + shift, last=last + shift, n=n)


def _centre(limit: Limit | None, sent: npt.NDArray[np.uint16], vendor: str | None, *, default: int) -> int:
    """Find the centre; Siemens sends it with every readout, and there the header is wrong in partial Fourier."""
    if "siemens" in (vendor or "").lower() and sent[0] and (sent == sent[0]).all():
        return int(sent[0])
    return limit.center if limit else default
