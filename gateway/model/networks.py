"""Every network that a card may name, with its sizes; knows nothing of how it computes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.model.table import Table

Width = Annotated[int, Field(ge=1, le=1024)]
Depth = Annotated[int, Field(ge=1, le=6)]
Repeats = Annotated[int, Field(ge=1, le=64)]
Strength = Annotated[float, Field(gt=0, le=1)]
Dilations = Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], Field(min_length=1, max_length=32)]

CALM = (1, 2, 4, 4, 2, 1)
"""Dilations that let a small network see some 30 pixels around each."""


class UnetNetwork(Table):
    """Magnitude to magnitude, after a conventional reconstruction (fastMRI's baseline; arXiv:1811.08839)."""

    method: Literal["unet"] = "unet"
    """Which network it is."""
    n_channels: Width = 32
    """Channels of its first level; each level has twice as many."""
    n_pools: Depth = 4
    """Levels below the first."""
    attention: bool = False
    """Let what is handed past the deeper levels weigh its channels by their means over the image (arXiv:1709.01507)."""


class VarnetNetwork(Table):
    """K-space to image, unrolled, with sensitivities of its own (E2E-VarNet; doi:10.1007/978-3-030-59713-9_7)."""

    method: Literal["varnet"] = "varnet"
    """Which network it is."""
    n_cascades: Repeats = 12
    """Steps that were unrolled."""
    n_channels: Width = 18
    """Channels of the first level of each step's U-Net."""
    n_pools: Depth = 4
    """Levels below the first."""
    sens_channels: Width = 8
    """The same of the network for the sensitivities."""
    sens_pools: Depth = 4
    """The same of the network for the sensitivities."""


class Residual(Table):
    """A network that says what to take off an image: convolutions of 3 x 3, dilated, each added to what went in."""

    n_channels: Width = 48
    """Channels of each layer."""
    dilations: Dilations = CALM
    """One for each layer."""
    attention: bool = False
    """Let each layer weigh its channels by their means over the image (MICCAN; doi:10.1109/ISBI.2019.8759423)."""


class ModlNetwork(Residual):
    """Image by conjugate gradients between calls of one network, unrolled (MoDL; doi:10.1109/TMI.2018.2865356)."""

    method: Literal["modl"] = "modl"
    """Which network it is."""
    n_unrolls: Repeats = 5
    """How often network and data take turns."""
    cg_steps: Repeats = 10
    """Conjugate gradients between two calls of the network."""


class CascadeNetwork(Residual):
    """Networks of their own weights, each followed by the data (D5C5; doi:10.1109/TMI.2017.2760978)."""

    method: Literal["cascade"] = "cascade"
    """Which network it is."""
    n_cascades: Repeats = 5
    """Networks, one after the other."""
    consistency: Literal["hard", "soft"] = "soft"
    """Whether a measured sample replaces what the network makes of it, or is weighed against it by its noise."""


class VariationalNetwork(Table):
    """Gradient steps with learned filters and their learned activations (doi:10.1002/mrm.26977)."""

    method: Literal["vn"] = "vn"
    """Which network it is."""
    n_stages: Repeats = 10
    """Gradient steps."""
    n_filters: Width = 24
    """Filters of each step."""
    filter_size: Annotated[int, Field(ge=3, le=15)] = 7
    """Pixels along each edge of a filter; odd."""
    n_weights: Annotated[int, Field(ge=3, le=63)] = 31
    """Gaussians that each activation is made of."""


class DenoiserNetwork(Residual):
    """Takes noise and what is left of folding off a conventional image (DnCNN; doi:10.1109/TIP.2017.2662206)."""

    method: Literal["denoiser"] = "denoiser"
    """Which network it is."""


class KikiNetwork(Residual):
    """Networks in k-space and in the image by turns, with the data between (KIKI; doi:10.1002/mrm.27201)."""

    method: Literal["kiki"] = "kiki"
    """Which network it is."""
    n_turns: Repeats = 2
    """How often both take their turn."""


class Prior(Residual):
    """A denoiser of noise of every strength, which knows by it how likely an image is: its score.

    Vincent 2011, doi:10.1162/NECO_a_00142; Song 2019, arXiv:1907.05600. Trained by ``paradigm = "score"``.
    """

    noisiest: Annotated[float, Field(gt=0, le=10)] = 0.3
    """Noise at which it begins, relative to the bright parts of the image."""
    quietest: Strength = 0.01
    """Noise at which it ends, or more:"""
    times_noise: Annotated[float, Field(ge=0, le=100)] = 2.0
    """No less than the noise of the data, times this."""
    steps: Annotated[int, Field(ge=2, le=1000)] = 24
    """From the one to the other."""
    cg_steps: Repeats = 6
    """Conjugate gradients of each step."""

    @model_validator(mode="after")
    def _noise_falls(self) -> Self:
        if self.quietest > self.noisiest:
            raise ValueError("quietest must not be more than noisiest")
        return self


class DiffusionNetwork(Prior):
    """Draws images that fit the data; their mean is the image, their spread its uncertainty (arXiv:2108.01368)."""

    method: Literal["diffusion"] = "diffusion"
    """Which network it is."""
    times_noise: Annotated[float, Field(ge=0, le=100)] = 0.0
    """No less than the noise of the data, times this. Samples go on to ``quietest``, whatever the noise."""
    samples: Annotated[int, Field(ge=2, le=64)] = 8
    """Images that are drawn."""


class PnpNetwork(Prior):
    """A denoiser as the prior of an iterative reconstruction (plug and play; doi:10.1109/GlobalSIP.2013.6737048)."""

    method: Literal["pnp"] = "pnp"
    """Which network it is."""
    splitting: Literal["admm", "fista"] = "admm"
    """How denoiser and data take turns (FISTA: doi:10.1109/MSP.2019.2949470)."""
    steps: Annotated[int, Field(ge=2, le=1000)] = 32
    """From the one to the other."""
    cg_steps: Repeats = 10
    """Conjugate gradients of each step of ADMM."""


class MapNetwork(Prior):
    """The image that is most likely, by the data and by what was learned (doi:10.1002/mrm.28274)."""

    method: Literal["map"] = "map"
    """Which network it is."""


class RefineNetwork(Table):
    """Takes noise, folding or blur off the image of any conventional recipe (doi:10.1109/TMI.2017.2715284)."""

    method: Literal["refine"] = "refine"
    """Which network it is."""
    n_channels: Width = 16
    """Channels of its first level; each level has twice as many."""
    n_pools: Depth = 3
    """Levels below the first."""
    attention: bool = False
    """Let what is handed past the deeper levels weigh its channels by their means over the image (arXiv:1709.01507)."""
    consistency: Literal["none", "soft", "hard"] = "none"
    """Whether measured samples count afterwards: not, weighed by their noise, or as they are."""


class StackNetwork(Table):
    """Reconstructs frames together, by convolutions within each and from one to the next (CINENet).

    doi:10.1038/s41598-020-70551-8.
    """

    method: Literal["stack"] = "stack"
    """Which network it is."""
    along: Literal["time", "slices", "contrasts"] = "time"
    """What changes from frame to frame: phases and repetitions, slices, or contrasts (moved onto each other)."""
    within: Literal["planes", "volumes"] = "planes"
    """What convolutions within a frame go over: of slices x and y, (2+1)D with time; of slabs z as well, (3+1)D."""
    n_cascades: Repeats = 3
    """Networks, each followed by the data."""
    n_channels: Width = 32
    """Channels of each layer."""
    dilations: Dilations = (1, 2, 4, 1)
    """One for each layer."""
    consistency: Literal["hard", "soft"] = "soft"
    """Whether a measured sample replaces what the network makes of it, or is weighed against it by its noise."""

    @model_validator(mode="after")
    def _volumes_follow_in_time(self) -> Self:
        if self.within == "volumes" and self.along != "time":
            raise ValueError("volumes follow each other in time: along = 'time'")
        return self


Network = Annotated[
    UnetNetwork
    | VarnetNetwork
    | ModlNetwork
    | CascadeNetwork
    | VariationalNetwork
    | DenoiserNetwork
    | PnpNetwork
    | KikiNetwork
    | DiffusionNetwork
    | MapNetwork
    | RefineNetwork
    | StackNetwork,
    Field(discriminator="method"),
]
"""Every network with its sizes."""


def needs_image_alone(network: Network) -> bool:
    """Say whether the image of any recipe is all that a network needs, or measured lines as well."""
    return network.method == "denoiser" or (network.method == "refine" and network.consistency == "none")
