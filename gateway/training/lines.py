"""A pattern of lines that is learned beside the network (LOUPE: Bahadir 2020, doi:10.1109/TCI.2020.3006727).

Each line is kept by chance, and the chances are learned. What is drawn is whole, 0 or 1; gradients go through as if it
were as soft as its chance (straight through: Zhang 2020, arXiv:2007.14450). Chances are those of places between the
edges of k-space, so that one pattern serves every matrix.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.training import Masks
from gateway.recon.masks import calibration
from gateway.training.lessons import Lesson
from gateway.training.procedural import Random

N_PLACES = 65
SOFTNESS = 0.2
"""How far chances reach beside the draw: the slope of the sigmoid that gradients see is its inverse."""


class LearnedLines(nn.Module):
    """Chances of lines, by their place."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(N_PLACES))

    def chances(self, n: int, *, acceleration: float, n_calibration: int) -> Tensor:
        """Give the chance of each line; their sum is the number of lines that the acceleration leaves. Shape `(y,)`."""
        centre = torch.from_numpy(calibration(n, n_calibration)).to(self.logits.device)
        share = max(0.0, n / acceleration - float(centre.sum())) / max(1, int((~centre).sum()))
        places = functional.interpolate(self.logits[None, None], size=n, mode="linear", align_corners=True)[0, 0]
        return torch.where(centre, 1.0, _of_mean(torch.sigmoid(places), ~centre, share))

    def draw(self, n: int, masks: Masks, random: Random) -> Tensor:
        """Keep lines by their chances: 0 or 1, with the gradients of the chances. Shape `(y,)`."""
        acceleration, n_calibration = float(random.choice(masks.accelerations)), int(random.choice(masks.n_calibration))
        chances = self.chances(n, acceleration=acceleration, n_calibration=n_calibration)
        drawn = torch.from_numpy(random.random(n, np.float32)).to(chances.device)
        soft = torch.sigmoid((chances - drawn) / SOFTNESS)
        hard = (drawn < chances).to(soft.dtype)
        return hard + (soft - soft.detach())

    @torch.no_grad()
    def by_place(self) -> Tensor:
        """Give the chances, before they are scaled to an acceleration, from one edge to the other. Shape `(place,)`."""
        return torch.sigmoid(self.logits).cpu()

    @torch.no_grad()
    def likeliest(self, n: int, *, acceleration: float, n_calibration: int) -> npt.NDArray[np.bool_]:
        """Keep the lines of the highest chances, as many as the acceleration leaves. Shape `(y,)`."""
        chances = self.chances(n, acceleration=acceleration, n_calibration=n_calibration).cpu().numpy()
        n_kept = max(round(n / acceleration), int((chances >= 1).sum()))
        lines = np.zeros(n, np.bool_)
        lines[np.argsort(-chances, kind="stable")[:n_kept]] = True
        return lines


def _of_mean(chances: Tensor, free: Tensor, share: float) -> Tensor:
    """Scale chances so that their mean over the free lines is a share, none above 1 (Bahadir 2020, equation 6)."""
    mean = chances[free].mean()
    return torch.where(mean > share, chances * (share / mean), 1 - (1 - chances) * ((1 - share) / (1 - mean)))


def by_lines(lesson: Lesson, kept: Tensor) -> Lesson:
    """Show a lesson's measured lines as a function of what was drawn. Kept has shape `(y,)`."""
    filled = kept.expand_as(lesson.shown.filled)
    return replace(lesson, shown=replace(lesson.shown, filled=filled, data=lesson.samples * filled[:, None]))
