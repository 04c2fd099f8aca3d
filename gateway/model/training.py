"""What ``gateway train`` is told: all of its TOML, as frozen tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.model.card import OF_SLICES, Encoded, MadeFor, ModelName, Version, encoded_for
from gateway.model.networks import Network
from gateway.model.recipes import Recipe
from gateway.model.table import Table
from gateway.model.training_data import Data, Positive
from gateway.model.training_parties import Count, Critic, Federation, Opponent, Rate

Share = Annotated[float, Field(gt=0, le=1)]


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
    SEMI_SUPERVISED = "semi-supervised"
    """To images where they are known, and on ``unlabelled`` scans to lines that it was not shown."""
    UNPAIRED = "unpaired"
    """To the measured lines, and to what images of ``references`` look like, of whichever patients (Lei 2021,
    doi:10.1109/TMI.2020.3022968)."""
    ROBUST = "robust"
    """To the image of every line, also where an opponent disturbs the data (Raj 2020, arXiv:2002.11821)."""


KNOWS_IMAGES = frozenset({Paradigm.SUPERVISED, Paradigm.SCORE, Paradigm.SEMI_SUPERVISED, Paradigm.ROBUST})
"""Those whose data have every line."""


class Pattern(StrEnum):
    """How lines are left out."""

    EQUISPACED = "equispaced"
    RANDOM = "random"
    VARIABLE = "variable-density"
    CENTRE = "centre"
    """The lines around the centre alone: an image of less resolution."""
    POISSON = "poisson-disc"
    """At random, but never close together, and the farther apart the farther from the centre."""
    LEARNED = "learned"
    """Where the network learns most, found beside it (LOUPE; doi:10.1109/TCI.2020.3006727)."""


class Masks(Table):
    """Which lines are left out; drawn anew for each slice."""

    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)] = (Pattern.EQUISPACED, Pattern.RANDOM)
    """Patterns; equispaced lines start anywhere."""
    accelerations: Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], Field(min_length=1)] = (2, 3, 4, 5, 6)
    """One line of so many is kept, beside those of the calibration; 1 keeps all, which leaves noise alone to learn."""
    n_calibration: Annotated[tuple[Annotated[int, Field(ge=8, le=128)], ...], Field(min_length=1)] = (16, 20, 24, 32)
    """Lines around the centre that are always kept."""
    directions: Annotated[tuple[Literal[1, 2], ...], Field(min_length=1)] = (1,)
    """In how many directions: 1 leaves out lines of slices, 2 points of lines and partitions, as scans of slabs do;
    then equispaced is a lattice with any shift (CAIPIRINHA), and a square of ``n_calibration`` points is kept."""
    learning_rate: Rate = 0.05
    """Of a learned pattern."""

    @property
    def learned(self) -> bool:
        """Whether the pattern is learned."""
        return self.patterns == (Pattern.LEARNED,)

    @model_validator(mode="after")
    def _learned_alone(self) -> Self:
        if Pattern.LEARNED in self.patterns and not self.learned:
            raise ValueError("a learned pattern cannot be one of several")
        return self


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
    PERCEPTUAL = "perceptual"
    """What small filters of several scales, drawn once and never trained, see of it (Johnson 2016, arXiv:1603.08155;
    that drawn filters serve as trained ones do: Amir 2021, doi:10.1109/CVPR46437.2021.01205)."""
    ADVERSARIAL = "adversarial"
    """How easily a critic, trained beside, tells it from true images (Goodfellow 2014, arXiv:1406.2661)."""


BY_SAMPLES = frozenset({LossKind.KSPACE})
"""Losses that need no image."""


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
    optimiser: Literal["adam", "sgd"] = "adam"
    """Adam (arXiv:1412.6980), or plain gradient steps."""
    learning_rate: Rate = 1e-3
    """At first."""
    warm_up: Annotated[int, Field(ge=0)] = 20
    """Steps until it is reached."""
    slab: Annotated[int, Field(ge=0)] = 64
    """Positions along readouts of which a step sees; 0 is all of them."""
    reuse: Annotated[int, Field(ge=1, le=1000)] = 2
    """Steps that share a slice, each with slabs of its own: drawing one costs more than a step."""
    slabs: Annotated[int, Field(ge=1, le=64)] = 1
    """Slabs of a step."""
    frames: Annotated[int, Field(ge=1, le=64)] = 6
    """Frames that a ``stack`` sees together."""
    partitions: Annotated[int, Field(ge=16, le=256)] = 24
    """Of the slabs that a ``stack`` of volumes learns from; masks of two directions keep a square of their middle."""
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
    labelled: Share = 0.5
    """Share of the slices of semi-supervised training whose image is known."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of convolutions; transforms, data consistency, weights and losses stay as they are."""


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
    after: Recipe | None = None
    """The conventional recipe whose image the network begins with, made by the engine itself as recipes that use the
    model do; without it, exact SENSE."""
    data: tuple[Data, ...] = ()
    """One is drawn for each slice; in a federation, sites have their own."""
    unlabelled: tuple[Data, ...] = ()
    """Scans without an image, for semi-supervised training; lines may be missing."""
    references: tuple[Data, ...] = ()
    """Scans of every line, of others than those of ``data``: what an image looks like, for unpaired training."""
    validation: tuple[Data, ...] = ()
    """Scans that nothing is learned from; without them, other slices of ``data`` where those are drawn."""
    n_validation: Annotated[int, Field(ge=1, le=1000)] = 4
    """Slices that are looked at after each epoch."""
    masks: Masks = Masks()
    losses: Annotated[tuple[Loss, ...], Field(min_length=1)] = (Loss(kind=LossKind.L1),)
    critic: Critic = Critic()
    opponent: Opponent = Opponent()
    federation: Federation | None = None
    fit: Fit = Fit()
    made_for: MadeFor = MadeFor()
    """What goes on the card."""

    @property
    def learned_from(self) -> tuple[Data, ...]:
        """All data of all sites."""
        sites = () if self.federation is None else self.federation.sites
        return (*self.data, *self.unlabelled, *self.references, *(one for site in sites for one in site.data))

    @property
    def encoded(self) -> tuple[Encoded, ...]:
        """What was encoded of the scans that the model is for: by the directions of its masks."""
        both = ((1, Encoded.SLICES), (2, Encoded.SLABS))
        return tuple(encoded for n_directions, encoded in both if n_directions in self.masks.directions)

    @property
    def begins_with(self) -> tuple[str, ...]:
        """The methods whose images the model is for."""
        return self.made_for.after if self.after is None else (self.after.method,)

    @property
    def synthetic(self) -> bool:
        """Whether any k-space is computed from images."""
        return any(one.kind in ("procedural", "images") for one in self.learned_from)

    @property
    def adversarial(self) -> bool:
        """Whether a critic takes part."""
        return any(loss.kind is LossKind.ADVERSARIAL for loss in self.losses)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        for fault in self._faults():
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        drawn = all(one.kind == "procedural" for one in self.learned_from)
        if not drawn and not self.validation and self.paradigm is not Paradigm.ZERO_SHOT:
            yield "validation is missing: scans that were learned from tell nothing"
        if bool(self.data) == (self.federation is not None):
            yield "data is missing" if self.federation is None else "in a federation the sites have the data"
        if "encoded" in self.made_for.model_fields_set and set(self.made_for.encoded) != set(self.encoded):
            yield "made_for.encoded says other scans than masks.directions: leave it out, it follows from these"
        possible = encoded_for(self.network)
        if not set(self.encoded) <= possible:
            directions = 1 if Encoded.SLICES in possible else 2
            kinds = ", ".join(sorted(possible))
            yield f"such a {self.network.method} is for {kinds}: masks.directions = [{directions}]"
        yield from self._faults_of_paradigm()
        yield from self._faults_of_masks()
        yield from self._faults_of_after()

    def _faults_of_paradigm(self) -> Iterator[str]:
        for name, paradigm in (("unlabelled", Paradigm.SEMI_SUPERVISED), ("references", Paradigm.UNPAIRED)):
            if bool(getattr(self, name)) != (self.paradigm is paradigm):
                yield f"{name} goes with paradigm = {paradigm.value!r}, and that with {name}"
        kinds = {loss.kind for loss in self.losses}
        if self.paradigm is Paradigm.UNPAIRED and kinds != {LossKind.KSPACE, LossKind.ADVERSARIAL}:
            yield "unpaired knows no image of its data: its losses are k-space and adversarial, both"
        if self.paradigm in (Paradigm.SSDU, Paradigm.ZERO_SHOT) and kinds - BY_SAMPLES:
            yield f"{self.paradigm} knows no image: its only loss is k-space"
        if (self.paradigm is Paradigm.SCORE) != (self.network.method in ("diffusion", "map", "pnp")):
            yield "diffusion, map and pnp learn by paradigm = 'score', and no other network does"
        if self.paradigm is not Paradigm.SCORE and LossKind.SCORE in kinds:
            yield "the loss score is that of paradigm = 'score'"
        if self.network.method == "stack" and (self.paradigm is not Paradigm.SUPERVISED or self.fit.slabs > 1):
            yield "a stack learns from images of every line, one slab at a time"
        if self.federation is not None and (self.paradigm not in SHARED or self.adversarial or self.masks.learned):
            yield f"a federation is {' or '.join(sorted(SHARED))}, without a critic and a learned pattern"

    def _faults_of_masks(self) -> Iterator[str]:
        if not self.masks.learned:
            return
        if self.paradigm is not Paradigm.SUPERVISED:
            yield "a learned pattern is learned from images: paradigm = 'supervised'"
        if self.network.method == "denoiser":
            yield "a denoiser sees lines by SENSE's image alone, from which no pattern can be learned"
        if self.network.method == "stack":
            yield "a stack learns from patterns that somebody else chose"
        if 2 in self.masks.directions:  # noqa: PLR2004 - two directions
            yield "a learned pattern is one of lines: masks.directions = [1]"
        if self.fit.reuse > 1:
            yield "a learned pattern is drawn for each step: fit.reuse = 1"

    def _faults_of_after(self) -> Iterator[str]:
        if self.after is None:
            return
        method, patterns = self.after.method, set(self.masks.patterns)
        if self.network.method in OF_SLICES:
            yield f"a {self.network.method} begins with what was measured, not with the image of a recipe"
        if self.paradigm in (Paradigm.SCORE, Paradigm.ROBUST) or self.masks.learned:
            what = "a learned pattern" if self.masks.learned else self.paradigm
            yield f"{what} begins with SENSE, through which gradients pass, or with noise: leave after out"
        if 2 in self.masks.directions:  # noqa: PLR2004 - two directions
            yield "the image of a recipe is made of whole slices: masks.directions = [1]"
        if method in SCATTERED:
            yield f"{method} is for other trajectories; training leaves lines of Cartesian slices out"
        if method in REGULAR and (patterns - REGULAR[method] or self.paradigm in SELF_TAUGHT):
            yield f"{method} fills a regular pattern of which no line is held back: masks.patterns = ['equispaced']"
        if method in ("grappa", "raki") and 1 in self.masks.accelerations:
            yield f"{method} has nothing to fill where every line is measured: masks.accelerations from 2"
        if method == "fft" and patterns != {Pattern.CENTRE} and set(self.masks.accelerations) != {1}:
            yield "fft wants every line: masks.accelerations = [1], or masks.patterns = ['centre'] for resolution"


REGULAR: Mapping[str, frozenset[Pattern]] = MappingProxyType(
    {
        **dict.fromkeys(("grappa", "raki"), frozenset({Pattern.EQUISPACED})),
        **dict.fromkeys(("sense", "cg-sense"), frozenset({Pattern.EQUISPACED, Pattern.CENTRE})),
    }
)
"""Recipes that refuse lines which are left out in no regular pattern, and the patterns that they take."""
SCATTERED = frozenset({"nufft", "cg-nufft"})
"""Recipes for other trajectories."""
SELF_TAUGHT = frozenset({Paradigm.SSDU, Paradigm.ZERO_SHOT, Paradigm.SEMI_SUPERVISED})
"""Paradigms that hold lines back."""
SHARED = frozenset({Paradigm.SUPERVISED, Paradigm.SSDU, Paradigm.SCORE})
"""Paradigms of a federation."""
