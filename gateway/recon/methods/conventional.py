"""Every conventional method, by its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.model.image import ImageSeries
from gateway.model.recipes import (
    AutoRecipe,
    CgNufftRecipe,
    CgSenseRecipe,
    DipRecipe,
    FftRecipe,
    GrappaRecipe,
    L1SpiritRecipe,
    L1WaveletRecipe,
    LowRankSparseRecipe,
    NufftRecipe,
    RakiRecipe,
    SenseRecipe,
    SpiritRecipe,
    SubspaceRecipe,
    TvRecipe,
)
from gateway.recon.methods.auto import reconstruct_auto
from gateway.recon.methods.cg_nufft import reconstruct_cg_nufft
from gateway.recon.methods.dip import reconstruct_dip
from gateway.recon.methods.fft import reconstruct_fft
from gateway.recon.methods.grappa import reconstruct_grappa
from gateway.recon.methods.l1_wavelet import reconstruct_l1_wavelet
from gateway.recon.methods.low_rank_sparse import reconstruct_low_rank_sparse
from gateway.recon.methods.nufft import reconstruct_nufft
from gateway.recon.methods.raki import reconstruct_raki
from gateway.recon.methods.sense import reconstruct_cg_sense, reconstruct_sense
from gateway.recon.methods.spirit import reconstruct_l1_spirit, reconstruct_spirit
from gateway.recon.methods.subspace import reconstruct_subspace
from gateway.recon.methods.tv import reconstruct_tv

CONVENTIONAL: Mapping[type, Callable[..., tuple[ImageSeries, ...]]] = MappingProxyType(
    {
        AutoRecipe: reconstruct_auto,
        GrappaRecipe: reconstruct_grappa,
        RakiRecipe: reconstruct_raki,
        DipRecipe: reconstruct_dip,
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
    }
)
"""Each takes a scan, its recipe, a workplace and progress."""
