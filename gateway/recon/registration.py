"""By how much images are shifted against each other, and back: rigid translation, to a part of a pixel.

Phase correlation (Kuglin 1975) of the sizes of gradients, so that edges count and contrasts may differ; the peak is
placed between pixels by the parabola through its neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier

PLANE = (-2, -1)
BLUR = 0.15
"""Width of the band of k-space that is compared, in parts of its extent: beyond, noise decides."""
_TINY = 1e-12


def shifts_to_first(images: Tensor) -> Tensor:
    """Find how far each image lies from the first.

    Parameters
    ----------
    images
        Magnitudes. Shape `(image x y)`.

    Returns
    -------
        In pixels. Shape `(image 2)`.
    """
    spectra = torch.fft.fft2(_edges(images).to(torch.complex64))
    cross = spectra * spectra[:1].conj()
    band = torch.exp(
        -sum(
            (torch.fft.fftfreq(n, device=images.device).reshape(shape) / BLUR) ** 2
            for n, shape in zip(images.shape[-2:], ((-1, 1), (1, -1)), strict=True)
        )
        / 2
    )
    alike = torch.fft.ifft2(band * cross / cross.abs().clamp_min(_TINY * float(cross.abs().max()) + _TINY)).real
    return torch.stack([_peak(one) for one in alike])


def shifted(images: Tensor, shifts: Tensor) -> Tensor:
    """Move complex images `(image x y)` by pixels `(image 2)`; the edges wrap, and moving back gives the same."""
    phases = torch.zeros_like(images.real)
    for axis, n in enumerate(images.shape[-2:]):
        place = torch.arange(n, device=images.device) - n // 2
        along = (-1, 1) if axis == 0 else (1, -1)
        phases = phases - 2 * torch.pi / n * place.reshape(along) * shifts[:, axis, None, None]
    return inverse_fourier(fourier(images, PLANE) * torch.polar(torch.ones_like(phases), phases), PLANE)


def _edges(images: Tensor) -> Tensor:
    down = images - images.roll(1, dims=-2)
    right = images - images.roll(1, dims=-1)
    return (down.square() + right.square()).sqrt()


def _peak(alike: Tensor) -> Tensor:
    """Place the largest value of a map `(x y)` whose corner is no shift. Shape `(2,)`."""
    n_x, n_y = alike.shape
    x, y = divmod(int(alike.argmax()), n_y)
    return torch.stack([_between(alike[:, y], x, n_x), _between(alike[x], y, n_y)])


def _between(values: Tensor, at: int, n: int) -> Tensor:
    before, here, after = values[at - 1], values[at], values[(at + 1) % n]
    bend = (before - 2 * here + after).clamp_max(-_TINY)
    place = at + ((before - after) / (2 * bend)).clamp(-0.5, 0.5)
    return place - n if at > n // 2 else place
