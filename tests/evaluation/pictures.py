"""A picture made of formulas, and ways to spoil it without chance: the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float64]


def truth(n: int = 96) -> Picture:
    """Discs and ripples between 0 and 200."""
    y, x = np.mgrid[:n, :n] / n - 0.5
    head = 120.0 * (np.hypot(x / 0.38, y / 0.45) < 1)
    hole = 70.0 * (np.hypot((x - 0.1) / 0.08, (y + 0.05) / 0.15) < 1)
    spot = 80.0 * (np.hypot(x + 0.15, y - 0.12) < 0.06)
    return np.asarray(head - hole + spot + 15 * np.sin(40 * x + 9 * y) * (head > 0) + 5)


def rippled(n: int = 96) -> Picture:
    """Add stripes that look like noise."""
    y, x = np.mgrid[:n, :n]
    return np.asarray(truth(n) + 8 * np.sin(1.7 * x * y + x) + 4 * np.cos(2.9 * x - 1.3 * y))


def blurred(n: int = 96) -> Picture:
    """Average five by five pixels, around the edge."""
    steps = (-2, -1, 0, 1, 2)
    return np.asarray(np.mean([np.roll(truth(n), (j, i), (0, 1)) for j in steps for i in steps], axis=0))
