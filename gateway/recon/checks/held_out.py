"""Held-out lines: the method reconstructs without a few measured lines, and its image has to predict them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gateway.recon.checks.again import Rerun, measured, some_lines
from gateway.recon.checks.consistency import residual
from gateway.recon.checks.view import View
from gateway.recon.space import Target

SHARE = 0.1
"""Of the lines beyond the calibration."""
ALLOWED = 0.3
"""Part of the amplitude of lines that nobody measured which a good method may get wrong."""


def predicted(view: View, rerun: Rerun, target: Target, random: np.random.Generator) -> tuple[float, Tensor]:
    """Leave lines out and look how well they are predicted.

    Returns
    -------
        By how much the error is larger than noise and what is allowed; and the error, brought back to the image:
        magnitude, shape `(y x)`.
    """
    held = some_lines(measured(view.filled), random, share=SHARE)
    pixels = rerun.without(held)
    only = replace(view, filled=torch.from_numpy(held).to(view.filled.device))
    image = only.on_lines(pixels, target.matrix.y, target.grid.y)
    wanted = view.data * only.filled[:, None]
    left = residual(replace(only, data=wanted), only.seen(image))
    on = only.filled
    found = left[:, on].abs().square().mean()
    expected = view.noise_power + ALLOWED**2 * wanted[:, on].abs().square().mean()
    return float((found / expected).sqrt()), only.back(left).abs()
