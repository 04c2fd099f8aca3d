"""What each check means, and from where on its value is doubtful or bad (found in docs/quality-gate.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.model.gate import Check
from gateway.model.policy import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A check in words, and its limits where a policy has none of its own."""

    sentence: str
    warning: str
    """What the reader of the series is told where it fails."""
    limits: Limits


def _limits(warn_above: float, fail_above: float) -> Limits:
    return Limits(warn_above=warn_above, fail_above=fail_above)


MEANINGS: Mapping[Check, Meaning] = MappingProxyType(
    {
        Check.CONSISTENCY: Meaning(
            sentence="By how many standard deviations of the noise the image contradicts the data where it does most.",
            warning="The image contradicts the measured data in a place.",
            limits=_limits(11.0, 18.0),
        ),
        Check.STRUCTURE: Meaning(
            sentence="How far the worst place is from the data, in what noise and the rest of the patient make likely.",
            warning="Something in one place of the image is not in the data, or the reverse.",
            limits=_limits(5.5, 7.0),
        ),
        Check.DETAIL: Meaning(
            sentence="How much more detail was measured than the image has, where it lacks most; 1 is none.",
            warning="The image is smoother than what was measured.",
            limits=_limits(1.2, 1.4),
        ),
        Check.LINES: Meaning(
            sentence="How much further than noise and most other lines the worst line of k-space is from the image.",
            warning="A line of k-space contradicts the image: motion, a spike or lost data.",
            limits=_limits(1.6, 2.0),
        ),
        Check.COILS: Meaning(
            sentence="By how many standard deviations a coil's share of the signal changes, or all coils drift.",
            warning="What one coil measured contradicts the image: it may have failed or drifted during the scan.",
            limits=_limits(5.0, 8.0),
        ),
        Check.HALVES: Meaning(
            sentence="How large the detail that one half of k-space contradicts is beside all detail; 0 is none.",
            warning="The halves of k-space contradict each other: the patient may have moved.",
            limits=_limits(0.7, 0.9),
        ),
        Check.SAMPLING: Meaning(
            sentence="How many times fewer lines were measured than the header of the scan says; 1 is as many.",
            warning="Lines are missing from the scan.",
            limits=_limits(1.2, 1.5),
        ),
        Check.CLIPPING: Meaning(
            sentence="How many samples lie exactly at the largest value of one coil, over how many at the next ones.",
            warning="A receiver overflowed: samples were cut off at its largest value.",
            limits=_limits(4.0, 12.0),
        ),
        Check.TOGETHER: Meaning(
            sentence="How far what six checks leave in doubt lies, added up, above clean images of heads.",
            warning="Several checks together find the image unlike clean ones.",
            limits=_limits(3.5, 5.5),
        ),
        Check.HELD_OUT: Meaning(
            sentence="How much further lines that the method did not get are from its prediction than is usual.",
            warning="Data that were kept from the method are not what its image predicts.",
            limits=_limits(1.25, 2.0),
        ),
        Check.AGREEMENT: Meaning(
            sentence="By how many standard deviations of its noise the conventional image differs where it does most.",
            warning="The image differs from the conventional one by more than noise.",
            limits=_limits(6.6, 9.0),
        ),
        Check.RESPONSE: Meaning(
            sentence="How wrongly details put into k-space come out, of five times the noise; 0 is right, 1 is lost.",
            warning="Small details may be lost or invented.",
            limits=_limits(0.4, 0.7),
        ),
        Check.UNCERTAINTY: Meaning(
            sentence="Half of the patient is more uncertain than this part of its brightness.",
            warning="Large parts of the image are uncertain.",
            limits=_limits(0.25, 0.5),
        ),
        Check.RANGE: Meaning(
            sentence="How far the scan's noise, contrast and size lie outside what the model saw; up to 1 is within.",
            warning="The scan is not like those that the model learned from.",
            limits=_limits(1.0, 1.5),
        ),
        Check.ORIENTATION: Meaning(
            sentence="How much better the image fits the conventional one when it is mirrored; below 1 it does not.",
            warning="The image may be mirrored or turned.",
            limits=_limits(1.0, 1.02),
        ),
        Check.GHOSTING: Meaning(
            sentence="How bright copies of the patient are in the air half a field of view away.",
            warning="There are copies of the patient in the air.",
            limits=_limits(0.05, 0.10),
        ),
    }
)
"""Every check."""
