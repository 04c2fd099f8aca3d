"""Both halves of k-space tell of the same patient: without its smooth phase an image is real.

The one half of k-space is then the mirror image of the other (Margosian 1986; McGibney 1993,
doi:10.1002/mrm.1910300109), which coils know nothing of: a patient who moved between them leaves imaginary edges.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.checks.blobs import blob, smoothed
from gateway.recon.checks.view import View

SMOOTH_PX = 2.0
"""Over which phase is averaged, as that of coils, of the field and of flow at its slowest."""
FEWEST = 100
"""Pixels of a patient."""


def halves_misfit(view: View) -> tuple[float, Tensor] | None:
    """Say how large the imaginary detail of the conventional image is beside its real detail, noise aside.

    Returns
    -------
        That, and the imaginary detail in standard deviations of the noise `(z y x)`; None where there is too little
        detail to say.
    """
    image, there = view.reference, view.there
    if int(there.sum()) < FEWEST:
        return None
    transfer = blob(image.shape, SMOOTH_PX, image.device)
    smooth = smoothed(image, transfer)
    towards = torch.polar(torch.ones_like(image.real), -smooth.angle())
    detail = (image - smooth) * towards
    noise = view.deviation[there].square().mean()
    real = detail.real[there].square().mean() - noise
    if float(real) < float(noise):
        return None
    imaginary = (detail.imag[there].square().mean() - noise).clamp_min(0)
    return float((imaginary / real).sqrt()), detail.imag / view.deviation * there
