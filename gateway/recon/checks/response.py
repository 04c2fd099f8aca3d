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

from gateway.recon.checks.again import Rerun
from gateway.recon.checks.view import View
from gateway.recon.space import Target

AMPLITUDE = 5.0
"""Of the details, in standard deviations of the noise where they lie."""
WIDTH_PX = 1.5
APART_PX = 14
MOST = 24
NEAR = 3.5
"""Widths within which a change counts as the detail's own."""


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
        In units of the mean amplitude of the details. Shape `(y x)`.
    """

    gains: Tensor
    elsewhere: float
    change: Tensor

    @property
    def misfit(self) -> float:
        """Say how wrong details come out: lost or grown, in the mean of squares, and what changed elsewhere."""
        return math.sqrt(float((self.gains - 1).square().mean()) + self.elsewhere)


def respond(
    view: View, rerun: Rerun, pixels: np.ndarray, target: Target, random: np.random.Generator
) -> Response | None:
    """Put details in and look what comes out; None where there is no room for any.

    Parameters
    ----------
    pixels
        What the method made without them. Shape `(y x)`.
    """
    places = _places(view, random)
    if not len(places):
        return None
    signs = torch.from_numpy(random.choice([-1.0, 1.0], len(places))).to(view.deviation)
    shapes = torch.stack([_detail(place, view.deviation) for place in places])
    amplitudes = signs * AMPLITUDE * torch.stack([view.deviation[tuple(place)] for place in places])
    added = (amplitudes[:, None, None] * shapes).sum(dim=0)
    phase = torch.polar(torch.ones_like(added), view.reference.angle())
    made = rerun.with_added(view.seen(added * phase) * view.scale)
    size = target.matrix.y, target.grid.y
    change = view.on_lines(made, *size).abs() - view.on_lines(pixels, *size).abs()
    own = (shapes * change).sum(dim=(1, 2)) / shapes.square().sum(dim=(1, 2))
    far = torch.stack([shapes[n] < math.exp(-(NEAR**2) / 2) for n in range(len(shapes))]).all(dim=0)
    elsewhere = float(change[far].square().sum() / added.square().sum())
    return Response(gains=own / amplitudes, elsewhere=elsewhere, change=change / amplitudes.abs().mean())


def _places(view: View, random: np.random.Generator) -> np.ndarray:
    """Draw places in the patient that keep apart. Shape `(detail 2)`."""
    inside = torch.nn.functional.avg_pool2d(view.there.float()[None, None], 7, stride=1, padding=3)[0, 0] > 0.99  # noqa: PLR2004 - all of them, rounding aside
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
    """Draw a small round detail of height 1. Shape `(y x)`."""
    y, x = (torch.arange(n, device=like.device) - int(at) for n, at in zip(like.shape, place, strict=True))
    distance = y[:, None].square() + x[None, :].square()
    return torch.exp(-distance / (2 * WIDTH_PX**2))
