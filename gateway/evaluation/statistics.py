"""What numbers of several volumes say of all volumes of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000
CONFIDENCE = 0.95
SEED = 20_230


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of one number over volumes; with a single volume there is no interval."""

    n: int
    mean: float
    low: float | None
    high: float | None
    quartiles: tuple[float, float, float, float, float]
    """Least, lower quartile, median, upper quartile, most."""


def summarise(values: Sequence[float]) -> Summary:
    """Give the mean with its confidence interval, by drawing volumes anew (Efron 1979, doi:10.1214/aos/1176344552)."""
    numbers = np.asarray(values, np.float64)
    least, lower, median, upper, most = np.quantile(numbers, (0, 0.25, 0.5, 0.75, 1)).tolist()
    low = high = None
    if len(numbers) > 1:
        draws = np.random.default_rng(SEED).integers(len(numbers), size=(RESAMPLES, len(numbers)))
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(numbers[draws].mean(axis=1), (tail, 1 - tail)).tolist()
    return Summary(
        n=len(numbers), mean=float(numbers.mean()), low=low, high=high, quartiles=(least, lower, median, upper, most)
    )
