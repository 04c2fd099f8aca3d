"""Where the samples of an echo-planar readout lie in k-space, by the timing of its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.header import Encoding

Floats: TypeAlias = npt.NDArray[np.float64]

_NAMES = ("rampUpTime", "flatTopTime", "rampDownTime", "acqDelayTime", "dwellTime", "numSamples")
"""What siemens_to_ismrmrd calls the fields of `Trapezoid`, in their order."""


@dataclass(frozen=True, slots=True)
class Trapezoid:
    """One lobe of the readout gradient, and when it is sampled. The delay is from its start to the first sample."""

    ramp_up_us: float
    flat_top_us: float
    ramp_down_us: float
    delay_us: float
    dwell_us: float
    n_samples: int

    @property
    def duration_us(self) -> float:
        """From the start of the lobe to its end."""
        return self.ramp_up_us + self.flat_top_us + self.ramp_down_us

    def positions(self, n: int) -> Floats:
        """Place the samples, in steps of a k-space of ``n`` points that the readout covers; 0 is the lobe's middle.

        A sample is the mean over its dwell time, so it stands at the middle of that.
        """
        edges = self._area(self.delay_us + self.dwell_us * np.array([0.0, self.n_samples]))
        middles = self._area(self.delay_us + self.dwell_us * (np.arange(self.n_samples) + 0.5))
        return np.asarray((middles - self._area(np.array([self.duration_us])) / 2) * n / (edges[1] - edges[0]))

    def _area(self, time_us: npt.NDArray[np.floating]) -> Floats:
        """Integrate a gradient of height 1 up to some times."""
        up = np.clip(time_us, 0, self.ramp_up_us)
        flat = np.clip(time_us - self.ramp_up_us, 0, self.flat_top_us)
        down = np.clip(time_us - self.ramp_up_us - self.flat_top_us, 0, self.ramp_down_us)
        rising = up**2 / (2 * self.ramp_up_us) if self.ramp_up_us else up
        return np.asarray(rising + flat + down - (down**2 / (2 * self.ramp_down_us) if self.ramp_down_us else 0))


def trapezoid_of(encoding: Encoding, *, dwell_us: float) -> Trapezoid | None:
    """Read the timing that the header tells; None where it tells none.

    Parameters
    ----------
    dwell_us
        That of the readouts, for a header without one.

    Raises
    ------
    BadScan
        The samples do not fit into the lobe.
    """
    told = {"dwellTime": dwell_us, "acqDelayTime": -1.0, **encoding.trajectory_parameters}
    if not set(_NAMES) <= set(told):
        return None
    up, flat, down, delay, dwell, n_samples = (told[name] for name in _NAMES)
    read, whole = dwell * n_samples, up + flat + down
    if min(up, flat, down) < 0 or dwell <= 0 or n_samples < 1 or read > whole + dwell:
        raise BadScan(f"{n_samples:g} samples of {dwell:g} us do not fit a gradient of {up:g} + {flat:g} + {down:g} us")
    if not 0 <= delay <= whole - read:
        delay = (whole - read) / 2
    return Trapezoid(up, flat, down, delay, dwell, round(n_samples))
