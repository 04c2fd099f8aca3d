"""How public collections lay out measured k-space in files; one table row each.

fastMRI: arXiv:1811.08839. M4Raw: doi:10.1038/s41597-023-02181-4 (fastMRI's layout, one file for each repetition).
SKM-TEA: arXiv:2203.06823. CMRxRecon: doi:10.1038/s41597-024-03525-4 (MATLAB 7.3, which is HDF5 with the axes reversed).
Calgary-Campinas: doi:10.1016/j.neuroimage.2017.08.021 and doi:10.3389/fnins.2022.919186.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan, UnreadableFile
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.noise import estimate_noise
from gateway.training.simulation import FullSlice

READOUT, LINES, PLANE = (-1,), (-2,), (-2, -1)
OUTERMOST = [0, 1, -2, -1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a collection keeps k-space.

    Parameters
    ----------
    suffixes
        Of its files.
    keys
        Names that its k-space has, by year and track.
    kind
        Of its numbers: complex, real pairs, or MATLAB's pairs.
    n_axes
        Axes that k-space may have.
    slices
        Counts slices by the shape of k-space.
    read
        Gives one slice.
    """

    suffixes: tuple[str, ...]
    keys: tuple[str, ...]
    kind: str
    n_axes: tuple[int, ...]
    slices: Callable[[Sequence[int]], int]
    read: Callable[[Any, int], FullSlice]

    def count(self, file: Path) -> int:
        """Count the slices of a file.

        Raises
        ------
        UnreadableFile
            It is not in this layout.
        """
        with self._opened(file) as kspace:
            return self.slices(kspace.shape)

    def slice_of(self, file: Path, number: int) -> FullSlice:
        """Read one slice.

        Raises
        ------
        UnreadableFile
            It is not in this layout.
        """
        with self._opened(file) as kspace:
            return self.read(kspace, number)

    @contextmanager
    def _opened(self, file: Path) -> Iterator[Any]:
        if file.suffix == ".npy":
            yield self._checked(file, _array(file))
            return
        try:
            opened = h5py.File(file)
        except OSError as error:
            raise UnreadableFile(file, "is not HDF5") from error
        with opened:
            found = next((opened[key] for key in self.keys if key in opened), None)
            yield self._checked(file, found)

    def _checked(self, file: Path, kspace: Any) -> Any:  # noqa: ANN401 - of h5py or NumPy
        if not isinstance(kspace, h5py.Dataset | np.ndarray):
            raise UnreadableFile(file, f"has no {' or '.join(self.keys)}")
        axes = " or ".join(map(str, self.n_axes))
        if len(kspace.shape) not in self.n_axes or not KINDS[self.kind](kspace.dtype) or 0 in kspace.shape:
            raise UnreadableFile(file, f"its k-space of shape {kspace.shape} is not {self.kind} of {axes} axes")
        return kspace


