"""Whether a reference of its own holds for the image: what it teaches of the coils must predict lines of the image.

A sample of k-space follows from those around it in all coils, by weights that depend on the coils alone (Griswold 2002,
doi:10.1002/mrm.10171; Lustig 2010, doi:10.1002/mrm.22428). So a reference of another contrast holds as well as one of
the same, while one whose channels stand in another order, that was measured over another field of view, or whose
samples lie elsewhere than the header says, predicts nothing. Unfolded by it the image would be plausible, and wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.recon.fourier import fourier, resize
from gateway.recon.hybrid import to_hybrid
from gateway.recon.space import Target

MOST_COILS = 16
"""Coils are turned to so many that see most; more would take more weights than a short reference can teach."""
MOST_SAMPLES = 64
"""In the middle of readouts."""
MOST_LINES = 16
"""In the middle of the image's k-space."""
FEWEST_LINES = 8
"""That teach; fewer only know the middle of k-space."""
FOLDS = 4
"""Parts of the image, each of which the others predict: that tells how much can be asked of a reference."""
AUDIBLE = 4.0
"""A line with less than so many times the power that noise alone leaves says nothing."""
RIDGE = 3.0
"""Times the noise, by which the weights are held down."""
ROUNDING = 1e-9
"""What weights are held down by at least, relative to the power they are learned from."""
TIMES = 3.0
"""A reference may miss so many times as much of the image as the image misses of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demand:
    """What is asked of weights.

    Parameters
    ----------
    least, most
        Part of the image's power that may be missed, however little or much of itself the image misses.
    worth
        Missing more of itself than this, an image has no such relations.
    """

    least: float
    most: float
    worth: float


_SAME_LINE = _Demand(least=0.05, most=0.5, worth=float("inf"))
_OTHER_LINES = _Demand(least=0.05, most=0.5, worth=0.15)
"""Asked less: patients who move, and echo trains that do not quite match, change lines against each other."""


def unlikeness(block: Tensor, image: Tensor, filled: npt.NDArray[np.bool_], *, target: Target, noise: float) -> float:
    """Say how much more of the image a reference misses than it may, as a ratio: above 1 it does not hold.

    0 where nothing can be told: of one coil, or by too few lines.

    Parameters
    ----------
    block
        Reference k-space without gaps, of the image's step along readouts. Shape `(coil z y x)`.
    image
        K-space of the same slice. Shape `(coil z y x)`.
    filled
        Lines that were measured. Shape `(z y)`.
    noise
        Variance of a complex sample of the image.
    """
    if len(block) == 1 or not block.numel():
        return 0.0
    z = _fullest_partition(filled)
    measured = np.flatnonzero(filled[z])
    learned, seen = _coarse(block[:, block.shape[1] // 2], target), _coarse(image[:, z], target)
    turn = _turn(learned)
    learned, seen = (torch.einsum("vc,cyx->vyx", turn, each) for each in (learned, seen))
    excess = _excess(learned, seen, measured, noise, _SAME_LINE)
    if len(measured) > 1:
        step = int(np.diff(measured).min())
        excess = max(excess, _excess(learned, seen, measured, noise, _OTHER_LINES, step=step))
    return excess


def _excess(  # noqa: PLR0913 - what is learned from, what is seen, and how
    learned: Tensor, seen: Tensor, measured: npt.NDArray[np.intp], noise: float, demand: _Demand, *, step: int = 0
) -> float:
    """Hold what weights of the reference miss of the image against what its own miss, from lines up to a step away."""
    rows = torch.arange(step, learned.shape[1] - step)
    inner = measured[np.isin(measured - step, measured) & np.isin(measured + step, measured)]
    if len(rows) < FEWEST_LINES or len(inner) < FOLDS:
        return 0.0
    middle = np.sort(inner[np.argsort(np.abs(inner - seen.shape[1] // 2), kind="stable")[:MOST_LINES]])
    folds = [_equations(seen, some, step) for some in torch.tensor_split(torch.from_numpy(middle), FOLDS)]
    others = ([each for each in folds if each is not one] for one in folds)
    itself = max(_missed([one], _weights(rest, noise), noise) for one, rest in zip(folds, others, strict=True))
    if itself > demand.worth:
        return 0.0
    missed = _missed(folds, _weights([_equations(learned, rows, step)], noise), noise)
    return missed / min(max(demand.least, TIMES * itself), demand.most)


def _fullest_partition(filled: npt.NDArray[np.bool_]) -> int:
    """Find the partition with most lines, of several the nearest to the centre."""
    distance = np.abs(np.arange(len(filled)) - len(filled) // 2)
    return int(np.lexsort((distance, -filled.sum(axis=1)))[0])


def _coarse(samples: Tensor, target: Target) -> Tensor:
    """Cut the oversampling off, and the middle out of the readouts. Shape `(coil y x)`."""
    kspace = fourier(to_hybrid(samples, target), (-1,))
    return resize(kspace, -1, min(kspace.shape[-1], MOST_SAMPLES)).to(torch.complex128)


def _turn(learned: Tensor) -> Tensor:
    """Find the few coils that see most. Shape `(virtual coil)`."""
    flat = learned.flatten(1)
    _, vectors = torch.linalg.eigh(flat @ flat.mH)
    few: Tensor = vectors[:, -MOST_COILS:].mH
    return few


_Equations = tuple[Tensor, Tensor]
"""What lies around samples, and these. Shapes `(coil-and-place line x)` and `(coil line x)`."""


def _equations(kspace: Tensor, lines: Tensor, step: int) -> _Equations:
    """Pose every sample of some lines as a sum of those beside it, in the same line and in those a step away."""
    n_x = kspace.shape[-1]
    beside = [(0, -1), (0, 1), *((dy, dx) for dy in (-step, step) for dx in (-1, 0, 1) if step)]
    sources = [kspace[:, lines + dy, 1 + dx : n_x - 1 + dx] for dy, dx in beside]
    return torch.cat(sources), kspace[:, lines, 1:-1]


def _weights(equations: Sequence[_Equations], noise: float) -> Tensor:
    """Learn weights by least squares. Shape `(coil-and-place coil)`."""
    sources = torch.cat([source.flatten(1) for source, _ in equations], dim=1)
    targets = torch.cat([target.flatten(1) for _, target in equations], dim=1)
    normal = sources.conj() @ sources.mT
    ridge = RIDGE * noise * sources.shape[1] + ROUNDING * float(normal.diagonal().real.mean())
    normal.diagonal().add_(ridge)
    weights: Tensor = torch.linalg.solve(normal, sources.conj() @ targets.mT)
    return weights


def _missed(equations: Sequence[_Equations], weights: Tensor, noise: float) -> float:
    """Say which part of the power of a line weights do not predict, in the median; what noise makes does not count."""
    sources, targets = (torch.cat(each, dim=1) for each in zip(*equations, strict=True))
    predicted = torch.einsum("nc,nlx->clx", weights, sources)
    of_noise = noise * (1 + float(weights.abs().square().sum()) / weights.shape[1])
    missed, power = (each.abs().square().mean(dim=(0, 2)) for each in (predicted - targets, targets))
    heard = power > AUDIBLE * of_noise
    return float(((missed - of_noise) / power)[heard].clamp_min(0).median()) if heard.any() else 0.0
