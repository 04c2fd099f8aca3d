"""Ways to make a scan of every line harder, each by one number: what the robustness lab turns up step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from gateway.evaluation.compare import USUAL_CALIBRATION, Masking, Scan, leave_out
from gateway.model.readout import NOT_IMAGING, Readouts
from gateway.model.training import Pattern
from gateway.recon.lines import find_lines

USUAL_STEP = 4
"""One line in so many is kept where nothing else is said; of slabs one point in so many of lines and partitions."""
OUTER = 0.1
"""Distance from the centre of k-space from which on lines are not of the calibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """One way.

    Parameters
    ----------
    steps
        What is tried, the usual first.
    apply
        Gets a scan of every line, and one of the steps.
    """

    sentence: str
    unit: str
    steps: tuple[float, ...]
    apply: Callable[[Scan, float], Scan]
    whole: Callable[[Scan, float], Scan] | None = None
    """Gives the scan of every line that the image is held against, where it is another one than the scan itself."""


def thinned(scan: Scan, *, step: int = USUAL_STEP, n_calibration: int = USUAL_CALIBRATION, offset: int = 0) -> Scan:
    """Leave lines out as a scanner does, of slabs in both directions.

    Raises
    ------
    BadScan
        The scan is not one of every line.
    """
    pattern = Pattern.EQUISPACED
    return leave_out(scan, Masking(pattern=pattern, acceleration=step, n_calibration=n_calibration, offset=offset))


def one_slice(scan: Scan) -> Scan:
    """Keep the slice, or the slab, in the middle."""
    slices = np.unique(
        np.concatenate([run.heads["idx"]["slice"][~run.flagged(NOT_IMAGING)] for run in scan.acquisition])
    )
    if len(slices) < 2:  # noqa: PLR2004 - nothing to choose from
        return scan
    middle = slices[len(slices) // 2]
    kept = [run.select(run.flagged(NOT_IMAGING) | (run.heads["idx"]["slice"] == middle)) for run in scan.acquisition]
    return replace(scan, acquisition=[run for run in kept if len(run)])


def _changed(scan: Scan, change: Callable[[Readouts], Readouts]) -> Scan:
    return replace(scan, acquisition=[change(run) for run in scan.acquisition])


def _noisier(scan: Scan, times: float) -> Scan:
    """Add noise to the lines; its level is that of the outermost ones, where little else is."""
    if times <= 1:
        return scan
    random = np.random.default_rng(0)
    edges = np.concatenate([np.abs(run.samples[:, :, :8]).ravel() for run in scan.acquisition])
    level = float(np.median(edges)) / np.sqrt(2 * np.log(2)) * np.sqrt(times**2 - 1)

    def noisy(run: Readouts) -> Readouts:
        more = random.standard_normal((*run.samples.shape, 2)).view(np.complex128)[..., 0] * level
        return replace(run, samples=(run.samples + more).astype(np.complex64))

    return _changed(scan, noisy)


def _moved(scan: Scan, pixels: float) -> Scan:
    """Move the patient along the lines when half of the outer ones are measured, of slabs with all their partitions."""
    counter = find_lines(scan.acquisition, scan.header).phase_encodes

    def moved(run: Readouts) -> Readouts:
        line = run.heads["idx"]["kspace_encode_step_1"].astype(np.int64) + counter.shift
        at = (line - counter.n // 2) / (counter.n / 2)
        late = ~run.flagged(NOT_IMAGING) & (at > OUTER)
        turn = np.where(late, np.exp(-1j * np.pi * pixels * at), 1)
        return replace(run, samples=(run.samples * turn[:, None, None]).astype(np.complex64))

    return _changed(scan, moved)


def _fewer_coils(scan: Scan, part: float) -> Scan:
    """Keep some of the coils, as with another coil array."""

    def fewer(run: Readouts) -> Readouts:
        n = max(1, round(run.samples.shape[1] * part))
        some = np.unique(np.linspace(0, run.samples.shape[1] - 1, n).round().astype(int))
        heads = run.heads.copy()
        heads["active_channels"], heads["available_channels"] = len(some), len(some)
        return replace(run, heads=heads, samples=np.ascontiguousarray(run.samples[:, some]))

    left = _changed(scan, fewer)
    system = replace(scan.header.system, receiver_channels=left.acquisition[0].samples.shape[1])
    return replace(left, header=replace(scan.header, system=system))


def _rescaled(scan: Scan, exponent: float) -> Scan:
    """Write the same scan as another exporter would: other units, coils the other way round."""
    if not exponent:
        return scan
    return _changed(
        scan,
        lambda run: replace(
            run, samples=np.ascontiguousarray(run.samples[:, ::-1] * 10.0**exponent).astype(np.complex64)
        ),
    )


STRESSES: Mapping[str, Stress] = MappingProxyType(
    {
        "acceleration": Stress(
            sentence="More and fewer lines than usual.",
            unit="every so-many-th line",
            steps=(4, 2, 3, 5, 6, 8),
            apply=lambda scan, step: thinned(scan, step=int(step)),
        ),
        "shifted mask": Stress(
            sentence="The same pattern of lines, begun elsewhere.",
            unit="lines",
            steps=(0, 1, 2, 3),
            apply=lambda scan, offset: thinned(scan, offset=int(offset)),
        ),
        "calibration": Stress(
            sentence="Fewer and more lines around the centre.",
            unit="lines",
            steps=(24, 12, 16, 32),
            apply=lambda scan, n: thinned(scan, n_calibration=int(n)),
        ),
        "noise": Stress(
            sentence="More noise than the scan has.",
            unit="times",
            steps=(1, 2, 4, 8),
            apply=lambda scan, times: thinned(_noisier(scan, times)),
        ),
        "motion": Stress(
            sentence="The patient moves along the lines after half of the outer ones.",
            unit="pixels",
            steps=(0, 0.5, 1, 2, 4),
            apply=lambda scan, pixels: thinned(_moved(scan, pixels)),
        ),
        "coils": Stress(
            sentence="Another coil array: a part of the coils.",
            unit="of all",
            steps=(1, 0.75, 0.5),
            apply=lambda scan, part: thinned(_fewer_coils(scan, part)),
            whole=_fewer_coils,
        ),
        "exporter": Stress(
            sentence="The same scan in other units and with its coils in another order; the image may not change.",
            unit="powers of ten",
            steps=(0, -8, 8),
            apply=lambda scan, exponent: thinned(_rescaled(scan, exponent)),
        ),
    }
)
"""By name."""
