"""How a scan is reconstructed: every method with its parameters (``[recipes.NAME]`` in ``routes.toml``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.model.table import Table


class FftRecipe(Table):
    """Fully sampled Cartesian k-space: inverse Fourier transform, coils combined by the root of the sum of squares."""

    method: Literal["fft"] = "fft"
    """Which method it is."""


class NufftRecipe(Table):
    """Any trajectory: density-compensated adjoint transform, coils combined by the root of the sum of squares."""

    method: Literal["nufft"] = "nufft"
    """Which method it is."""


class CgNufftRecipe(Table):
    """Any trajectory: iterative SENSE by conjugate gradients, sensitivities from the centre of k-space."""

    method: Literal["cg-nufft"] = "cg-nufft"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=200)] = 15
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual at which the iterations stop."""
    regularisation: Annotated[float, Field(ge=0)] = 0.01
    """Weight of the image's energy, where a fully sampled k-space has weight 1."""
    calibration_diameter: Annotated[float, Field(ge=4)] = 24
    """How much of the centre of k-space the sensitivities are taken from, in cycles per field of view."""


class AutoRecipe(Table):
    """Picks the method by what was measured, and says which and why."""

    method: Literal["auto"] = "auto"
    """Which method it is."""


class GrappaRecipe(Table):
    """Undersampled Cartesian k-space: missing lines from their neighbours, coils by the root of the sum of squares."""

    method: Literal["grappa"] = "grappa"
    """Which method it is."""
    kernel_lines: Literal[2, 4, 6] = 4
    """Measured lines that a missing one is made from."""
    kernel_samples: Literal[1, 3, 5, 7, 9] = 5
    """Samples of each of these lines."""
    regularisation: Annotated[float, Field(ge=1e-6, le=1)] = 1e-4
    """Of the kernel, relative to the mean power of what it is learned from."""
    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""


class SenseRecipe(Table):
    """Undersampled Cartesian k-space: unfolded exactly, expecting the brightness that the calibration shows."""

    method: Literal["sense"] = "sense"
    """Which method it is."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""
    noise_weight: Annotated[float, Field(gt=0)] = 1.0
    """More than 1 trusts the data less than their noise asks for, less than 1 more."""
    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""


class CgSenseRecipe(Table):
    """Undersampled Cartesian k-space: unfolded by conjugate gradients."""

    method: Literal["cg-sense"] = "cg-sense"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=200)] = 30
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual at which the iterations stop."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""
    noise_weight: Annotated[float, Field(gt=0)] = 1.0
    """More than 1 trusts the data less than their noise asks for, less than 1 more."""
    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""


class L1WaveletRecipe(Table):
    """Undersampled Cartesian k-space, also at random: the image is sparse in wavelets (l1-ESPIRiT)."""

    method: Literal["l1-wavelet"] = "l1-wavelet"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative change of the image at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.4
    """Penalty of the details, in standard deviations of the measured noise."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""


class TvRecipe(Table):
    """Undersampled Cartesian k-space, also at random: the image has few edges (total variation)."""

    method: Literal["tv"] = "tv"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 100
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative change of the image at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.4
    """Penalty of the gradient, in standard deviations of the measured noise."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""


class SubspaceRecipe(Table):
    """Dynamic series or echo trains, each frame undersampled: frames are mixtures of few images (temporal subspace)."""

    method: Literal["subspace"] = "subspace"
    """Which method it is."""
    components: Annotated[int, Field(ge=1, le=64)] = 5
    """How many images the frames are mixtures of."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 40
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the image's energy, in parts of the noise's power over that of the image."""


class LowRankSparseRecipe(Table):
    """Dynamic series, each frame undersampled: a background that hardly changes and sparse motion (L+S)."""

    method: Literal["low-rank-sparse"] = "low-rank-sparse"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 60
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative change of the series at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.5
    """Both penalties, in standard deviations of what the measured noise alone would show there."""


Recipe = Annotated[
    AutoRecipe
    | GrappaRecipe
    | SenseRecipe
    | CgSenseRecipe
    | FftRecipe
    | NufftRecipe
    | CgNufftRecipe
    | L1WaveletRecipe
    | TvRecipe
    | SubspaceRecipe
    | LowRankSparseRecipe,
    Field(discriminator="method"),
]
"""Every method with its parameters."""
