"""How public collections lay out measured k-space in files; one table row each.

fastMRI: arXiv:1811.08839. M4Raw: doi:10.1038/s41597-023-02181-4 (fastMRI's layout, one file for each repetition).
SKM-TEA: arXiv:2203.06823. CMRxRecon: doi:10.1038/s41597-024-03525-4 (MATLAB 7.3, which is HDF5 with the axes reversed).
Calgary-Campinas: doi:10.1016/j.neuroimage.2017.08.021 and doi:10.3389/fnins.2022.919186.

All of them fill k-space up with zeros to the matrix of the image: lines of zeros beyond the outermost measured ones
were never wanted, and are not missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from gateway.training.simulation import FullSlice, beyond

READOUT, LINES, PLANE = (-1,), (-2,), (-2, -1)
UNDERSAMPLED = (*(f"kspace_{of}sub{n}" for of in ("", "single_") for n in ("04", "08", "10")), "kus")
"""What CMRxRecon calls k-space of which lines are missing: of 2023, and since."""
OUTERMOST = 2
"""Lines on each side of k-space that are mostly noise."""


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
        Counts the slices of k-space.
    read
        Gives one slice.
    """

    suffixes: tuple[str, ...]
    keys: tuple[str, ...]
    kind: str
    n_axes: tuple[int, ...]
    slices: Callable[[Any], int]
    read: Callable[[Any, int], FullSlice]

    def count(self, file: Path) -> int:
        """Count the slices of a file.

        Raises
        ------
        UnreadableFile
            It is not in this layout.
        """
        with self._opened(file) as kspace:
            return self.slices(kspace)

    def slice_of(self, file: Path, number: int) -> FullSlice:
        """Read one slice.

        Raises
        ------
        UnreadableFile
            It is not in this layout, or damaged.
        BadScan
            The slice is empty.
        """
        with self._opened(file) as kspace:
            try:
                return replace(self.read(kspace, number), origin=f"{file.name}, slice {number}")
            except BadScan as fault:
                raise BadScan(f"{file.name}, slice {number}: {fault}") from fault
            except OSError as error:
                raise UnreadableFile(file, f"its slice {number} is damaged") from error

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


def _of_readouts(lines: Tensor, n_shown: int, filled: Tensor) -> FullSlice:
    """Transform readouts `(coil y kx)` and cut their oversampling."""
    return _full(resize(inverse_fourier(lines, READOUT), -1, n_shown), lines, filled)


def _measured(lines: Tensor) -> Tensor:
    """Say which points of `(coil y x)` were measured. Shape `(y x)`."""
    return (lines != 0).any(dim=0)


def _full(samples: Tensor, lines: Tensor, filled: Tensor, points: Tensor | None = None) -> FullSlice:
    """Collect a slice; the outermost lines that were measured are mostly noise."""
    if not filled.any():
        raise BadScan("it has no samples but zeros")
    if not lines.isfinite().all():
        raise BadScan("it has samples that are not finite")
    measured = lines[:, filled]
    edges = torch.cat([measured[:, :OUTERMOST], measured[:, -OUTERMOST:]], dim=1)
    return FullSlice(
        data=samples,
        clean=samples,
        filled=filled[:, None],
        corners=beyond(filled[:, None]),
        points=points,
        noise_power=estimate_noise(edges[edges != 0]) ** 2,
    )


def _fastmri(kspace: h5py.Dataset, number: int) -> FullSlice:
    """`(slice coil readout line)`, or without coils; a mask says what was measured, and the image how much is shown."""
    file = kspace.parent
    lines = _coils_first(kspace[number]).transpose(-2, -1).contiguous()
    shown = file["reconstruction_rss"].shape[-2] if "reconstruction_rss" in file else lines.shape[-1]
    filled = _measured(lines).any(dim=1)
    if "mask" in file:
        filled &= torch.from_numpy(np.asarray(file["mask"], bool))
    return _of_readouts(lines, shown, filled)


def _skm_tea(kspace: h5py.Dataset, number: int) -> FullSlice:
    """`(x ky kz echo coil)`, x transformed already: a slice for each x and echo, its partitions for readouts.

    Samples lie within an ellipse, and the matrix of the image is larger than it.
    """
    x, echo = divmod(number, kspace.shape[3])
    lines = _coils_first(np.moveaxis(kspace[x, :, :, echo], -1, 0))
    points = _measured(lines)
    return _full(inverse_fourier(lines, READOUT), lines, points.any(dim=1), points)


def _cmrxrecon(kspace: h5py.Dataset, number: int) -> FullSlice:
    """`(frame slice coil ky kx)`; numbers are pairs named real and imag.

    One coil has no axis of coils and a name of its own (2023); MATLAB leaves out frames, and then slices, that are one
    (black blood, T1w and T2w of 2024 and 2025).
    """
    pairs = kspace[np.unravel_index(number, _frames_and_slices(kspace))]
    lines = _coils_first(pairs["real"] + 1j * pairs["imag"])
    return _of_readouts(lines, lines.shape[-1], _measured(lines).any(dim=1))


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
    image, points = torch.fft.ifft2(cornered, norm="ortho"), _measured(centred)
    return _full(fourier(image, LINES), centred, points.any(dim=1), points)


def _frames_and_slices(kspace: h5py.Dataset) -> tuple[int, ...]:
    """Count what lies before coils and samples."""
    counts: tuple[int, ...] = kspace.shape[: -2 if "single" in str(kspace.name) else -3]
    return counts


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "fastmri": Layout(
            suffixes=(".h5",), keys=("kspace",), kind="complex", n_axes=(3, 4), slices=len, read=_fastmri
        ),
        "m4raw": Layout(suffixes=(".h5",), keys=("kspace",), kind="complex", n_axes=(4,), slices=len, read=_fastmri),
        "skm-tea": Layout(
            suffixes=(".h5",),
            keys=("kspace",),
            kind="complex",
            n_axes=(5,),
            slices=lambda kspace: kspace.shape[0] * kspace.shape[3],
            read=_skm_tea,
        ),
        "cmrxrecon": Layout(
            suffixes=(".mat",),
            keys=("kspace_full", "kspace_single_full", "kspace", *UNDERSAMPLED),
            kind="MATLAB's complex",
            n_axes=(3, 4, 5),
            slices=lambda kspace: math.prod(_frames_and_slices(kspace)),
            read=_cmrxrecon,
        ),
        "calgary-campinas": Layout(
            suffixes=(".h5", ".npy"),
            keys=("kspace",),
            kind="pairs",
            n_axes=(4,),
            slices=len,
            read=_calgary_campinas,
        ),
    }
)
"""By the name in the configuration."""
