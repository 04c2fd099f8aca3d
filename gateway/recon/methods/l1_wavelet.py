"""Recipe l1-wavelet: undersampled Cartesian k-space, regular or random, images sparse in wavelets (l1-ESPIRiT).

Lustig 2007, doi:10.1002/mrm.21391; Uecker 2014, doi:10.1002/mrm.24751; FISTA with a wavelet grid shifted at every step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.route import L1WaveletRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.kspace import Progress
from gateway.recon.methods.sense import Seen, see
from gateway.recon.parallel import Slice, frame_by_frame, series_of, understand
from gateway.recon.solvers import Stop, fista
from gateway.recon.wavelet import Wavelet, shifting_shrinkage


def reconstruct_l1_wavelet(
    acquisition: Acquisition, header: ScanHeader, recipe: L1WaveletRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct the magnitude of every frame.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    scan = understand(acquisition, header, recipe=recipe.method, regular=False)
    penalty = recipe.noise_weight * scan.noise_power**0.5

    def unfold(one: Slice, seen: Seen) -> Tensor:
        problem = cartesian_problem(one.data[None], one.filled[None], seen.maps)
        return to_target(solve(problem, penalty, recipe), scan.target)[0]

    pixels = frame_by_frame(scan, lambda one: see(one, recipe.map_sets), unfold, device=device, progress=progress)
    how = f"SENSE by ESPIRiT maps with sparse wavelets, penalty {recipe.noise_weight:g} times the noise."
    return (series_of(pixels, scan, (how,)),)


def solve(problem: Problem, penalty: float, recipe: L1WaveletRecipe) -> Tensor:
    """Solve for the images of a problem. Shape `(frame set x z y)`."""
    wavelet = Wavelet(problem.rhs.shape[-3:], device=problem.rhs.device)
    shrink = shifting_shrinkage(wavelet, penalty)
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    return fista(problem.normal, problem.rhs, shrink, stop, lipschitz=1.0)