def _array(file: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise UnreadableFile(file, "is no NumPy file of numbers") from error


KINDS: Mapping[str, Callable[[np.dtype[Any]], bool]] = MappingProxyType(
    {
        "complex": lambda dtype: dtype.kind == "c",
        "pairs": lambda dtype: dtype.kind == "f",
        "MATLAB's complex": lambda dtype: dtype.names == ("real", "imag"),
    }
)


def _coils_first(kspace: npt.NDArray[Any]) -> Tensor:
    """Give a single coil an axis. Shape `(coil ...)`."""
    whole = np.ascontiguousarray(kspace, np.complex64)
    return torch.from_numpy(whole if whole.ndim == 3 else whole[None])  # noqa: PLR2004 - coil, and the plane


def _of_readouts(lines: Tensor, n_shown: int, mask: Tensor | None = None) -> FullSlice:
    """Transform readouts `(coil y kx)` and cut their oversampling."""
    filled = _filled(lines) if mask is None else _filled(lines) & mask
    return _full(resize(inverse_fourier(lines, READOUT), -1, n_shown), filled, lines)


def _filled(lines: Tensor) -> Tensor:
    return (lines != 0).any(dim=2).any(dim=0)


def _full(samples: Tensor, filled: Tensor, lines: Tensor) -> FullSlice:
    """Collect a slice; the outermost lines that were measured are mostly noise."""
    if not filled.any():
        raise BadScan("a slice has no samples but zeros")
    noise = estimate_noise(lines[:, filled][:, OUTERMOST])
    return FullSlice(data=samples, clean=samples, filled=filled[:, None], noise_power=noise**2)


def _fastmri(kspace: h5py.Dataset, number: int) -> FullSlice:
    """`(slice coil readout line)`, or without coils; a mask says what was measured, and the image how much is shown."""
    file = kspace.parent
    lines = _coils_first(kspace[number]).transpose(-2, -1).contiguous()
    shown = file["reconstruction_rss"].shape[-2] if "reconstruction_rss" in file else lines.shape[-1]
    mask = torch.from_numpy(np.asarray(file["mask"], bool)) if "mask" in file else None
    return _of_readouts(lines, shown, mask)


def _skm_tea(kspace: h5py.Dataset, number: int) -> FullSlice:
    """`(x ky kz echo coil)`, x transformed already: a slice for each x and echo, its partitions for readouts."""
    x, echo = divmod(number, kspace.shape[3])
    lines = _coils_first(np.moveaxis(kspace[x, :, :, echo], -1, 0))
    return _of_readouts(lines, lines.shape[-1])


def _cmrxrecon(kspace: h5py.Dataset, number: int) -> FullSlice:
    """`(frame slice coil ky kx)`, or without coils; numbers are pairs named real and imag."""
    frame, slice_ = divmod(number, kspace.shape[1])
    pairs = kspace[frame, slice_]
    lines = _coils_first(pairs["real"] + 1j * pairs["imag"])
    return _of_readouts(lines, lines.shape[-1])


def _calgary_campinas(kspace: Any, number: int) -> FullSlice:  # noqa: ANN401 - of h5py or NumPy
    """`(x ky kz 2*coil)`, real and imaginary parts by turns, x transformed already.

    Images are transforms without shifts, so the image has its centre where it is shown; the centre of k-space lies in
    the middle or in the corner (of single coils' files), and is found where the samples are largest.
    """
    pairs = np.asarray(kspace[number], np.float32)
    lines = _coils_first(np.moveaxis(pairs[..., ::2] + 1j * pairs[..., 1::2], -1, 0))
    power = lines.abs().square().sum(dim=0)
    peak = divmod(int(power.argmax()), power.shape[1])
    in_middle = all(n // 4 <= at < n - n // 4 for at, n in zip(peak, power.shape, strict=True))
    cornered = torch.fft.ifftshift(lines, dim=PLANE) if in_middle else lines
    centred = lines if in_middle else torch.fft.fftshift(lines, dim=PLANE)
    image = torch.fft.ifft2(cornered, norm="ortho")
    return _full(fourier(image, LINES), _filled(centred), centred)


def _frames_and_slices(shape: Sequence[int]) -> int:
    return shape[0] * shape[1]


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "fastmri": Layout(
            suffixes=(".h5",), keys=("kspace",), kind="complex", n_axes=(3, 4), slices=lambda s: s[0], read=_fastmri
        ),
        "m4raw": Layout(
            suffixes=(".h5",), keys=("kspace",), kind="complex", n_axes=(4,), slices=lambda s: s[0], read=_fastmri
        ),
        "skm-tea": Layout(
            suffixes=(".h5",),
            keys=("kspace",),
            kind="complex",
            n_axes=(5,),
            slices=lambda shape: shape[0] * shape[3],
            read=_skm_tea,
        ),
        "cmrxrecon": Layout(
            suffixes=(".mat",),
            keys=("kspace_full", "kspace_single_full", "kspace"),
            kind="MATLAB's complex",
            n_axes=(4, 5),
            slices=_frames_and_slices,
            read=_cmrxrecon,
        ),
        "calgary-campinas": Layout(
            suffixes=(".h5", ".npy"),
            keys=("kspace",),
            kind="pairs",
            n_axes=(4,),
            slices=lambda shape: shape[0],
            read=_calgary_campinas,
        ),
    }
)
"""By the name in the configuration."""
