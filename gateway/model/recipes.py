"""How a scan is reconstructed: every method with its parameters (``[recipes.NAME]`` in ``routes.toml``)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from gateway.model.card import ModelName
from gateway.model.image import ImageKind
from gateway.model.table import Table

Output: TypeAlias = Literal[
    ImageKind.MAGNITUDE,
    ImageKind.PHASE,
    ImageKind.REAL,
    ImageKind.IMAGINARY,
    ImageKind.COMPLEX,
    ImageKind.SNR,
    ImageKind.NOISE,
    ImageKind.G_FACTOR,
]
"""The kinds that a reconstruction of one scan can make; the others come from more than one, or from a network."""

WITH_PHASE = frozenset({ImageKind.PHASE, ImageKind.REAL, ImageKind.IMAGINARY, ImageKind.COMPLEX})
"""What the root of a sum of squares has not."""
ESTIMATORS = MappingProxyType({"espirit": "ESPIRiT", "walsh": "Walsh", "inati": "Inati"})
"""Estimators of sensitivities, as people write them."""


class Imaging(Table):
    """What every recipe says of its images."""

    output: Annotated[tuple[Output, ...], Field(min_length=1)] = (ImageKind.MAGNITUDE,)
    """The series that are made. ``snr`` is the magnitude in units of its noise; ``noise`` and ``g-factor`` are maps."""
    replicas: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Measure the noise by so many pseudo-replicas; without it in closed form, or by 50 where a method has none."""

    @model_validator(mode="after")
    def _every_kind_once(self) -> Self:
        if len(set(self.output)) < len(self.output):
            raise ValueError("output names a kind of image twice")
        return self


class Combining(Imaging):
    """A recipe that makes an image of every coil first."""

    coils: Literal["auto", "espirit", "walsh", "inati", "rss"] = "auto"
    """How coil images are combined: by sensitivities, from calibration or the image's own centre of k-space, or by the
    root of the sum of squares (``rss``), which has no phase; ``auto`` takes ``rss`` for magnitudes, else ``inati``."""

    @property
    def combines_by(self) -> str | None:
        """The estimator of sensitivities; None for the root of the sum of squares."""
        if self.coils != "auto":
            return None if self.coils == "rss" else self.coils
        return None if WITH_PHASE.isdisjoint(self.output) else "inati"

    @property
    def combination(self) -> str:
        """Say how coils are combined."""
        if self.combines_by is None:
            return "Coils combined by root sum of squares."
        return f"Coils combined by {ESTIMATORS[self.combines_by]} sensitivities."

    @model_validator(mode="after")
    def _phase_needs_sensitivities(self) -> Self:
        if self.coils == "rss" and not WITH_PHASE.isdisjoint(self.output):
            raise ValueError("the root of the sum of squares has no phase: choose other coils, or only magnitudes")
        return self


class Unfolding(Imaging):
    """A recipe that makes one image of all coils by their sensitivities."""

    coils: Literal["auto", "espirit", "walsh", "inati"] = "auto"
    """How sensitivities are estimated from calibration; ``auto`` is ``espirit``."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities (ESPIRiT); two where the patient is larger than the field of view."""

    @property
    def estimator(self) -> str:
        """Name how sensitivities are estimated, as people write it."""
        return ESTIMATORS["espirit" if self.coils == "auto" else self.coils]

    @model_validator(mode="after")
    def _two_sets_are_eigenvectors(self) -> Self:
        if self.map_sets > 1 and self.coils not in ("auto", "espirit"):
            raise ValueError(f"coils = {self.coils} gives one set of sensitivities; two need espirit")
        return self


class Cartesian(Imaging):
    """A recipe for k-space on a grid: what is done to it once it is filled."""

    method: str
    """Which method it is."""
    partial_fourier: Literal["auto", "zero-fill", "homodyne", "pocs"] = "auto"
    """How a side of k-space that was not measured is filled, along any axis; ``auto`` takes ``pocs`` where the phase of
    the image is so smooth that lines held out can be predicted, else zeros."""
    window: Literal["none", "hann", "tukey", "fermi"] = "none"
    """Weights over k-space: less ringing and noise for less sharpness."""
    window_width: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Part of k-space, from its edge inwards, over which ``tukey`` and ``fermi`` fall off."""


class Compressing(Cartesian):
    """A recipe whose time grows with the coils."""

    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""
    compression: Literal["svd", "geometric"] = "svd"
    """The same virtual coils everywhere, or others at each position along the readout, where fewer see all."""


class FftRecipe(Combining, Cartesian):
    """Fully sampled Cartesian k-space: inverse Fourier transform, coils combined by the root of the sum of squares."""

    method: Literal["fft"] = "fft"
    """Which method it is."""


class Iterating(Imaging):
    """A recipe that works by steps, and stops where they change little."""

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual of conjugate gradients, else relative change of the image, at which the iterations stop."""


