"""An echo-planar scanner: the head read by a lagging trapezoid, line by line, forth and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition, Flag, Readouts
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, head_phantom, signal_at

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpiScan:
    """How the head is read; the gradient lags behind its sampling, and eddy currents turn backward lines."""

    head: PhantomScan = PhantomScan(n_slices=2, n_coils=4, matrix=Zyx(z=1, y=64, x=64), noise=0.0)  # noqa: RUF009 - frozen
    shots: int = 1
    acceleration: int = 1
    calibration_lines: int = 0
    lag_us: float = 3.0
    eddy_rad: float = 0.6
    off_resonance_hz: float = 0.0
    n_navigators: int = 3
    ramp_us: float = 100.0
    flat_us: float = 180.0
    dwell_us: float = 2.5
    n_samples: int = 128
    explicit: bool = False
    """Send the trajectory with each readout instead of the timing in the header."""

    @property
    def lobe_us(self) -> float:
        """From one echo to the next."""
        return 2 * self.ramp_us + self.flat_us

    @property
    def delay_us(self) -> float:
        """From the start of a lobe to the first sample: the samples stand in its middle."""
        return (self.lobe_us - self.n_samples * self.dwell_us) / 2

    def along_readout(self, *, lag_us: float) -> Floats:
        """Integrate the gradient step by step. In cycles per encoded field of view, of a forward line."""
        fine = np.linspace(0, self.lobe_us, 20_001)
        corners = np.array([0, self.ramp_us, self.ramp_us + self.flat_us, self.lobe_us])
        height = np.interp(fine, corners, [0, 1, 1, 0])
        area = np.concatenate([[0], np.cumsum((height[1:] + height[:-1]) / 2 * np.diff(fine))])
        at = self.delay_us + self.dwell_us * (np.arange(self.n_samples) + 0.5)
        ends = np.interp([self.delay_us, self.delay_us + self.dwell_us * self.n_samples], fine, area)
        return np.asarray(
            (np.interp(at - lag_us, fine, area) - area[-1] / 2) * 2 * self.head.matrix.x / (ends[1] - ends[0])
        )


def epi(scan: EpiScan) -> tuple[Acquisition, ScanHeader]:
    """Scan the head: for every slice and shot the navigators, then the lines."""
    (cartesian,), header = head_phantom(replace(scan.head, noise=0.0))
    templates = cartesian.heads[:: scan.head.matrix.y]
    runs = []
    for number in range(scan.head.n_slices):
        for lines, flag in _trains(scan):
            runs.append(_train(scan, templates[number], lines, flag))
    whole = Readouts(
        np.concatenate([run.heads for run in runs]),
        np.concatenate([run.samples for run in runs]),
        np.concatenate([run.trajectory for run in runs]),
    )
    whole.heads["scan_counter"] = np.arange(len(whole))
    random = np.random.default_rng(1).standard_normal((*whole.samples.shape, 2)) * scan.head.noise
    noisy = (whole.samples + random.view(np.complex128)[..., 0]).astype(np.complex64)
    return (Readouts(whole.heads, noisy, whole.trajectory),), _header(scan, header)


def _trains(scan: EpiScan) -> Iterator[tuple[npt.NDArray[np.intp], int]]:
    """List the lines of each echo train, and how they are flagged."""
    n_y = scan.head.matrix.y
    if scan.calibration_lines:
        first = n_y // 2 - scan.calibration_lines // 2
        yield first + np.arange(scan.calibration_lines), Flag.IS_PARALLEL_CALIBRATION.bit
    measured = np.arange((n_y // 2) % scan.acceleration, n_y, scan.acceleration)
    for shot in range(scan.shots):
        yield measured[shot :: scan.shots], 0


def _train(scan: EpiScan, template: np.void, lines: npt.NDArray[np.intp], flag: int) -> Readouts:
    n_y, fov = scan.head.matrix.y, scan.head.fov_mm
    steps = np.concatenate([np.full(scan.n_navigators, n_y // 2), lines])
    backward = np.arange(len(steps)) % 2 == 1
    backward[scan.n_navigators :] = np.arange(len(lines)) % 2 == 1
    direction = np.where(backward, -1, 1)
    kx = direction[:, None] * scan.along_readout(lag_us=scan.lag_us) / (2 * fov)
    ky = np.broadcast_to((steps - n_y // 2)[:, None] / fov, kx.shape)
    signal = signal_at(scan.head, int(template["idx"]["slice"]), ky, kx) / np.sqrt(2)
    time_us = np.arange(len(steps))[:, None] * scan.lobe_us + scan.delay_us + scan.dwell_us * np.arange(scan.n_samples)
    turn = 2 * np.pi * scan.off_resonance_hz * 1e-6 * time_us + np.where(backward, scan.eddy_rad, 0.0)[:, None]
    heads = np.repeat(template, len(steps))
    heads["idx"]["kspace_encode_step_1"] = steps
    heads["idx"]["segment"] = backward
    heads["flags"] = flag
    heads["flags"][: scan.n_navigators] |= np.uint64(Flag.IS_PHASECORR_DATA.bit)
    heads["flags"][backward] |= np.uint64(Flag.IS_REVERSE.bit)
    heads["number_of_samples"], heads["center_sample"] = scan.n_samples, scan.n_samples // 2
    heads["sample_time_us"] = scan.dwell_us
    samples = (signal * np.exp(1j * turn)).transpose(1, 0, 2).astype(np.complex64)
    if not scan.explicit:
        return Readouts(heads, samples, np.zeros((len(steps), scan.n_samples, 0), np.float32))
    heads["trajectory_dimensions"] = 2
    sent = np.stack([direction[:, None] * scan.along_readout(lag_us=0.0), ky * fov], axis=-1)
    return Readouts(heads, samples, sent.astype(np.float32))


def _header(scan: EpiScan, header: ScanHeader) -> ScanHeader:
    told = {
        "rampUpTime": scan.ramp_us,
        "flatTopTime": scan.flat_us,
        "rampDownTime": scan.ramp_us,
        "acqDelayTime": scan.delay_us,
        "dwellTime": scan.dwell_us,
        "numSamples": float(scan.n_samples),
    }
    encoding = replace(
        header.encodings[0],
        trajectory="epi",
        trajectory_parameters={} if scan.explicit else told,
        acceleration=Zyx(z=1.0, y=float(scan.acceleration), x=1.0),
        calibration_mode="separate" if scan.calibration_lines else None,
    )
    return replace(header, encodings=(encoding,))
