"""Recipe subspace: frames as mixtures of few images, how they mix known from the centre of k-space.

Liang 2007, doi:10.1109/ISBI.2007.357020; for echo trains Tamir 2017, doi:10.1002/mrm.26102. Frames share what they
measure, so each may measure little.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import SubspaceRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.kspace import Progress
from gateway.recon.low_rank import temporal_basis
from gateway.recon.operators import Operator
from gateway.recon.parallel import Group, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.solvers import Stop, conjugate_gradient
from gateway.recon.workplace import Workplace


def reconstruct_subspace(
    scan: Scan, recipe: SubspaceRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct every frame, all frames of a slice together.

    Raises
    ------
    BadScan
        The scan is not Cartesian, there is too little calibration, or no line was measured in every frame.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe, regular=False)

    def learn(group: Group) -> tuple[Seen, Operator]:
        mixing = mixtures(temporal_basis(shared_samples(group), recipe.components))
        return group.see(recipe), mixing

    def unfold(group: Group, learned: tuple[Seen, Operator]) -> Tensor:
        seen, mixing = learned
        problem = cartesian_problem(group.data, group.filled, seen.maps)
        images = mixing.apply(solve(problem, mixing, group.noise_power, recipe))
        return to_target(images, seen.maps, found.target)

    method = Method(learn=learn, unfold=unfold, together=True)
    album = slice_by_slice(found, method, recipe, place=place, progress=progress)
    how = f"Frames are mixtures of {recipe.components} images, by what the centre of k-space shows over time."
    return series_of(album, found, (how,))


def shared_samples(group: Group) -> Tensor:
    """Take the lines that every frame has measured. Shape `(frame line coil x)`.

    Raises
    ------
    BadScan
        There are none.
    """
    always = group.filled.all(dim=0)
    if not always.any():
        raise BadScan("no line was measured in every frame, so nothing shows how the frames change")
    return group.data.permute(0, 2, 3, 1, 4)[:, always]


def mixtures(basis: Tensor) -> Operator:
    """Mix images `(component ...)` to frames `(frame ...)`.

    Parameters
    ----------
    basis
        Orthonormal columns. Shape `(frame component)`.
    """
    return Operator(
        lambda images: torch.tensordot(basis, images, dims=1),
        lambda frames: torch.tensordot(basis.mH, frames, dims=1),
    )


def solve(problem: Problem, mixing: Operator, noise_power: float, recipe: SubspaceRecipe) -> Tensor:
    """Solve for the images that are mixed. Shape `(component set x z y)`."""
    rhs = mixing.adjoint(problem.rhs)
    weight = recipe.noise_weight * noise_power / float(rhs.abs().square().mean())

    def normal(images: Tensor) -> Tensor:
        return (mixing.adjoint(problem.normal(mixing.apply(images[0]))) + weight * images[0])[None]

    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    return conjugate_gradient(normal, rhs[None], stop)[0]
