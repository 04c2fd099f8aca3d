"""SPIRiT: every point of k-space is made of its neighbours in all coils, measured or not (Lustig 2010).

doi:10.1002/mrm.22428. What calibration shows of that is a convolution, so it is a small matrix over the coils at every
pixel: an image agrees with it where the matrix leaves nothing. Any pattern of lines will do, in 2D and 3D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.operators import COIL
from gateway.recon.solvers import Stop, conjugate_gradient, fista
from gateway.recon.wavelet import Wavelet, shifting_shrinkage

AXES = (-2, -1)
"""Partitions and lines: coil images are laid out `(frame coil x z y)`, so that what is transformed lies together."""
APART = (0, -3)
"""Frames and positions x do not need each other."""
LARGEST_BYTES = 8 << 30
"""Of the matrices of all pixels."""
CALIBRATION_POINTS = 32
"""Of the readout's k-space, around its centre, that neighbours are learned from."""
NEARBY = 17
"""Lines whose power tells what to expect of one among them."""
START = Stop(steps=15, tolerance=1e-2)
"""Of conjugate gradients, before details are counted."""


def learn(block: Tensor, kernel: Sequence[int], *, regularisation: float) -> Tensor:
    """Learn what is left of each coil when its neighbours are taken away: ``1 - G``.

    With P the inverse of the normal matrix of all neighbourhoods, the best combination of the others for point i has
    the weights ``-P[:, i] / P[i, i]``; so one inverse serves all coils.

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil z y x)`.
    kernel
        Neighbours along z, y and x; odd.
    regularisation
        Of the mean diagonal of the normal matrix.

    Returns
    -------
        Weights of every neighbour. Shape `(coil coil_in z y x)`.

    Raises
    ------
    BadScan
        There are fewer calibration lines than the kernel is wide.
    """
    size = [min(k, n) for k, n in zip(kernel, block.shape[1:], strict=True)]
    size = [n - 1 + n % 2 for n in size]
    if block.shape[2] < kernel[1]:
        raise BadScan(f"{block.shape[2]} calibration lines are too few for a kernel of {kernel[1]} lines")
    n_coils, examples = block.shape[0], _neighbourhoods(block, size)
    normal = examples.mH @ examples
    ridge = regularisation * float(normal.diagonal().real.mean())
    inverse = torch.cholesky_inverse(
        torch.linalg.cholesky(normal + ridge * torch.eye(len(normal), device=block.device))
    )
    n_taps = len(normal) // n_coils
    centres = torch.arange(n_coils, device=block.device) * n_taps + n_taps // 2
    left = inverse[:, centres] / inverse[centres, centres]
    return left.T.reshape(n_coils, n_coils, *size)


def _neighbourhoods(block: Tensor, size: Sequence[int]) -> Tensor:
    """List every place where a kernel fits. Shape `(place coil*z*y*x)`."""
    patches = resize(block, -1, min(block.shape[-1], CALIBRATION_POINTS))
    for axis, n in enumerate(size, 1):
        patches = patches.unfold(axis, n, 1)
    return patches.permute(1, 2, 3, 0, 4, 5, 6).flatten(3).flatten(0, 2)


def at_positions(weights: Tensor, n_x: int) -> Tensor:
    """Transform weights along the readout: at each position they link lines and coils alone.

    Shape `(x coil coil_in z y)`.
    """
    return torch.einsum("xk,abzyk->xabzy", _turns(n_x, weights.shape[-1], weights), weights)


def disagreement(weights: Tensor, shape: tuple[int, int]) -> Tensor:
    """Give the matrix of ``|(1 - G) image|^2`` at every pixel of an image. Shape `(x z y coil coil)`.

    Parameters
    ----------
    weights
        From `at_positions`.
    shape
        Of the image along z and y.

    Raises
    ------
    BadScan
        There are more pixels and coils than memory can take.
    """
    (n_x, n_coils, *_), (n_z, n_y) = weights.shape, shape
    if n_z * n_y * n_x * n_coils**2 * weights.element_size() > LARGEST_BYTES:
        raise BadScan(f"{n_coils} coils on {n_x} x {n_y} x {n_z} pixels are too many for SPIRiT: set virtual_coils")
    turns = (_turns(n, n_taps, weights) for n, n_taps in zip(shape, weights.shape[-2:], strict=True))
    left = torch.einsum("zj,yk,xabjk->xzyab", *turns, weights)
    return left.mH @ left


