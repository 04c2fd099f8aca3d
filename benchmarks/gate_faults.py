"""Known faults, planted into scans and into images, for measuring the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.header import ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Readouts
from gateway.recon.lines import find_lines

Random = np.random.Generator
Samples = npt.NDArray[Any]
"""Complex. Shape `(line coil x)`."""
ByLine = Callable[[Samples, npt.NDArray[np.float64], Random], Samples]
"""Gets samples `(line coil x)`, the distance of each line from the centre (-1 to 1), and a generator."""
OUTER = 0.1
"""Distance from the centre of k-space, which ends at 1, from which on a line lies beyond the calibration."""


def _motion(samples: Samples, at: npt.NDArray[np.float64], _random: Random) -> Samples:
    """Move the patient by two pixels along y when the second half of the outer lines is measured."""
    turn = np.exp(-2j * np.pi * 2.0 * at / 2)
    return np.asarray(np.where((at > OUTER)[:, None, None], samples * turn[:, None, None], samples))


def _ghosts(samples: Samples, _at: npt.NDArray[np.float64], _random: Random) -> Samples:
    """Turn every second line by half a radian."""
    turn = np.exp(0.5j * (np.arange(len(samples)) % 2))
    return np.asarray(samples * turn[:, None, None])


def _spikes(samples: Samples, _at: npt.NDArray[np.float64], random: Random) -> Samples:
    made = samples.copy()
    for _ in range(3):
        line, x = random.integers(len(made)), random.integers(made.shape[2])
        made[line, :, x] += np.abs(samples).max() * 0.3 * np.exp(2j * np.pi * random.random())
    return made


def _dead_coil(samples: Samples, at: npt.NDArray[np.float64], _random: Random) -> Samples:
    """Lose the strongest coil after the calibration was measured."""
    made = samples.copy()
    strongest = int(np.abs(samples).sum(axis=(0, 2)).argmax())
    made[np.abs(at) > OUTER, strongest] = 0
    return made


def _lost_lines(samples: Samples, at: npt.NDArray[np.float64], random: Random) -> Samples:
    made = samples.copy()
    outer = np.flatnonzero(np.abs(at) > 1.5 * OUTER)
    made[random.choice(outer, min(3, len(outer)), replace=False)] = 0
    return made


def _noise(samples: Samples, _at: npt.NDArray[np.float64], random: Random) -> Samples:
    """Add four times the noise of the outermost lines."""
    level = 4 * np.median(np.abs(samples[:2])) / np.sqrt(2 * np.log(2))
    more = random.standard_normal((*samples.shape, 2)).view(np.complex128)[..., 0] * level
    return np.asarray(samples + more)


def _coil_order(samples: Samples, at: npt.NDArray[np.float64], _random: Random) -> Samples:
    made = samples.copy()
    outer = np.abs(at) > OUTER
    made[outer] = np.roll(samples[outer], 1, axis=1)
    return made


def _drifting(samples: Samples, at: npt.NDArray[np.float64], random: Random) -> Samples:
    """Let each coil's phase and gain drift as the lines are measured."""
    rate = random.standard_normal((1, samples.shape[1], 1)) * 0.6 * (1 + 0.3j)
    return np.asarray(samples * np.exp(1j * rate * np.abs(at)[:, None, None]))


def _wrong_mask(samples: Samples, at: npt.NDArray[np.float64], _random: Random) -> Samples:
    """Label the lines of one side with the neighbours' numbers."""
    made = samples.copy()
    side = np.flatnonzero(at > OUTER)
    made[side[:-1]] = samples[side[1:]]
    return made


def _clipped(samples: Samples, _at: npt.NDArray[np.float64], _random: Random) -> Samples:
    """Let the receiver overflow at a tenth of the largest sample."""
    most = 0.1 * np.abs(samples).max()
    return np.asarray(samples.real.clip(-most, most) + 1j * samples.imag.clip(-most, most))


IN_DATA: Mapping[str, ByLine] = {
    "motion": _motion,
    "line-phase ghosts": _ghosts,
    "spikes": _spikes,
    "dead coil": _dead_coil,
    "lost lines": _lost_lines,
    "more noise": _noise,
    "wrong coil order": _coil_order,
    "drifting maps": _drifting,
    "wrong mask": _wrong_mask,
    "clipped samples": _clipped,
}
"""What happens to the measured lines, the calibration aside unless it says otherwise."""


def planted(acquisition: Acquisition, header: ScanHeader, name: str, random: Random) -> Acquisition:
    """Plant a fault into the imaging lines of a scan."""
    counter = find_lines(acquisition, header).phase_encodes
    return [_run(run, counter.shift, counter.n, name, random) for run in acquisition]


def _run(run: Readouts, shift: int, n: int, name: str, random: Random) -> Readouts:
    imaging = np.flatnonzero(~run.flagged(NOT_IMAGING))
    lines = run.heads["idx"]["kspace_encode_step_1"][imaging].astype(np.int64) + shift
    order = imaging[np.argsort(lines, kind="stable")]
    at = (np.sort(lines) - n // 2) / (n / 2)
    samples: Any = run.samples.copy()
    samples[order] = IN_DATA[name](samples[order], at, random).astype(np.complex64)
    return replace(run, samples=samples)


def lesion(shape: tuple[int, int], at: tuple[int, int], width_px: float) -> npt.NDArray[np.float64]:
    """Draw a round structure of height 1. Shape `(y x)`."""
    y, x = (np.arange(n) - place for n, place in zip(shape, at, strict=True))
    return np.asarray(np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * width_px**2)))


def softened(image: npt.NDArray[Any], width_px: float) -> npt.NDArray[np.float64]:
    """Smooth an image by a Gaussian."""
    ky, kx = (np.fft.fftfreq(n) for n in image.shape)
    transfer = np.exp(-2 * np.pi**2 * width_px**2 * (ky[:, None] ** 2 + kx[None, :] ** 2))
    return np.asarray(np.abs(np.fft.ifft2(np.fft.fft2(image) * transfer)))


def stretched(image: npt.NDArray[Any], by: float) -> npt.NDArray[np.float64]:
    """Show an image as if its field of view were another: larger about its middle, along both axes."""
    found = image.astype(np.float64)
    for axis in (0, 1):
        n = found.shape[axis]
        at = (np.arange(n) - n // 2) / by + n // 2
        low = np.clip(at.astype(int), 0, n - 2)
        part = (at - low).reshape([-1 if one == axis else 1 for one in (0, 1)])
        found = np.take(found, low, axis) * (1 - part) + np.take(found, low + 1, axis) * part
    return found


def mixed(image: npt.NDArray[Any], part: float) -> npt.NDArray[np.float64]:
    """Lay the anatomy of somebody else over an image: here the same head, turned by a half."""
    return np.asarray((1 - part) * image + part * image[::-1, ::-1])