class Filling(Combining, Compressing):
    """A recipe that makes missing lines from their neighbours."""

    kernel_lines: Literal[2, 4, 6] = 4
    """Measured lines that a missing one is made from."""
    kernel_samples: Literal[1, 3, 5, 7, 9] = 5
    """Samples of each of these lines."""
    regularisation: Annotated[float, Field(ge=1e-6, le=1)] | None = None
    """Of the linear kernel, relative to the mean power of what it is learned from; by the noise without it."""


class Scattered(Imaging):
    """A recipe for any trajectory."""

    spokes_per_frame: Annotated[int, Field(ge=1)] | None = None
    """Make a frame of every so many readouts in the order of time, as a golden angle between them allows; without it,
    of all that the scanner counts to one."""


class NufftRecipe(Combining, Scattered):
    """Any trajectory: density-compensated adjoint transform, coils combined by the root of the sum of squares."""

    method: Literal["nufft"] = "nufft"
    """Which method it is."""


class CgNufftRecipe(Unfolding, Scattered, Iterating):
    """Any trajectory: iterative SENSE by conjugate gradients, sensitivities from the centre of k-space."""

    method: Literal["cg-nufft"] = "cg-nufft"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=200)] = 15
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the image's energy, in parts of the noise's power over that of the image."""


class AutoRecipe(Cartesian):
    """Picks the method by what was measured, and says which and why."""

    method: Literal["auto"] = "auto"
    """Which method it is."""


class GrappaRecipe(Filling):
    """Undersampled Cartesian k-space: missing lines from their neighbours, coils by the root of the sum of squares."""

    method: Literal["grappa"] = "grappa"
    """Which method it is."""


class RakiRecipe(Filling):
    """Undersampled Cartesian k-space: GRAPPA, and a network of the scan's own calibration for what that leaves over."""

    method: Literal["raki"] = "raki"
    """Which method it is."""
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    """Channels of the network's two layers."""
    steps: Annotated[int, Field(ge=1, le=10_000)] = 300
    """Of its training, for each slice."""


class DipRecipe(Unfolding, Cartesian):
    """Undersampled Cartesian k-space: the image that a network nobody trained makes when it is fitted to the data."""

    method: Literal["dip"] = "dip"
    """Which method it is."""
    n_channels: Annotated[int, Field(ge=4, le=512)] = 48
    """Of each layer."""
    n_layers: Annotated[int, Field(ge=2, le=10)] = 5
    """Each doubles the size."""
    steps: Annotated[int, Field(ge=1, le=20_000)] = 3000
    """Of the fit, for each frame, which takes minutes; it stops where lines held out are no longer met better."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Of the fit."""


class SpiritRecipe(Combining, Compressing, Iterating):
    """Undersampled Cartesian k-space, also at random: every point is made of its neighbours, measured or not."""

    method: Literal["spirit"] = "spirit"
    """Which method it is."""
    kernel_lines: Literal[3, 5, 7] = 5
    """Neighbouring lines, and in 3D partitions, that a point is made from."""
    kernel_samples: Literal[1, 3, 5, 7] = 5
    """Samples of each of these lines."""
    regularisation: Annotated[float, Field(ge=1e-6, le=1)] | None = None
    """Of the kernel, relative to the mean power of what it is learned from; by the noise without it."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 30
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the energy of what is made, in parts of the noise's power over that of what was measured."""


class L1SpiritRecipe(SpiritRecipe):
    """Undersampled Cartesian k-space, also at random: SPIRiT, and details in wavelets are few in all coils together."""

    method: Literal["l1-spirit"] = "l1-spirit"  # type: ignore[assignment] # narrows the discriminator
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 60
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.2
    """Penalty of the details, in standard deviations of the measured noise."""


class SenseRecipe(Unfolding, Compressing):
    """Undersampled Cartesian k-space: unfolded exactly, expecting the brightness that the calibration shows."""

    method: Literal["sense"] = "sense"
    """Which method it is."""
    noise_weight: Annotated[float, Field(gt=0)] = 1.0
    """More than 1 trusts the data less than their noise asks for, less than 1 more."""