def _turns(n: int, n_taps: int, like: Tensor) -> Tensor:
    """Give what a shift by each tap is at each pixel. Shape `(n tap)`."""
    places = torch.arange(n, device=like.device, dtype=torch.float64) - n // 2
    taps = torch.arange(n_taps, device=like.device, dtype=torch.float64) - n_taps // 2
    angle = -2 * torch.pi * torch.outer(places, taps) / n
    return torch.polar(torch.ones_like(angle), angle).to(like.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """Frames of one slice that are to agree with what was measured and with each other.

    Parameters
    ----------
    measured
        Hybrid space, zero where nothing was. Shape `(frame coil x z y)`.
    filled
        Where lines were measured. Shape `(frame 1 1 z y)`.
    power
        Of the samples of each line, over all positions. Shape `(frame z y)`.
    matrix
        From `disagreement`. Shape `(x z y coil coil)`.
    """

    measured: Tensor
    filled: Tensor
    power: Tensor
    matrix: Tensor

    def largest(self) -> float:
        """Bound the largest eigenvalue of the matrix at any pixel, by its fourth power."""
        square = self.matrix @ self.matrix
        fourth = float(torch.linalg.matrix_norm(square @ square).max())
        return math.sqrt(math.sqrt(fourth))

    def nearby_power(self) -> Tensor:
        """Average the power of measured lines around each. Shape `(frame 1 1 z y)`."""
        measured = self.filled[:, 0].to(self.measured.real.dtype)
        power = self.power[:, None]
        window = [min(NEARBY, n - 1 + n % 2) for n in power.shape[-2:]]

        def around(lines: Tensor) -> Tensor:
            return torch.nn.functional.avg_pool2d(lines, window, stride=1, padding=[n // 2 for n in window])

        found: Tensor = around(power) / around(measured).clamp_min(torch.finfo(power.dtype).tiny)
        return found.unsqueeze(1)

    def disagree(self, images: Tensor) -> Tensor:
        """Apply ``(1 - G)^H (1 - G)`` to coil images."""
        return torch.einsum("xzyab,fbxzy->faxzy", self.matrix, images)


def consistency(hybrid: Tensor, filled: Tensor, power: Tensor, weights: Tensor) -> Consistency:
    """Pose the problem.

    Parameters
    ----------
    hybrid
        Shape `(frame coil z y x)`.
    filled
        Which lines were measured. Shape `(frame z y)`.
    power
        Of the samples of each line, over all positions. Shape `(frame z y)`.
    weights
        From `at_positions`.
    """
    return Consistency(
        measured=hybrid.movedim(-1, -3).contiguous() * filled[:, None, None],
        filled=filled[:, None, None],
        power=power,
        matrix=disagreement(weights, (hybrid.shape[2], hybrid.shape[3])),
    )


def solve(problem: Consistency, noise_power: float, stop: Stop) -> Tensor:
    """Find the points that were not measured by conjugate gradients; those that were stay.

    They are expected to be about as strong as measured lines near them, which holds noise back.

    Parameters
    ----------
    noise_power
        Variance of the noise of a complex sample of each coil.

    Returns
    -------
        Coil images. Shape `(frame coil x z y)`.
    """
    missing = 1 - problem.filled.to(problem.measured.real.dtype)
    ridge = noise_power / problem.nearby_power().clamp_min(max(noise_power, 1e-30))

    def normal(kspace: Tensor) -> Tensor:
        return missing * (fourier(problem.disagree(inverse_fourier(kspace, AXES)), AXES) + ridge * kspace)

    agreeing = fourier(problem.disagree(inverse_fourier(problem.measured, AXES)), AXES)
    made = conjugate_gradient(normal, -(missing * agreeing), stop, apart=APART)
    return inverse_fourier(problem.measured + made, AXES)


def solve_sparsely(problem: Consistency, penalty: float, stop: Stop) -> Tensor:
    """Find coil images that agree with the data and each other and have few details in common (l1-SPIRiT).

    Parameters
    ----------
    penalty
        Of the details, where those of all coils at a place count by their norm.

    Returns
    -------
        Shape `(frame coil x z y)`.
    """
    measured = inverse_fourier(problem.measured, AXES)
    wavelet = Wavelet(measured.shape[-3:], device=measured.device)
    shrink = shifting_shrinkage(wavelet, penalty, together=COIL)

    def normal(images: Tensor) -> Tensor:
        kept = fourier(images, AXES) * problem.filled
        return inverse_fourier(kept, AXES) + problem.disagree(images)

    start = solve(problem, penalty**2, START)
    return fista(normal, measured, shrink, stop, lipschitz=1 + problem.largest(), start=start)
