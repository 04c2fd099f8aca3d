"""Structure that one place of the image has and the data have not, or the reverse, beyond what the scan lets expect.

What the image leaves of the data, brought back to it, is searched by matched filters for small structures. Noise is
not all that is left in a good image: the more the brighter a place is (sensitivities) and the steeper (whatever the
method smooths). Both are learned from the patient of this very scan, robustly, so that one place of hundreds changes
nothing: a detector of constant false alarms (Rohling 1983, doi:10.1109/TAES.1983.309350) whose spread is a variance
function (Davidian and Carroll 1987, doi:10.1080/01621459.1987.10478543).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gateway.recon.checks.blobs import WIDTHS_PX, blob, smoothed
from gateway.recon.checks.view import View, quantile
from gateway.recon.magnitudes import norm

WORST = 0.999
"""Quantile over the patient that stands for its worst place."""
FEWEST = 100
"""Pixels of a patient."""
LEAST = 0.5
"""Of the noise: what is calmer is taken to be as noisy."""
OUTLYING = 2.5
"""Standard deviations from where on a place counts no more for the spread of all."""
OUTLIERS_MADE_GOOD = 1.07
"""The variance of a normal distribution over what is left of it after that."""
STEPS = 24
EDGE_PX = 1.0
"""Over which steepness is averaged, at the least."""


def strangeness(view: View, back: Tensor) -> Tensor:
    """Say how far each place stands out of what noise, brightness and steepness lead to expect there.

    Parameters
    ----------
    back
        What the image leaves of the data, brought back to it. Shape `(z y x)`.

    Returns
    -------
        Standard deviations, at the size at which it does most; zero beyond the patient. Shape `(z y x)`.
    """
    best = torch.zeros_like(view.deviation)
    there = view.there
    if int(there.sum()) < FEWEST:
        return best
    towards = torch.polar(torch.ones_like(view.deviation), -view.reference.angle())
    apart, bright = (back * towards).real, view.reference.abs()  # noise of the phase is in the other part
    steep = _steepness(bright)
    for width in WIDTHS_PX:
        transfer = blob(bright.shape, width, bright.device)
        around = blob(bright.shape, max(width, EDGE_PX), bright.device)
        power = view.noise_power * view.encoding.kept(width)[0] / 2
        found = smoothed(apart, transfer)[there] / math.sqrt(power)
        known = torch.stack([smoothed(bright, transfer)[there], smoothed(steep, around)[there]], dim=-1)
        best[there] = torch.maximum(best[there], found.abs() / expected_spread(found, known))
    return best


def strangest(by_place: Tensor, there: Tensor) -> float:
    """Take the worst place of the patient; 0 where there is none."""
    values = by_place[there]
    return float(quantile(values, WORST)) if len(values) else 0.0


def expected_spread(values: Tensor, known: Tensor) -> Tensor:
    """Fit the standard deviation of values as the root of ``a + b known_1^2 + ...``, none of them negative.

    The likelihood of normal values is raised step by step by factors (Fevotte 2009, doi:10.1162/neco.2008.04-08-771);
    in each step outliers are pulled in to where they would begin.

    Parameters
    ----------
    values
        Of mean zero. Shape `(place)`.
    known
        What their spread may go with. Shape `(place quantity)`.

    Returns
    -------
        Shape `(place)`.
    """
    powers = torch.cat([torch.ones_like(known[:, :1]), known.square()], dim=1).double().T.contiguous()
    powers /= powers.mean(dim=1, keepdim=True).clamp_min(torch.finfo(powers.dtype).tiny)
    squares = values.double().square()
    typical = squares.median() / 0.455  # the median of a squared normal value
    weights = typical.clamp_min(LEAST**2) / len(powers) * powers.new_ones(len(powers))
    for _ in range(STEPS):
        precision = (weights @ powers).reciprocal_()
        calm = (squares * precision).clamp_max_(OUTLYING**2).mul_(precision).mul_(OUTLIERS_MADE_GOOD)
        weights = weights * ((powers @ calm) / (powers @ precision)).sqrt()
    return (weights @ powers).clamp_min(LEAST**2).sqrt().to(values.dtype)


def _steepness(image: Tensor) -> Tensor:
    """Give the size of the gradient. Shape `(z y x)`."""
    axes = [axis for axis in range(image.ndim) if image.shape[axis] > 1]
    return norm(torch.stack(torch.gradient(image, dim=axes)), 0)
