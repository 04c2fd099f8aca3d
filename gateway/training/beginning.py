"""The image of another recipe that a network begins with, made of each slice as recipes make it that use the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gateway.model.networks import needs_image_alone
from gateway.model.training import Plan
from gateway.recon.companion import Unfolded
from gateway.recon.methods.first_images import first_images
from gateway.recon.networks.denoiser import noise_of
from gateway.recon.networks.observed import Observed, bright_part
from gateway.recon.space import imaging_encoding, target_of
from gateway.recon.workplace import CPU, Workplace
from gateway.training.as_scan import undersampled_scan
from gateway.training.simulation import FullSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a network begins with instead of SENSE.

    Parameters
    ----------
    image
        Of the whole slice. Complex. Shape `(y x)`.
    alone
        Whether it is all that the network will have: then its unit and its noise are those of this image.
    """

    image: Tensor
    alone: bool

    def instead_of_sense(self, x: slice) -> Unfolded:
        """Give its part at some positions of the readout to whoever asks for SENSE's image."""
        return lambda *_: self.image[:, x]

    def noisy(self, observed: Observed) -> Observed:
        """Tell a network that has nothing else how noisy the image looks."""
        return replace(observed, noise=noise_of(self.image.T[None])) if self.alone else observed

    def bright(self) -> Tensor:
        """Say how bright its bright parts are. Shape `(1,)`."""
        return bright_part(self.image.abs()[None])


def beginning_of(full: FullSlice, filled: Tensor, plan: Plan) -> Beginning | None:
    """Reconstruct the kept lines of a slice by the recipe that a plan begins with; None where it names none.

    Raises
    ------
    BadScan
        The recipe refuses such a slice.
    """
    if plan.after is None:
        return None
    scan = undersampled_scan(full, filled)
    target = target_of(imaging_encoding(scan.header))
    made = first_images(scan, plan.after, Workplace(device=CPU), target)
    return Beginning(image=torch.from_numpy(made.pixels[0, 0]), alone=needs_image_alone(plan.network))
