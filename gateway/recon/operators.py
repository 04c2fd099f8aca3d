"""Linear operators of imaging: a map, its adjoint, and their composition; knows nothing of scans or solvers.

Images have one axis for sets of maps, ``(... set z y x)``: with one set it has length 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier

Map = Callable[[Tensor], Tensor]

SET, COIL = -4, -4
"""Where images have their sets of maps, and coil images their coils; maps have both, the set before the coil."""


IN_SPACE = 3
"""Axes of space."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A linear map and its adjoint: ``<A u, v> = <u, A^H v>``."""

    apply: Map
    adjoint: Map

    def __matmul__(self, inner: Operator) -> Operator:
        """Compose: ``(A @ B).apply(u)`` is ``A(B(u))``."""
        return Operator(
            lambda values: self.apply(inner.apply(values)), lambda values: inner.adjoint(self.adjoint(values))
        )

    def normal(self, values: Tensor) -> Tensor:
        """Apply the map, then its adjoint."""
        return self.adjoint(self.apply(values))


def sensitivities(maps: Tensor) -> Operator:
    """Weigh images by coil sensitivities; the adjoint combines coil images (Pruessmann 1999).

    doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S

    Parameters
    ----------
    maps
        Complex. Shape `(... set coil z y x)`; images are `(... set z y x)`, coil images `(... coil z y x)`.
    """
    return Operator(
        lambda images: (maps * images.unsqueeze(COIL)).sum(dim=-5),
        lambda coil_images: (maps.conj() * coil_images.unsqueeze(-5)).sum(dim=COIL),
    )


def fourier_along(axes: Sequence[int]) -> Operator:
    """Transform from image to k-space, centred and orthonormal; the adjoint is the inverse."""
    return Operator(lambda images: fourier(images, axes), lambda kspace: inverse_fourier(kspace, axes))


def sampled(weights: Tensor) -> Operator:
    """Keep what was measured: multiply by real weights, mostly 0 and 1, that broadcast."""
    return Operator(lambda values: values * weights, lambda values: values * weights)


def differences(axes: Sequence[int]) -> Operator:
    """Take the difference to the next pixel along each axis, around the edge; the axes come first, as a new axis."""

    def steps_of(image: Tensor) -> Tensor:
        return torch.stack([image.roll(-1, axis) for axis in axes]).sub_(image)

    def adjoint(steps: Tensor) -> Tensor:
        image = -steps.sum(dim=0)
        for step, axis in zip(steps.unbind(), axes, strict=True):
            image += step.roll(1, axis)
        return image

    return Operator(steps_of, adjoint)


def fourier_filter(weights: Tensor, axes: Sequence[int]) -> Map:
    """Weigh k-space, from image to image: ``F^H W F`` along the axes, without a shift or a scale.

    The shifts of a centred transform cancel, since this is a circular convolution whatever the origin.

    Parameters
    ----------
    weights
        Real, centred; must broadcast to k-space. Its axes that are transformed must have the size of the image. They
        may go on where an image ends earlier along the first of the axes of space.
    """
    axes = [axis for axis in axes if weights.shape[axis] > 1]
    shifted = torch.fft.ifftshift(weights, dim=axes).to(torch.promote_types(weights.dtype, torch.complex64))

    def apply(image: Tensor) -> Tensor:
        if not axes:
            return image * weights
        kspace = torch.fft.fftn(image, dim=axes)
        here = shifted if shifted.ndim < IN_SPACE else shifted.narrow(-3, 0, min(shifted.shape[-3], image.shape[-3]))
        filtered: Tensor = torch.fft.ifftn(kspace.mul_(here), dim=axes)
        return filtered

    return apply


def coil_summed(maps: Iterable[Tensor], filtered: Map) -> Map:
    """Build the normal operator ``sum_c S_c^H filtered(S_c image)``, one coil after the other.

    So a coil's image stays in the cache from its sensitivity to its sum, and memory does not grow with the coils.

    Parameters
    ----------
    maps
        Complex, of one coil each; one that sees nothing further on may end earlier along the first of the axes of
        space. Shape `(... set z y x)`.
    filtered
        From coil image to coil image, `(... z y x)`.
    """
    coils = [(coil.contiguous(), coil.conj().resolve_conj().contiguous()) for coil in maps]

    def normal(image: Tensor) -> Tensor:
        result = torch.zeros_like(image)
        for coil, conjugate in coils:
            part = image.narrow(-3, 0, coil.shape[-3])
            seen = coil.squeeze(SET) * part.squeeze(SET) if coil.shape[SET] == 1 else (coil * part).sum(dim=SET)
            result.narrow(-3, 0, coil.shape[-3]).addcmul_(filtered(seen).unsqueeze(SET), conjugate)
        return result

    return normal
