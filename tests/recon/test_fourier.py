"""The transform against its own definition, summed term by term."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.zyx import Zyx
from gateway.recon.fourier import fourier, inverse_fourier, resize, to_image


def _dft(n: int, *, inverse: bool) -> npt.NDArray[np.complex128]:
    """Give the matrix of the sum in the module's docstring; index ``n // 2`` is zero on both sides."""
    centred = np.arange(n) - n // 2
    sign = 1 if inverse else -1
    matrix: npt.NDArray[np.complex128] = np.exp(sign * 2j * np.pi * np.outer(centred, centred) / n) / np.sqrt(n)
    return matrix


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("n", [1, 2, 3, 6, 8, 15, 16, 31, 63])
def test_transforms_are_the_sums_they_stand_for(n: int) -> None:
    values = _noise(3, n, 2)
    for transform, inverse in ((fourier, False), (inverse_fourier, True)):
        expected = np.einsum("jk,akb->ajb", _dft(n, inverse=inverse), values.numpy())
        np.testing.assert_allclose(transform(values, (1,)).numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("shape", [(4, 6), (5, 6), (7, 9)])
def test_axes_together_are_axes_one_by_one(shape: tuple[int, int]) -> None:
    values = _noise(*shape)
    torch.testing.assert_close(inverse_fourier(values, (0, 1)), inverse_fourier(inverse_fourier(values, (0,)), (1,)))


@pytest.mark.parametrize("n", [8, 9])
def test_the_inverse_is_the_adjoint(n: int) -> None:
    u, v = _noise(n, n), _noise(n, n).flip(0)
    left = torch.vdot(fourier(u, (0, 1)).flatten(), v.flatten())
    right = torch.vdot(u.flatten(), inverse_fourier(v, (0, 1)).flatten())
    torch.testing.assert_close(left, right)
    torch.testing.assert_close(inverse_fourier(fourier(u, (0, 1)), (0, 1)), u)


@pytest.mark.parametrize(("old", "new"), [(8, 4), (8, 5), (9, 4), (9, 5), (4, 8), (5, 8), (4, 9), (5, 9), (6, 6)])
def test_resizing_keeps_the_centre_at_the_centre(old: int, new: int) -> None:
    values = torch.zeros(old)
    values[old // 2] = 1
    assert resize(values, 0, new).nonzero().item() == new // 2
    assert resize(values, 0, new).sum() == 1


def test_an_interpolated_image_passes_through_the_pixels_of_the_coarse_one() -> None:
    kspace = _noise(1, 8, 8)
    coarse = to_image(kspace, grid=Zyx(z=1, y=8, x=8), matrix=Zyx(z=1, y=8, x=8))
    fine = to_image(kspace, grid=Zyx(z=1, y=16, x=16), matrix=Zyx(z=1, y=16, x=16))
    torch.testing.assert_close(fine[:, ::2, ::2] * 2, coarse)


def test_what_is_transformed_stays_as_it_was_however_it_lies_in_memory() -> None:
    laid = _noise(4, 6, 8)
    for values in (laid, laid.permute(2, 0, 1), laid[:, ::2], laid.mT.conj(), laid[:1, :1, :1]):
        before = values.resolve_conj().clone()
        made = fourier(values, (-2, -1))
        torch.testing.assert_close(made, fourier(before.contiguous(), (-2, -1)))
        made.zero_()
        torch.testing.assert_close(values.resolve_conj(), before)
