"""Perturbation response: small details are put into k-space, and have to come out, and nothing else may change.

Antun 2020, doi:10.1073/pnas.1907377117; Chan 2021, doi:10.1109/TMI.2021.3060510 (local perturbation responses). The
details go through the scan's own sensitivities and lines, so the method sees what a lesion would have given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gateway.model.image import Pixels
from gateway.recon.checks.rerun import Rerun
from gateway.recon.checks.view import View

AMPLITUDE = 5.0
"""Of the details, in standard deviations of the noise where they lie."""
WIDTH_PX = 1.5
APART_PX = 14
MOST = 24
NEAR = 3.5
"""Widths within which a change counts as the detail's own."""
AROUND = 7
"""Pixels along each side in a slice that have to be of the patient."""
ALL = 0.99
"""Share of them, rounding aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What became of the details.

    Parameters
    ----------
    gains
        Of each: 1 where it came out as it went in. Shape `(detail,)`.
    elsewhere
        Energy of what changed far from all details, as a part of theirs.
    change
        In units of the mean amplitude of the details. Shape `(z y x)`.
    """

    gains: Tensor
    elsewhere: float
    change: Tensor

    @property
    def misfit(self) -> float:
        """Say how wrong details come out: lost or grown, in the mean of squares, and what changed elsewhere."""
        return math.sqrt(float((self.gains - 1).square().mean()) + self.elsewhere)


def respond(view: View, rerun: Rerun, pixels: Pixels, random: np.random.Generator) -> Response | None:
    """Put details in and look what comes out; None where there is no room for any.

    Parameters
    ----------
    pixels
        What the method made without them. Shape `(z y x)`.
    """
    places = _places(view, random)
    if not len(places):
        return None
    signs = torch.from_numpy(random.choice([-1.0, 1.0], len(places))).to(view.deviation)
    amplitudes = signs * AMPLITUDE * torch.stack([view.deviation[tuple(place)] for place in places])
    added, near = torch.zeros_like(view.deviation), torch.zeros_like(view.there)
    for place, amplitude in zip(places, amplitudes, strict=True):
        shape = _detail(place, view.deviation)
        added += amplitude * shape
        near |= shape >= math.exp(-(NEAR**2) / 2)
    phase = torch.polar(torch.ones_like(added), view.reference.angle())
    made = rerun.with_added(view.seen(added * phase) * view.scale)
    change = view.encoded(made).abs() - view.encoded(pixels).abs()
    shapes = (_detail(place, view.deviation) for place in places)
    own = torch.stack([(shape * change).sum() / shape.square().sum() for shape in shapes])
    elsewhere = float(change[~near].square().sum() / added.square().sum())
    return Response(gains=own / amplitudes, elsewhere=elsewhere, change=change / amplitudes.abs().mean())


def _places(view: View, random: np.random.Generator) -> np.ndarray:
    """Draw places in the patient that keep apart. Shape `(detail zyx)`."""
    around = torch.nn.functional.avg_pool2d(view.there.float()[:, None], AROUND, stride=1, padding=AROUND // 2)[:, 0]
    inside = around > ALL
    candidates = np.argwhere(inside.cpu().numpy())
    random.shuffle(candidates)
    chosen: list[np.ndarray] = []
    for place in candidates:
        if all(np.abs(place - other).max() >= APART_PX for other in chosen):
            chosen.append(place)
        if len(chosen) == MOST:
            break
    return np.array(chosen)


def _detail(place: np.ndarray, like: Tensor) -> Tensor:
    """Draw a small round detail of height 1. Shape `(z y x)`."""
    made = torch.ones((), device=like.device)
    for n, at in zip(like.shape, place, strict=True):
        along = torch.arange(n, device=like.device) - int(at)
        made = made[..., None] * torch.exp(-along.square() / (2 * WIDTH_PX**2))
    return made
