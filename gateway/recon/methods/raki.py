"""Recipe raki: missing lines by GRAPPA and a network that learns from the scan's own calibration alone.

Akcakaya 2019, doi:10.1002/mrm.27420; Zhang 2022, doi:10.1016/j.neuroimage.2022.119248.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import RakiRecipe
from gateway.recon.coils import combine
from gateway.recon.grappa import learn_taps
from gateway.recon.hybrid import to_matrix
from gateway.recon.kspace import Progress
from gateway.recon.methods.grappa import fill, with_gaps
from gateway.recon.networks.raki import Completion, fill as complete, learn
from gateway.recon.parallel import Group, series_of
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
    found, kernel = with_gaps(scan, recipe, progress)

    def learned(group: Group) -> Learned:
        linear = learn_taps(group.block, kernel, regularisation=group.ridge(recipe.regularisation))
        completion = learn(group.block, kernel, linear, width=recipe.width, steps=recipe.steps)
        return Learned(completion=completion, maps=group.combining_maps(found.target, recipe))

    def unfold(group: Group, known: Learned) -> Tensor:
        whole = fill(found, group, lambda data: complete(data, found.lattice, kernel, known.completion))
        return combine(to_matrix(whole, found.target), known.maps)[None]

    album = slice_by_slice(found, Method(learn=learned, unfold=unfold), recipe, place=place, progress=progress)
    size = f"{recipe.kernel_lines} lines by {recipe.kernel_samples} samples"
    how = f"GRAPPA, kernel {size}, and a network of the scan's own calibration for what that leaves over (RAKI)."
    return series_of(album, found, (how, recipe.combination))
