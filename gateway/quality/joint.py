"""All checks together: what each leaves in doubt adds up.

A value counts by how many standard deviations its logarithm lies above that of clean images; all together count by the
root of the sum of squares (as Fisher's combination of independent tests, 1932, with normal tails). Middles and spreads
are those of clean heads in docs/quality-gate-measured.md, from where `benchmarks.quality_gate` takes its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.model.gate import Check, Measured

CLEAN: Mapping[Check, tuple[float, float]] = MappingProxyType(
    {
        Check.CONSISTENCY: (1.615, 0.403),
        Check.STRUCTURE: (1.292, 0.151),
        Check.DETAIL: (0.021, 0.050),
        Check.LINES: (0.065, 0.175),
        Check.COILS: (0.452, 0.481),
        Check.AGREEMENT: (1.033, 0.273),
    }
)
"""Middle and spread of the logarithm of each value that is joined."""


def together(measured: Sequence[Measured]) -> Measured:
    """Join what was measured; not made where any of the checks that are joined was not."""
    values = {each.check: each.value for each in measured if each.check in CLEAN and each.value is not None}
    if lacking := [check.value for check in CLEAN if check not in values]:
        return Measured(check=Check.TOGETHER, note=f"{', '.join(lacking)} could not be made")
    heights = {check: _height(check, value) for check, value in values.items()}
    shares = {check: max(height, 0.0) for check, height in heights.items()}
    told = ", ".join(f"{check} {shares[check]:.2g}" for check in sorted(shares, key=lambda check: -shares[check]))
    value = math.sqrt(sum(share**2 for share in shares.values()))
    return Measured(check=Check.TOGETHER, value=value, note=f"above the middle of clean images: {told}")


def _height(check: Check, value: float) -> float:
    middle, spread = CLEAN[check]
    if not math.isfinite(value):
        return math.inf
    return (math.log(max(value, 1e-3)) - middle) / spread
