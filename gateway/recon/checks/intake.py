"""What went into a reconstruction, in numbers that a model's card can hold: brightness over noise, contrast, detail."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.recon.checks.view import View

LEAST = 16
"""Pixels of the patient below which nothing can be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStatistics:
    """Of one frame.

    Parameters
    ----------
    snr
        Median brightness of the patient over the noise of a pixel of a scan of every line.
    contrast
        Standard deviation of the brightness over its mean.
    filling
        Part of the field of view that shows something.
    """

    snr: float
    contrast: float
    filling: float


def statistics_of(view: View) -> InputStatistics | None:
    """Measure one frame; None where there is no patient."""
    size = view.reference.abs()[view.there]
    if len(size) < LEAST:
        return None
    return InputStatistics(
        snr=float(size.median()) / (view.noise_power / 2) ** 0.5,
        contrast=float(size.std() / size.mean()),
        filling=float(view.there.float().mean()),
    )
