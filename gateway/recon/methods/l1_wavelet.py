"""Recipe l1-wavelet: undersampled Cartesian k-space, regular or random, images sparse in wavelets (l1-ESPIRiT).

Lustig 2007, doi:10.1002/mrm.21391; Uecker 2014, doi:10.1002/mrm.24751; FISTA with a wavelet grid shifted at every step.
"""

from __future__ import annotations

from torch import Tensor

from gateway.model.recipes import L1WaveletRecipe
from gateway.recon.cartesian_problem import Problem
from gateway.recon.methods.penalised import penalised
from gateway.recon.solvers import Stop, fista
from gateway.recon.threads import as_many_as_help
from gateway.recon.wavelet import Wavelet, shifting_shrinkage


def solve(problem: Problem, penalty: float, recipe: L1WaveletRecipe) -> Tensor:
    """Solve for the images of a problem. Shape `(frame set x z y)`."""
    wavelet = Wavelet(problem.rhs.shape[-3:], device=problem.rhs.device)
    shrink = shifting_shrinkage(wavelet, penalty)
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    with as_many_as_help(problem.rhs):
        return fista(problem.normal, problem.rhs, shrink, stop, lipschitz=1.0)


reconstruct_l1_wavelet = penalised(solve, "sparse wavelets")
"""The method, as the engine calls it."""
