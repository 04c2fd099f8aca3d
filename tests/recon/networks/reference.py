"""fastMRI's networks derived anew from their papers, as plain functions of a table of weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]


def unet(weights: Weights, image: Tensor, prefix: str = "") -> Tensor:
    """Shape `(batch channel y x)`; every second line is a skip that is taken up again on the way back."""
    levels = sorted({int(n.split(".")[1]) for n in _below(weights, prefix) if n.startswith("down_sample_layers")})
    skips = []
    for level in levels:
        image = _twice(weights, f"{prefix}down_sample_layers.{level}.layers", image)
        skips.append(image)
        image = (image[..., ::2, :][..., : image.shape[-2] // 2, :] + image[..., 1::2, :])[..., :] / 2
        image = (image[..., ::2][..., : image.shape[-1] // 2] + image[..., 1::2]) / 2
    image = _twice(weights, f"{prefix}conv.layers", image)
    for level in levels:
        kernel = weights[f"{prefix}up_transpose_conv.{level}.layers.0.weight"]
        grown = torch.einsum("bcyx,cdij->bdyixj", image, kernel).flatten(2, 3).flatten(3, 4)
        image, skip = _settled(grown), skips.pop()
        if image.shape[-2] < skip.shape[-2]:
            image = torch.cat([image, image[..., -2:-1, :]], dim=-2)
        if image.shape[-1] < skip.shape[-1]:
            image = torch.cat([image, image[..., -2:-1]], dim=-1)
        last = ".0" if level == levels[-1] else ""
        image = _twice(weights, f"{prefix}up_conv.{level}{last}.layers", torch.cat([image, skip], dim=1))
    mix, bias = (weights[f"{prefix}up_conv.{levels[-1]}.1.{name}"] for name in ("weight", "bias"))
    return torch.einsum("bcyx,dc->bdyx", image, mix[..., 0, 0]) + bias[:, None, None]


def varnet(weights: Weights, kspace: npt.NDArray[np.complex64], measured: npt.NDArray[np.bool_], n: int) -> Tensor:
    """K-space `(coil y x)`, lines left out along x, ``n`` of them around the centre; gives the magnitude `(y x)`."""
    first = (kspace.shape[-1] - n + 1) // 2
    centre = np.zeros_like(kspace)
    centre[..., first : first + n] = kspace[..., first : first + n]
    maps = np.stack([_norm_unet(weights, coil, "sens_net.norm_unet.unet.") for coil in _image(centre)])
    maps /= np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    current = kspace
    for step in sorted({int(name.split(".")[1]) for name in weights if name.startswith("cascades.")}):
        combined = (_image(current) * maps.conj()).sum(axis=0)
        correction = _kspace(maps * _norm_unet(weights, combined, f"cascades.{step}.model.unet."))
        pull = float(weights[f"cascades.{step}.dc_weight"]) * np.where(measured, current - kspace, 0)
        current = current - pull - correction
    return torch.from_numpy(np.sqrt((np.abs(_image(current)) ** 2).sum(axis=0)))


def _norm_unet(weights: Weights, image: npt.NDArray[np.complex64], prefix: str) -> npt.NDArray[np.complex64]:
    parts = np.stack([image.real, image.imag])
    mean, deviation = parts.mean(axis=(1, 2), keepdims=True), parts.std(axis=(1, 2), keepdims=True, ddof=1)
    margins = [(lacks // 2, lacks - lacks // 2) for lacks in (-n % 16 for n in image.shape)]
    padded = np.pad((parts - mean) / deviation, [(0, 0), *margins])
    made = unet(weights, torch.from_numpy(padded.astype(np.float32))[None], prefix)[0].numpy()
    (top, _), (left, _) = margins
    real, imaginary = made[:, top : top + image.shape[0], left : left + image.shape[1]] * deviation + mean
    return np.asarray(real + 1j * imaginary, np.complex64)


def _image(kspace: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    axes = (-2, -1)
    return np.asarray(
        np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes), norm="ortho"), axes), dtype=np.complex64
    )


def _kspace(image: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    axes = (-2, -1)
    return np.asarray(
        np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes), norm="ortho"), axes), dtype=np.complex64
    )


def _below(weights: Weights, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in weights if name.startswith(prefix)]


def _twice(weights: Weights, name: str, image: Tensor) -> Tensor:
    for place in (0, 4):
        image = _settled(functional.conv2d(image, weights[f"{name}.{place}.weight"], padding=1))
    return image


def _settled(image: Tensor) -> Tensor:
    mean = image.mean(dim=(2, 3), keepdim=True)
    power = (image - mean).square().mean(dim=(2, 3), keepdim=True)
    normal = (image - mean) / (power + 1e-5).sqrt()
    return torch.maximum(normal, 0.2 * normal)
