"""A network on the image of any conventional recipe, whatever it was measured along: the image is all that it knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.recipes import Cartesian, Combining, Recipe
from gateway.recon.kspace import Progress
from gateway.recon.methods.conventional import CONVENTIONAL
from gateway.recon.networks.denoiser import Denoiser
from gateway.recon.networks.observed import bright_part, mean_phase
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.refine import Refine
from gateway.recon.networks.weights import ready_network
from gateway.recon.pictures import OF_NOISE, PIXELS, Picture
from gateway.recon.scan import Scan
from gateway.recon.workplace import Workplace

MEMORY = 64
"""Memory that a network takes for an image, in multiples of it and of the network's channels."""
AT_A_TIME = 8
"""Images that go through the network together where memory allows; more gain nothing."""


def reconstruct_refined(
    scan: Scan, ready: ReadyModel, after: Recipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct conventionally, and let a network refine every image.

    Raises
    ------
    BadScan
        The conventional recipe refuses the scan.
    """
    unknown = OF_NOISE.intersection(ready.recipe.output)
    if unknown:
        raise BadScan(f"the noise of a refined image is not known: output must not name {', '.join(sorted(unknown))}")
    tuned = ready_network(ready, place.device)
    network = tuned.network
    if not isinstance(network, Refine | Denoiser):
        raise BadScan(f"a {ready.card.network.method} needs more than an image")
    method = CONVENTIONAL[type(after)]
    made = method(scan, complex_only(after), place=place, progress=lambda done, doing: progress(0.9 * done, doing))
    (series,) = (one for one in made if one.kind is ImageKind.COMPLEX)
    n_bytes = MEMORY * getattr(ready.card.network, "n_channels", 1) * series.pixels[0].nbytes
    refined = np.empty_like(series.pixels)
    for at in place.pieces(len(refined), max(n_bytes, place.memory_bytes // AT_A_TIME)):
        images = torch.from_numpy(series.pixels[at]).to(place.device)
        refined[at] = refine(network, images).cpu().numpy()
        progress(0.9 + 0.1 * at.stop / len(refined), f"refined {at.stop} of {len(refined)} images")
    how = f"Refined by the network {ready.card.label} ({ready.card.network.method}) after {after.method}."
    told = replace(series, notes=(how, *tuned.notes, *series.notes), model=ready.taking_part)
    picture = Picture(image=torch.from_numpy(refined))
    return tuple(replace(told, kind=kind, pixels=PIXELS[kind](picture).numpy()) for kind in ready.recipe.output)


def complex_only(recipe: Recipe, *, coils: str = "auto") -> Recipe:
    """Ask a conventional recipe for complex images of all coils, finished by nobody.

    Parameters
    ----------
    coils
        How they are combined where an image of every coil comes first.
    """
    asked: dict[str, object] = {"output": (ImageKind.COMPLEX,), "replicas": None}
    if isinstance(recipe, Combining) and (coils != "auto" or recipe.coils == "rss"):
        asked["coils"] = coils
    if isinstance(recipe, Cartesian):
        asked |= {"window": "none"}
    return recipe.model_copy(update=asked)


def refine(network: Refine | Denoiser, images: Tensor) -> Tensor:
    """Refine complex images, each in units of its bright parts and its mean phase. Shape `(image y x)`."""
    turned = images.transpose(-2, -1)
    unit = (bright_part(turned.abs()) * mean_phase(turned))[:, None, None]
    own = turned / unit
    return (network.refine(own) * unit).transpose(-2, -1)
