"""A residual encoder-decoder after any conventional reconstruction: noise, folding and blur are taken off its image.

Contracting and expanding with skips (Ronneberger 2015, doi:10.1007/978-3-319-24574-4_28), and what comes out is added
to what went in: Chen 2017, doi:10.1109/TMI.2017.2715284, for noise; Lee 2018, doi:10.1109/TBME.2018.2821699, for
folding; Chaudhari 2018, doi:10.1002/mrm.27178, for resolution. Where measured samples are at hand they can be put back
(Schlemper 2018, doi:10.1109/TMI.2017.2760978).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.networks import RefineNetwork
from gateway.recon.networks.cascade import DOUBT, consistent, share_of
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import to_channels, to_complex
from gateway.recon.networks.unet import Unet


class Refine(nn.Module):
    """Add a correction to an image; nobody trained, it adds nothing."""

    def __init__(self, sizes: RefineNetwork) -> None:
        super().__init__()
        self.unet = Unet(2, 2, n_channels=sizes.n_channels, n_pools=sizes.n_pools, attention=sizes.attention)
        for weights in list(self.unet.up_conv.parameters())[-2:]:
            nn.init.zeros_(weights)
        self.multiple = 1 << sizes.n_pools
        self.consistency = sizes.consistency
        if sizes.consistency == "soft":
            self.log_doubt = nn.Parameter(torch.tensor(DOUBT).log())

    def forward(self, seen: Observed) -> Tensor:
        """Refine the conventional image, and let the data have their say. Complex. Shape `(batch x y)`."""
        image = self.refine(seen.start)
        if self.consistency == "none":
            return image
        hard = self.consistency == "hard"
        share = torch.ones_like(seen.noise) if hard else share_of(seen.noise, self.log_doubt.exp())
        return consistent(seen, image, share)

    def refine(self, image: Tensor) -> Tensor:
        """Refine images in units of their bright parts. Complex. Shape `(batch x y)`."""
        n_x, n_y = image.shape[-2:]
        more_x, more_y = (-n % self.multiple for n in (n_x, n_y))
        padded = functional.pad(to_channels(image), (0, more_y, 0, more_x))
        return image + to_complex(self.unet(padded)[..., :n_x, :n_y])