class CgSenseRecipe(Unfolding, Compressing, Iterating):
    """Undersampled Cartesian k-space: unfolded by conjugate gradients."""

    method: Literal["cg-sense"] = "cg-sense"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=200)] = 15
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(gt=0)] = 1.0
    """More than 1 trusts the data less than their noise asks for, less than 1 more."""


class L1WaveletRecipe(Unfolding, Cartesian, Iterating):
    """Undersampled Cartesian k-space, also at random: the image is sparse in wavelets (l1-ESPIRiT)."""

    method: Literal["l1-wavelet"] = "l1-wavelet"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.4
    """Penalty of the details, in standard deviations of the measured noise."""


class TvRecipe(Unfolding, Cartesian, Iterating):
    """Undersampled Cartesian k-space, also at random: the image has few edges (total variation)."""

    method: Literal["tv"] = "tv"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 100
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.4
    """Penalty of the gradient, in standard deviations of the measured noise."""


class SubspaceRecipe(Unfolding, Cartesian, Iterating):
    """Dynamic series or echo trains, each frame undersampled: frames are mixtures of few images (temporal subspace)."""

    method: Literal["subspace"] = "subspace"
    """Which method it is."""
    components: Annotated[int, Field(ge=1, le=64)] = 5
    """How many images the frames are mixtures of."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 40
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the image's energy, in parts of the noise's power over that of the image."""


class LowRankSparseRecipe(Unfolding, Cartesian, Iterating):
    """Dynamic series, each frame undersampled: a background that hardly changes and sparse motion (L+S)."""

    method: Literal["low-rank-sparse"] = "low-rank-sparse"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 60
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.5
    """Both penalties, in standard deviations of what the measured noise alone would show there."""


Recipe = Annotated[
    AutoRecipe
    | GrappaRecipe
    | RakiRecipe
    | DipRecipe
    | SpiritRecipe
    | L1SpiritRecipe
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
"""Every conventional method with its parameters."""


class LearnedRecipe(Cartesian):
    """A trained network, for the scans that it was made for; any other scan takes the fallback, and says why."""

    method: Literal["learned"] = "learned"
    """Which method it is."""
    model: ModelName
    """Name of the model, as ``gateway models list`` shows it."""
    fallback: Recipe = AutoRecipe()
    """For scans outside what the model's card says."""
    after: Recipe | None = None
    """The conventional recipe whose image the network begins with; without it, exact SENSE. A network that needs no
    more than the image (``refine`` without consistency, ``denoiser``) takes any scan that this recipe takes."""
    precision: Literal["full", "half"] = "full"
    """Numbers of the convolutions; ``half`` is bfloat16 where the device computes it faster, else full as well."""
    compiled: bool = False
    """Compile the convolutions (``torch.compile``), which takes each worker a minute for every kind of matrix; where it
    fails they run as they are. The series says so."""
    allow_tests: bool = False
    """Use a model whose card says that it is for training and tests."""


class GuidedTvRecipe(Unfolding, Cartesian, Iterating):
    """Undersampled Cartesian k-space, also at random: few edges but where an earlier scan of the exam has some, too.

    The other scan only says where edges may lie and which way they run, not how bright anything is (directional total
    variation). Without a scan that may guide, the fallback reconstructs, and the series says why.
    """

    method: Literal["guided-tv"] = "guided-tv"
    """Which method it is."""
    guide: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Protocol name of the scan that guides, with ``*``, ``?`` and ``[abc]`` (case does not matter): the last one of
    the same patient and study that came before. A scan that the header names (a ``measurementDependency`` of type
    ``Guide``) goes before it; without this key only that one guides."""
    guide_within_h: Annotated[float, Field(gt=0, le=24)] = 6.0
    """How long before it may have come, in hours."""
    guide_recipe: Recipe = AutoRecipe()
    """By which the scan that guides is reconstructed, from its raw data; only magnitudes are used."""
    fallback: Recipe = L1WaveletRecipe()
    """For scans without a guide."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 100
    """Iterations, at the most."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.8
    """Penalty of the gradient, in standard deviations of the measured noise."""
    edge: Annotated[float, Field(gt=0, le=1)] = 0.03
    """Step from pixel to pixel in the guide that counts as half an edge, in parts of its bright tissue."""


RouteRecipe = Annotated[Recipe | LearnedRecipe | GuidedTvRecipe, Field(discriminator="method")]
"""Whatever a rule may name."""
