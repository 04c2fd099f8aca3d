"""Recipe raki: missing lines by GRAPPA and a network that learns from the scan's own calibration alone.

Akcakaya 2019, doi:10.1002/mrm.27420; Zhang 2022, doi:10.1016/j.neuroimage.2022.119248.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import RakiRecipe
from gateway.recon.coil_maps import maps_for
from gateway.recon.coils import combine
from gateway.recon.grappa import examples, kernel_for, linear_weights
from gateway.recon.hybrid import to_matrix
from gateway.recon.kspace import Progress
from gateway.recon.methods.grappa import wanted
from gateway.recon.networks.raki import Completion, fill, learn
from gateway.recon.parallel import Group, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.workplace import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was learned of a slice, and how coils see it; None to combine them by the root of the sum of squares."""

    completion: Completion
    maps: Tensor | None


def reconstruct_raki(
    scan: Scan, recipe: RakiRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Fill every frame and transform it.

    Raises
    ------
    BadScan
        The scan is not Cartesian, has every line, lacks lines of its pattern, or has too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe)
    if found.lattice.acceleration == 1:
        raise BadScan("every line was measured: recipe raki has nothing to fill")
    kernel = kernel_for(found.lattice, n_lines=recipe.kernel_lines, n_readout=recipe.kernel_samples)

    def learned(group: Group) -> Learned:
        seen = examples(group.block, kernel, n_x=found.target.matrix.x)
        linear = linear_weights(seen, recipe.regularisation)
        completion = learn(seen, linear, width=recipe.width, steps=recipe.steps)
        return Learned(completion=completion, maps=maps_for(group.block, found.target, recipe))

    def unfold(group: Group, known: Learned) -> Tensor:
        data, filled = group.data[0], group.filled[0]
        on_lattice = torch.from_numpy(found.lattice.points(*filled.shape)).to(filled.device)
        made = fill(data * on_lattice[..., None], found.lattice, kernel, known.completion)
        whole = torch.where(filled[..., None], data, made * wanted(found, group)[..., None])
        return combine(to_matrix(whole, found.target), known.maps)[None]

    album = slice_by_slice(found, Method(learn=learned, unfold=unfold), recipe, place=place, progress=progress)
    size = f"{recipe.kernel_lines} lines by {recipe.kernel_samples} samples"
    how = f"GRAPPA, kernel {size}, and a network of the scan's own calibration for what that leaves over (RAKI)."
    return series_of(album, found, (how, recipe.combination))
