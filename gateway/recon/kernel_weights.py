"""Weights of kernels that were learned at each position along the readout, and the maps that combine what they fill."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelWeights:
    """Weights `(x ...)` and how coils see the image `(coil ... x)`; None for the sum of squares."""

    weights: Tensor
    maps: Tensor | None

    def at(self, some: slice, device: torch.device) -> KernelWeights:
        """Take some positions x to a device."""
        maps = None if self.maps is None else self.maps[..., some].to(device)
        return KernelWeights(weights=self.weights[some].to(device), maps=maps)
