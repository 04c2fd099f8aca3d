"""What ``gateway train`` is told: all of its TOML, as frozen tables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.model.card import MadeFor, ModelName, Version
from gateway.model.networks import Network
from gateway.model.table import Table

Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class Paradigm(StrEnum):
    """What a network is held to."""

    SUPERVISED = "supervised"
    """To the image of every line."""
    SSDU = "ssdu"
    """To measured lines that it was not shown (Yaman 2020, doi:10.1002/mrm.28378)."""
    ZERO_SHOT = "zero-shot"
    """The same on one scan alone, which also tells when to stop (Yaman 2022, arXiv:2102.07737)."""
    SCORE = "score"
    """To the image behind noise of any strength: denoising score matching (Vincent 2011, doi:10.1162/NECO_a_00142)."""


class Pattern(StrEnum):
    """How lines are left out."""

    EQUISPACED = "equispaced"
    RANDOM = "random"
    VARIABLE = "variable-density"
    CENTRE = "centre"
    """The lines around the centre alone: an image of less resolution."""


class ProceduralData(Table):
    """Images that a formula draws, as heads are made up, seen by simulated coils: for want of measured ones."""

    kind: Literal["procedural"] = "procedural"
    """Which data."""
    matrix: Annotated[tuple[Annotated[int, Field(ge=32, le=1024)], ...], Field(min_length=1)] = (96, 128, 160, 192, 224)
    """Points along an edge, drawn anew for each image and each edge."""
    n_coils: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)] = (4, 6, 8, 12, 16)
    """Coils, drawn anew for each image."""
    quietest: Positive = 1e-4
    """Least noise of a sample, relative to the brightest pixel; drawn on a logarithmic scale."""
    noisiest: Positive = 0.06
    """Most noise."""


class ScanData(Table):
    """Measured scans: ISMRMRD files, or recordings as they lie in the spool."""

    kind: Literal["scans"] = "scans"
    """Which data."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Files, or folders of files that end in ``.h5`` or ``.mrd``."""


class FastMriData(Table):
    """Measured scans in the layout of fastMRI: HDF5 with ``kspace`` of slice, coil, readout, line."""

    kind: Literal["fastmri"] = "fastmri"
    """Which data."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Files, or folders of files that end in ``.h5``."""


