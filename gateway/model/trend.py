"""What is followed over time: the value of a check, or what a phantom measures, of one scanner, protocol and method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.model.control_chart import Tolerance
from gateway.model.gate import Check


class Phantom(StrEnum):
    """Objects that are scanned to see whether a scanner is well; rules call them by these values."""

    ACR = "acr"
    """The large phantom of the ACR: 190 mm across, 148 mm long."""
    UNIFORM = "uniform"
    """Any round object that is the same throughout."""


class Measure(StrEnum):
    """What is measured of a phantom."""

    SNR = "snr"
    UNIFORMITY = "uniformity"
    GHOSTING = "ghosting-ratio"
    WIDTH = "width"
    HEIGHT = "height"
    ROUNDNESS = "roundness"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One thing that is followed.

    Parameters
    ----------
    least
        The smallest change that means anything, as a standard deviation.
    tolerances
        What standards allow, by phantom.
    """

    sentence: str
    unit: str = ""
    least: float
    tolerances: Mapping[Phantom, Tolerance] = field(default_factory=dict)


ACR_DIAMETER = MappingProxyType({Phantom.ACR: Tolerance(low=188.0, high=192.0)})

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        Measure.SNR.value: Quantity(
            sentence="Signal in the middle of the phantom over the noise (NEMA MS 1).", least=0.5
        ),
        Measure.UNIFORMITY.value: Quantity(
            sentence="Percent integral uniformity (NEMA MS 3, ACR): 100 is the same everywhere.",
            unit="%",
            least=0.3,
            tolerances=MappingProxyType({Phantom.ACR: Tolerance(low=82.0)}),
        ),
        Measure.GHOSTING.value: Quantity(
            sentence="How much brighter the air is along phase encoding than across, over the phantom (ACR).",
            least=0.001,
            tolerances=MappingProxyType({Phantom.ACR: Tolerance(high=0.025)}),
        ),
        Measure.WIDTH.value: Quantity(
            sentence="Length of the phantom along the readout (ACR).", unit="mm", least=0.1, tolerances=ACR_DIAMETER
        ),
        Measure.HEIGHT.value: Quantity(
            sentence="Length of the phantom along phase encoding (ACR).",
            unit="mm",
            least=0.1,
            tolerances=ACR_DIAMETER,
        ),
        Measure.ROUNDNESS.value: Quantity(
            sentence="Largest less smallest of its lengths in four directions.", unit="mm", least=0.1
        ),
        Measure.INTERVAL.value: Quantity(sentence="Time since the scan before.", unit="days", least=1.0),
        **{
            check.value: Quantity(sentence=f"Check {check} of the quality gate.", least=least)
            for check, least in {
                Check.CONSISTENCY: 0.1,
                Check.STRUCTURE: 0.05,
                Check.DETAIL: 0.01,
                Check.LINES: 0.02,
                Check.COILS: 0.05,
                Check.HALVES: 0.02,
                Check.SAMPLING: 0.02,
                Check.CLIPPING: 0.5,
                Check.TOGETHER: 0.1,
                Check.HELD_OUT: 0.02,
                Check.AGREEMENT: 0.1,
                Check.RESPONSE: 0.02,
                Check.UNCERTAINTY: 0.005,
                Check.RANGE: 0.02,
                Check.ORIENTATION: 0.005,
                Check.GHOSTING: 0.002,
            }.items()
        },
    }
)
"""Everything that is followed, by the name of its chart. The ACR's criteria are those of its Large and Medium Phantom
Test Guidance (2022): uniformity 87.5 % below 3 T and 82 % from there on, of which the milder one is held here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Whose values belong into the same charts.

    Parameters
    ----------
    protocol
        What the scanner calls it; of phantoms, the rule that took them.
    subject
        A model with its version, or a phantom.
    phantom
        None where a patient was scanned.
    """

    scanner: str
    protocol: str
    subject: str
    phantom: Phantom | None = None

    @classmethod
    def of_phantom(cls, phantom: Phantom, *, scanner: str, rule: str) -> Trend:
        """Name the charts of a phantom."""
        return cls(scanner=scanner, protocol=rule, subject=f"phantom {phantom}", phantom=phantom)

    def tolerance(self, quantity: str) -> Tolerance:
        """Look up what a standard allows."""
        known = QUANTITIES[quantity].tolerances
        return known.get(self.phantom, Tolerance()) if self.phantom else Tolerance()
