"""Held-out lines: the method reconstructs without a few measured lines, and its image has to predict them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gateway.recon.checks.rerun import Rerun
from gateway.recon.checks.view import View
from gateway.recon.magnitudes import power as power_of

ALLOWED = 0.3
"""Part of the amplitude of lines that nobody measured which a good method may get wrong."""


def predicted(view: View, rerun: Rerun, random: np.random.Generator) -> tuple[float, Tensor]:
    """Leave lines out and look how well they are predicted.

    Returns
    -------
        By how much the error is larger than noise and what is allowed; and the error, brought back to the image:
        magnitude, shape `(z y x)`.

    Raises
    ------
    BadScan
        There are too few lines to spare any.
    """
    held = rerun.spare(random)
    image = view.encoded(rerun.without(held))
    on = torch.from_numpy(held).to(view.data.device)[:, None]
    seen, wanted = view.seen(image) * on, view.data * on
    gain = (seen.conj() * wanted).sum() / power_of(seen).sum().clamp_min(torch.finfo(torch.float32).tiny)
    left, weights = wanted - gain * seen, (view.encoding.weights * on).expand(wanted.shape[1:])
    found, amplitude = (
        (power_of(each) * weights).sum() / (weights.sum() * len(each)).clamp_min(1e-30) for each in (left, wanted)
    )
    expected = view.noise_power + ALLOWED**2 * amplitude
    return float((found / expected).sqrt()), view.back(left).abs()
