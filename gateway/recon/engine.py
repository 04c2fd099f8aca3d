"""The engine: a recipe picks its method, a setting its device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch

from gateway.model.errors import BadScan, GatewayError, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import Acquisition
from gateway.model.recipes import (
    AutoRecipe,
    CgNufftRecipe,
    CgSenseRecipe,
    FftRecipe,
    GrappaRecipe,
    L1SpiritRecipe,
    L1WaveletRecipe,
    LowRankSparseRecipe,
    NufftRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
    SubspaceRecipe,
    TvRecipe,
)
from gateway.recon.convention import in_our_convention
from gateway.recon.epi.straighten import straighten
from gateway.recon.kspace import Progress
from gateway.recon.methods.auto import reconstruct_auto
from gateway.recon.methods.cg_nufft import reconstruct_cg_nufft
from gateway.recon.methods.fft import reconstruct_fft
from gateway.recon.methods.grappa import reconstruct_grappa
from gateway.recon.methods.l1_wavelet import reconstruct_l1_wavelet
from gateway.recon.methods.learned import reconstruct_learned
from gateway.recon.methods.low_rank_sparse import reconstruct_low_rank_sparse
from gateway.recon.methods.nufft import reconstruct_nufft
from gateway.recon.methods.sense import reconstruct_cg_sense, reconstruct_sense
from gateway.recon.methods.spirit import reconstruct_l1_spirit, reconstruct_spirit
from gateway.recon.methods.subspace import reconstruct_subspace
from gateway.recon.methods.tv import reconstruct_tv
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.scope import misused
from gateway.recon.noise import whiten
from gateway.recon.scan import Scan
from gateway.recon.spaces import ImagedSpace, imaged_spaces

METHODS: Mapping[type, Callable[..., tuple[ImageSeries, ...]]] = MappingProxyType(
    {
        AutoRecipe: reconstruct_auto,
        GrappaRecipe: reconstruct_grappa,
        SenseRecipe: reconstruct_sense,
        CgSenseRecipe: reconstruct_cg_sense,
        FftRecipe: reconstruct_fft,
        NufftRecipe: reconstruct_nufft,
        SpiritRecipe: reconstruct_spirit,
        L1SpiritRecipe: reconstruct_l1_spirit,
        L1WaveletRecipe: reconstruct_l1_wavelet,
        TvRecipe: reconstruct_tv,
        SubspaceRecipe: reconstruct_subspace,
        LowRankSparseRecipe: reconstruct_low_rank_sparse,
        CgNufftRecipe: reconstruct_cg_nufft,
        ReadyModel: reconstruct_learned,
    }
)
"""By recipe; each takes a scan, its recipe, device and progress."""


def reconstruct(  # noqa: PLR0913 - the whole of what a job knows
    acquisition: Acquisition,
    header: ScanHeader,
    recipe: Recipe | ReadyModel,
    *,
    device: str = "auto",
    progress: Progress,
    noise: NoiseCovariance | None = None,
) -> tuple[ImageSeries, ...]:
    """Reconstruct a scan.

    Parameters
    ----------
    device
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    progress
        Called with a fraction from 0 to 1 and what is going on.
    noise
        An earlier measurement, for a scan without noise readouts of its own.

    Raises
    ------
    BadScan
        The readouts cannot become an image by this recipe.
    GatewayError
        The device does not exist.
    """
    first, *others = imaged_spaces(acquisition, header)
    chosen = choose_device(device)
    made = list(_reconstruct_space(first, recipe, noise, device=chosen, progress=progress))
    for space in others:
        try:
            made += _reconstruct_space(space, recipe, noise, device=chosen, progress=progress)
        except IncompleteScan:
            raise
        except BadScan as fault:  # a field map or the like, which is no image by this recipe: the first one is
            note = f"Encoding space {space.number + 1} was not reconstructed: {fault}."
            made[0] = replace(made[0], notes=(*made[0].notes, note))
    return tuple(made)


def _reconstruct_space(
    space: ImagedSpace,
    recipe: Recipe | ReadyModel,
    noise: NoiseCovariance | None,
    *,
    device: torch.device,
    progress: Progress,
) -> Iterator[ImageSeries]:
    """Reconstruct one encoding space."""
    with torch.inference_mode():
        scan, notes = prepared(space, noise)
        settled, why = _within_card(scan, recipe)
        method: Any = METHODS[type(settled)]
        made = method(scan, settled, device=device, progress=progress)
    notes = (*notes, *([space.note] if space.note else []))
    return (replace(series, encoding=space.number, notes=(*why, *series.notes, *notes)) for series in made)


def prepared(space: ImagedSpace, noise: NoiseCovariance | None) -> tuple[Scan, tuple[str, ...]]:
    """Whiten one encoding space, bring it to our sign and straighten it; and say what was done."""
    header = space.header
    white = whiten(space.acquisition, header, noise)  # before the sign: the noise was measured with the scanner's
    straight = straighten(in_our_convention(white.acquisition, header), header)
    scan = Scan(acquisition=straight.acquisition, header=straight.header, noise_power=white.noise_power)
    return scan, (*straight.notes, *white.notes)


def _within_card(scan: Scan, recipe: Recipe | ReadyModel) -> tuple[Recipe | ReadyModel, tuple[str, ...]]:
    """Take the fallback of a model that was not made for such a scan, and say why."""
    if not isinstance(recipe, ReadyModel):
        return recipe, ()
    reasons = misused(scan, recipe)
    if not reasons:
        return recipe, ()
    asked = {"output": recipe.recipe.output, "replicas": recipe.recipe.replicas}
    note = f"Network {recipe.card.label} was not used: {'; '.join(reasons)}."
    return recipe.recipe.fallback.model_copy(update=asked), (note,)


def choose_device(name: str) -> torch.device:
    """Find the device that a setting names.

    Raises
    ------
    GatewayError
        There is no such GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise GatewayError(f"device {name} does not exist: {torch.cuda.device_count()} GPUs are visible")
    return device


def name_device(name: str) -> str:
    """Say what a setting's device is, for people: ``NVIDIA H100 80GB HBM3 (cuda:0)``, ``CPU, 8 threads``.

    Raises
    ------
    GatewayError
        There is no such GPU.
    """
    device = choose_device(name)
    if device.type == "cuda":
        number = device.index or 0
        return f"{torch.cuda.get_device_name(number)} (cuda:{number})"
    return f"CPU, {torch.get_num_threads()} threads"
