"""What cannot become an image is refused with the facts: never a plausible wrong image, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import Limit, ScanHeader, Space
from gateway.model.readout import Acquisition, Flag, Readouts
from gateway.model.zyx import Zyx
from tests.recon.scans import encoded, fft, flagged, lines_of, relabelled, resampled, small_head, with_lines

Scan = tuple[Acquisition, ScanHeader]
Break = Callable[[Readouts, ScanHeader], Scan]


def _header(**changes: Any) -> Break:  # noqa: ANN401 - fields of Encoding
    return lambda run, header: ((run,), encoded(header, **changes))


def _recon(n: int, fov_mm: float) -> Break:
    return _header(recon=Space(matrix=Zyx(z=1, y=n, x=64), fov_mm=Zyx(z=5.0, y=fov_mm, x=230.0)))


def _encoded(*, y: int = 64, x: int = 128, fov_mm: float = 230.0) -> Break:
    return _header(encoded=Space(matrix=Zyx(z=1, y=y, x=x), fov_mm=Zyx(z=5.0, y=fov_mm, x=460.0)))


def _heads(name: str, value: object) -> Break:
    def change(heads: Any) -> None:  # noqa: ANN401 - numpy's own
        heads[name] = value

    return lambda run, header: ((relabelled(run, change),), header)


def _samples(slice_: int, value: complex) -> Break:
    def scan(run: Readouts, header: ScanHeader) -> Scan:
        samples = run.samples.copy()
        samples[run.heads["idx"]["slice"] == slice_] = value
        return (resampled(run, samples),), header

    return scan


def _once_more(counter: str, keep: Callable[[Readouts], Any] = lambda run: run.heads["flags"] >= 0) -> Break:
    def scan(run: Readouts, header: ScanHeader) -> Scan:
        again = resampled(run, run.samples)
        again.heads["idx"][counter] = 1
        return (run, again.select(keep(run))), header

    return scan


def _lines(keep: Callable[[Any], Any], limit: Limit | None = None) -> Break:
    def scan(run: Readouts, header: ScanHeader) -> Scan:
        kept = (run.select(keep(lines_of(run))),)
        return kept, with_lines(header, limit) if limit else encoded(header, limits={})

    return scan


def _coil(change: Callable[[Any, Any], Any]) -> Break:
    """Change the last of eight coils: its samples, and noise of power 1."""

    def scan(run: Readouts, header: ScanHeader) -> Scan:
        many = np.concatenate([run.samples] * 4, axis=1)
        random = np.random.default_rng(1).standard_normal((*many.shape, 2))
        noise = (random.view(np.complex128)[..., 0] * 1e-3).astype(np.complex64)
        many[:, :7] += noise[:, :7]
        many[:, 7] = change(many[:, 7], noise[:, 7])
        return (resampled(run, many),), header

    return scan


REFUSED: dict[str, tuple[Break, str]] = {
    "partitions in two dimensions": (_once_more("kspace_encode_step_2"), "partition 1 lies outside the matrix"),
    "no centre": (_lines(lambda y: y < 25), "without 32, the centre of k-space"),
    "line outside": (_lines(lambda y: y < 64, Limit(minimum=0, maximum=63, center=0)), "line 63 lies outside"),
    "readout twice as long": (_encoded(x=64), "leave the oversampling out"),
    "empty field of view": (_recon(64, 0.0), "field of view is 0.0 mm in y"),
    "field of view NaN": (_recon(64, float("nan")), "field of view is nan mm in y"),
    "empty image": (_recon(0, 230.0), "recon matrix has 0 points in y"),
    "empty matrix": (_encoded(y=0), "encoded matrix has 0 points in y"),
    "giant matrix": (_encoded(y=4096), "encoded matrix has 4096 points"),
    "giant field of view": (_encoded(fov_mm=1e7), "10000000.0 mm"),
    "no encoding": (lambda run, header: ((run,), replace(header, encodings=())), "no encoding"),
    "radial": (_header(trajectory="radial"), "this one is radial"),
    "no slice direction": (_heads("slice_dir", 0), "no orientation"),
    "direction NaN": (_heads("read_dir", np.nan), "no orientation"),
    "position NaN": (_heads("position", np.nan), "no position"),
    "slices at one place": (_heads("position", 0), "slices 0 and 1 lie at the same place"),
    "empty slice": (_samples(1, 0), "slice 1 has only samples that are zero"),
    "NaN": (_samples(1, complex(np.nan)), "slice 1 has samples that are not finite"),
    "infinite": (_samples(0, complex(np.inf)), "slice 0 has samples that are not finite"),
    "a silent coil": (_coil(lambda signal, _: 0 * signal), "coil 7 is silent: all samples are zero"),
    "a broken coil": (
        _coil(lambda signal, noise: signal + 3e4 * noise),
        r"coil 7 is broken: .* times the others' power",
    ),
    "a coil of noise alone": (_coil(lambda _, noise: 1e3 * noise), "coil 7 is broken"),
    "nothing left": (_heads("discard_pre", 128), "no sample is left"),
    "no readouts": (lambda _, header: ((), header), "none of 0 readouts"),
    "only noise": (
        lambda run, header: ((flagged(run, lines_of(run) >= 0, Flag.IS_NOISE_MEASUREMENT),), header),
        "128 carry IS_NOISE_MEASUREMENT",
    ),
    "part of a line without centre": (
        lambda run, header: ((resampled(run, run.samples[..., 28:], center_sample=0),), header),
        "a part of a line needs a centre sample",
    ),
    "a channel fewer": (
        lambda run, header: ((run, resampled(run, run.samples[:, :1])), header),
        "number of channels changes from 2 to 1",
    ),
}

INCOMPLETE: dict[str, tuple[Break, str]] = {
    "a line": (
        lambda run, header: ((run.select((lines_of(run) != 3) | (run.heads["idx"]["slice"] == 0)),), header),
        r"slice 1 lacks 1 of 64 lines \(3\)",
    ),
    "a line of partial Fourier": (
        _lines(lambda y: (y >= 16) & (y != 20), Limit(minimum=16, maximum=63, center=32)),
        r"1 of 48 lines \(20\)",
    ),
    "most lines": (
        _lines(lambda y: (y > 10) & (y < 40), Limit(minimum=0, maximum=63, center=32)),
        r"35 of 64 lines \(0, 1, 2, ...\)",
    ),
    "most lines, and no limits": (
        _lines(lambda y: (y >= 25) & (y < 39)),
        "14 of 64 lines were measured, and the header",
    ),
    "a slice": (lambda run, header: ((run.select(run.heads["idx"]["slice"] == 0),), header), "slices lack: 1, 1 of 2"),
    "a slice of a repetition": (
        _once_more("repetition", lambda run: run.heads["idx"]["slice"] == 0),
        "slices lack: 1, 1 of 2, repetition 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_scan_is_refused(name: str) -> None:
    broken, why = REFUSED[name]
    with pytest.raises(BadScan, match=why):
        fft(*broken(*small_head()))


@pytest.mark.parametrize("name", INCOMPLETE)
def test_what_is_missing_is_named(name: str) -> None:
    broken, why = INCOMPLETE[name]
    with pytest.raises(IncompleteScan, match=why):
        fft(*broken(*small_head()))


def test_a_coil_that_is_only_louder_or_noisier_is_not_broken() -> None:
    for change in (lambda signal, noise: 100 * (signal + noise), lambda signal, noise: signal + 5 * noise):
        assert np.isfinite(fft(*_coil(change)(*small_head())).pixels).all()


def test_the_spelling_of_the_trajectory_does_not_matter() -> None:
    run, header = small_head()
    np.testing.assert_array_equal(
        fft((run,), encoded(header, trajectory="Cartesian")).pixels, fft((run,), header).pixels
    )
