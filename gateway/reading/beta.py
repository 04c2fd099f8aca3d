"""The beta distribution, of which the intervals of shares and of variances are made (NIST DLMF 8.17)."""

from __future__ import annotations

from math import exp, inf, lgamma, log

TERMS = 10_000
"""More than any sample of a study needs: some square root of the larger parameter."""
NEAR = 1e-15
HALVINGS = 200


def beta_share(x: float, a: float, b: float) -> float:
    """Give the part of a beta distribution below x: the regularised incomplete beta function (DLMF 8.17.2)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # there the other fraction comes to its end sooner (DLMF 8.17.4)
        return 1 - beta_share(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a
    return front * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Sum up the continued fraction of DLMF 8.17.22, from its front (Lentz 1976, doi:10.1364/AO.15.000668)."""
    above, below = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    whole = below
    for m in range(1, TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = whole
        for term in (even, odd):
            above, below = 1 + term / above, 1 / (1 + term * below)
            whole *= above * below
        if abs(whole - before) < NEAR * abs(whole):
            break
    return whole


def beta_quantile(p: float, a: float, b: float) -> float:
    """Find below which value a part of a beta distribution lies."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if beta_share(middle, a, b) < p else (low, middle)
    return (low + high) / 2


def f_quantile(p: float, above: float, below: float) -> float:
    """Find below which value a part of an F distribution lies; its degrees of freedom need not be whole (DLMF 8.17.24).

    Parameters
    ----------
    above, below
        Degrees of freedom of numerator and denominator.
    """
    x, rest = beta_quantile(p, above / 2, below / 2), beta_quantile(1 - p, below / 2, above / 2)
    return below * x / (above * rest) if rest else inf
