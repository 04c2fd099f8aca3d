"""Recipe dip: undersampled Cartesian k-space of slices by a network that is fitted to each frame (deep image prior)."""

from __future__ import annotations

from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import DipRecipe
from gateway.recon.cartesian_problem import to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.kspace import Progress
from gateway.recon.networks.dip import Decoder, fitted
from gateway.recon.networks.observed import observe
from gateway.recon.parallel import Group, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.workplace import Workplace


def reconstruct_dip(scan: Scan, recipe: DipRecipe, *, place: Workplace, progress: Progress) -> tuple[ImageSeries, ...]:
    """Fit a network to every frame.

    Raises
    ------
    BadScan
        The scan is not Cartesian, has partitions, or has too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe, regular=False)
    if found.sorter.lines.partitions.n > 1:
        raise BadScan("partitions were encoded: recipe dip is for slices")
    how = Decoder(
        n_channels=recipe.n_channels,
        n_layers=recipe.n_layers,
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
    )

    def unfold(group: Group, seen: Seen) -> Tensor:
        image = fitted(observe(group, seen, group.noise_power), how)
        return to_target(image[:, None, :, None], seen.maps[:1], found.target)

    method = Method(learn=lambda group: group.see(recipe), unfold=unfold)
    album = slice_by_slice(found, method, recipe, place=place, progress=progress)
    how_made = f"A network that nobody trained, fitted to the data (deep image prior), {recipe.estimator} maps."
    return series_of(album, found, (how_made,))