class ImageData(Table):
    """Finished images, seen by simulated coils; this flatters (doi:10.1073/pnas.2117203119), and the card says so."""

    kind: Literal["images"] = "images"
    """Which data."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """NumPy files ``.npy`` with one image or a stack, ``(slice y x)``, or folders of them."""
    magnitude: bool = False
    """Take images without phase, as DICOM has them, and make one up; without it they are refused."""
    n_coils: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)] = (4, 8, 16)
    """Coils, drawn anew for each image."""
    quietest: Positive = 1e-3
    """Least noise of a sample, relative to the brightest pixel."""
    noisiest: Positive = 0.03
    """Most noise."""


Data = Annotated[ProceduralData | ScanData | FastMriData | ImageData, Field(discriminator="kind")]
"""Where slices come from."""


class Masks(Table):
    """Which lines are left out; drawn anew for each slice."""

    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)] = (Pattern.EQUISPACED, Pattern.RANDOM)
    """Patterns; equispaced lines start anywhere."""
    accelerations: Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], Field(min_length=1)] = (2, 3, 4, 5, 6)
    """One line of so many is kept, beside those of the calibration; 1 keeps all, which leaves noise alone to learn."""
    n_calibration: Annotated[tuple[Annotated[int, Field(ge=8, le=128)], ...], Field(min_length=1)] = (16, 20, 24, 32)
    """Lines around the centre that are always kept."""


class LossKind(StrEnum):
    """How far an image is from what it should be; every one is relative, so that weights mean the same for all."""

    L1 = "l1"
    L2 = "l2"
    """Root of the mean square."""
    SSIM = "ssim"
    """1 - SSIM of the magnitudes, Gaussian window of 11 x 11 (Wang 2004, doi:10.1109/TIP.2003.819861)."""
    KSPACE = "k-space"
    """L1 and L2 of the samples, half of each (Yaman 2020, doi:10.1002/mrm.28378)."""
    MAGNITUDE_PHASE = "magnitude-phase"
    """Magnitude and, apart from it, what is perpendicular (Terpstra 2022, doi:10.1016/j.media.2022.102509)."""
    SCORE = "score"
    """Power of the error over that of the noise that was put on, which all strengths share alike (arXiv:1907.05600)."""


class Loss(Table):
    """One part of the loss."""

    kind: LossKind
    """Which."""
    weight: Positive = 1.0
    """Its share of the sum."""


class Fit(Table):
    """How weights are sought (Adam, with a learning rate that falls as a cosine)."""

    steps: Count = 2000
    """In all."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """At first."""
    warm_up: Annotated[int, Field(ge=0)] = 20
    """Steps until it is reached."""
    slab: Annotated[int, Field(ge=0)] = 64
    """Positions along readouts of which a step sees; 0 is all of them."""
    reuse: Annotated[int, Field(ge=1, le=1000)] = 2
    """Steps that share a slice, each with slabs of its own: drawing one costs more than a step."""
    slabs: Annotated[int, Field(ge=1, le=64)] = 1
    """Slabs of a step."""
    epoch: Count = 100
    """Steps between two looks at the validation, each with a checkpoint and a picture."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop after so many looks without a better one; without it, go on to the end."""
    minutes: Positive | None = None
    """Stop when so much time has passed; run again to go on."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """What is kept of the mean of the weights at each step; the mean is what is validated and shipped."""
    held_out: Share = 0.4
    """Share of the measured lines that a self-supervised network is not shown."""


class Plan(Table):
    """All of a configuration for ``gateway train``."""

    name: ModelName
    """What recipes will call the model."""
    version: Version
    """Of the model."""
    licence: str = Field(min_length=1)
    """Of the weights."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """Everything that is drawn follows from it, and from the number of the step."""
    paradigm: Paradigm = Paradigm.SUPERVISED
    """What the network is held to."""
    start: ModelName | None = None
    """A model of the same network whose weights are the first ones: fine-tuning."""
    network: Network
    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    """One is drawn for each slice."""
    validation: tuple[Data, ...] = ()
    """Scans that nothing is learned from; without them, other slices of ``data`` where those are drawn."""
    n_validation: Annotated[int, Field(ge=1, le=1000)] = 4
    """Slices that are looked at after each epoch."""
    masks: Masks = Masks()
    losses: Annotated[tuple[Loss, ...], Field(min_length=1)] = (Loss(kind=LossKind.L1),)
    fit: Fit = Fit()
    made_for: MadeFor = MadeFor()
    """What goes on the card."""

    @property
    def synthetic(self) -> bool:
        """Whether any k-space is computed from images."""
        return any(one.kind in ("procedural", "images") for one in self.data)

    @model_validator(mode="after")
    def _validation_is_apart(self) -> Self:
        drawn = all(one.kind == "procedural" for one in self.data)
        if not drawn and not self.validation and self.paradigm is not Paradigm.ZERO_SHOT:
            raise ValueError("validation is missing: scans that were learned from tell nothing")
        return self

    @model_validator(mode="after")
    def _self_supervision_is_in_k_space(self) -> Self:
        taught = self.paradigm in (Paradigm.SSDU, Paradigm.ZERO_SHOT)
        if taught and any(one.kind is not LossKind.KSPACE for one in self.losses):
            raise ValueError(f"{self.paradigm} knows no image: its only loss is k-space")
        return self

    @model_validator(mode="after")
    def _scores_are_of_priors(self) -> Self:
        if (self.paradigm is Paradigm.SCORE) != (self.network.method in ("diffusion", "map")):
            raise ValueError("diffusion and map learn by paradigm = 'score', and no other network does")
        if self.paradigm is not Paradigm.SCORE and any(one.kind is LossKind.SCORE for one in self.losses):
            raise ValueError("the loss score is that of paradigm = 'score'")
        return self
