"""Noise is measured as it was made, made white, and carried from one scan to another by the names of coils."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.noise import NoiseCovariance
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import FftRecipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.engine import reconstruct
from gateway.recon.kspace import sort_cartesian
from gateway.recon.noise import estimate_noise, is_only_noise, matched, measure_noise, whiten, whitening
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.sample_noise import noise_power_of
from gateway.recon.scan import Scan
from gateway.recon.space import target_of
from tests.recon.scans import resampled

MIX = np.array([[1.0, 0.2j, 0.1], [0.3, 2.0, -0.4j], [0.0, 0.5, 0.7]])
TRUTH = MIX @ MIX.conj().T
"""Covariance of complex samples: that of white noise of power 1, mixed."""

Complex = npt.NDArray[Any]


def _white(n: int, shape: tuple[int, ...]) -> Complex:
    parts = np.random.default_rng(n).standard_normal((*shape, 2)) / np.sqrt(2)
    white: Complex = parts.view(np.complex128)[..., 0]
    return white


def _mixed(n: int, n_readouts: int, n_samples: int) -> Complex:
    mixed: Complex = np.einsum("ab,rbx->rax", MIX, _white(n, (n_readouts, 3, n_samples)))
    return mixed


def _scan(*, dwell_time_us: float = 5.0, n_readouts: int = 64) -> tuple[tuple[Readouts, Readouts], ScanHeader]:
    """Scan nothing but noise with three coils; before it come noise readouts of that dwell time."""
    (run,), header = head_phantom(PhantomScan(n_slices=1, n_coils=3, matrix=Zyx(z=1, y=64, x=64), anatomy=()))
    image = resampled(run, _mixed(1, len(run), 128) * np.sqrt(dwell_time_us / 5.0))
    noise = resampled(run.select(np.arange(len(run)) < n_readouts), _mixed(2, n_readouts, 512), center_sample=0)
    noise.heads["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    noise.heads["sample_time_us"] = dwell_time_us
    return (noise, image), header


def _covariance(run: Readouts) -> Complex:
    flat = run.samples.transpose(1, 0, 2).reshape(3, -1)
    return np.asarray(flat @ flat.conj().T / flat.shape[1])


def test_the_covariance_is_that_of_the_noise_and_no_other_readouts() -> None:
    scan, header = _scan()
    found = measure_noise(scan, header)
    assert found is not None
    np.testing.assert_allclose(found.matrix, TRUTH, atol=0.1)
    np.testing.assert_array_equal(found.matrix, found.matrix.conj().T)
    assert (found.coil_names, found.dwell_time_us) == (("loop 1", "loop 2", "loop 3"), 5.0)


def test_without_enough_noise_readouts_nothing_is_claimed() -> None:
    scan, header = _scan()
    assert measure_noise(scan[1:], header) is None
    few = resampled(scan[0].select(np.arange(64) < 1), scan[0].samples[:1, :, :5])
    assert measure_noise((few,), header) is None


@pytest.mark.parametrize("dwell_time_us", [5.0, 2.5, 10.0])
def test_whitened_noise_is_white_whatever_the_dwell_time_it_was_measured_with(dwell_time_us: float) -> None:
    scan, header = _scan(dwell_time_us=dwell_time_us)
    white = whiten(scan, header, None)
    np.testing.assert_allclose(_covariance(white.acquisition[1]), np.eye(3), atol=0.06)
    assert (white.notes, white.by) == (("Coils prewhitened by the noise readouts of this scan.",), "")


def test_the_bandwidth_of_the_receiver_counts() -> None:
    noise = NoiseCovariance(measurement_id="n", coil_names=(), dwell_time_us=5.0, bandwidth_factor=0.793, matrix=TRUTH)
    made = whitening(noise, dwell_time_us=5.0)
    np.testing.assert_allclose(made @ TRUTH @ made.conj().T, 0.793 * np.eye(3), atol=1e-5)


def test_an_earlier_measurement_is_matched_by_the_names_of_coils() -> None:
    scan, header = _scan()
    order = [2, 0, 1]
    earlier = NoiseCovariance(
        measurement_id="earlier",
        coil_names=("loop 3", "loop 1", "loop 2"),
        dwell_time_us=5.0,
        bandwidth_factor=1.0,
        matrix=TRUTH[np.ix_(order, order)].astype(np.complex128),
    )
    found = matched(earlier, header, 3)
    assert found is not None
    np.testing.assert_array_equal(found.matrix, TRUTH)
    white = whiten(scan[1:], header, earlier)
    np.testing.assert_allclose(_covariance(white.acquisition[0]), np.eye(3), atol=0.06)
    assert white.by == found.digest != replace(found, matrix=found.matrix * 1.01).digest
    others = replace(earlier, coil_names=("a", "b", "c"))
    assert whiten(scan[1:], header, others).acquisition is scan[1:] or not whiten(scan[1:], header, others).notes


@pytest.mark.parametrize("vendor", ["GE", "SIEMENS"])
def test_the_engine_takes_an_earlier_measurement_and_says_so(vendor: str) -> None:
    scan, header = _scan()
    header = replace(header, system=replace(header.system, vendor=vendor))
    names = ("loop 1", "loop 2", "loop 3")
    noise = NoiseCovariance(
        measurement_id="n7", coil_names=names, dwell_time_us=5.0, bandwidth_factor=1.0, matrix=TRUTH
    )
    quiet = {"device": "cpu", "progress": lambda *_: None}
    (series,) = reconstruct(scan[1:], header, FftRecipe(), noise=noise, **quiet)  # type: ignore[arg-type]
    assert series.notes[-1] == "Coils prewhitened by the noise measurement n7."
    assert series.whitened_by == noise.digest
    assert (series.pixels**2).mean() == pytest.approx(3.0, rel=0.05)


def test_a_broken_coil_is_refused() -> None:
    scan, header = _scan()
    loud = scan[0].samples.copy()
    loud[:, 2] *= 50
    with pytest.raises(BadScan, match="coil 2 is broken: its noise has"):
        whiten((resampled(scan[0], loud), scan[1]), header, None)
    silent = scan[0].samples.copy()
    silent[:, 1] = 0
    with pytest.raises(BadScan, match="coils 1 are silent"):
        whiten((resampled(scan[0], silent), scan[1]), header, None)


def test_noise_is_estimated_from_samples_of_which_few_are_signal() -> None:
    samples = 0.7 * _white(5, (20_000,))
    samples[:500] += 100
    assert estimate_noise(torch.from_numpy(samples)) == pytest.approx(0.7, rel=0.05)


def test_a_real_noise_scan_is_known_as_one(shared_data: Path) -> None:
    scan = read_scan(shared_data / "mrd" / "siemens_xa_noise_scan.h5")
    header = parse_header(scan.header_xml)
    assert is_only_noise(scan.acquisition)
    found = measure_noise(scan.acquisition, header)
    assert found is not None
    assert found.bandwidth_factor == pytest.approx(0.793)
    assert (np.linalg.eigvalsh(found.matrix) > 0).all()


@pytest.mark.parametrize("step", [1, 3])
def test_noise_that_nobody_measured_is_read_from_the_image(step: int) -> None:
    """A coarse matrix has signal out to its edge; folded or not, some of the image is air."""
    level = 0.02
    scan = PhantomScan(n_slices=1, n_coils=6, matrix=Zyx(z=1, y=48, x=48), noise=level, seed=5, acceleration=step)
    acquisition, header = head_phantom(scan)
    sorter = sort_cartesian(acquisition, header, recipe="fft")
    found = noise_power_of(Scan(acquisition=acquisition, header=header), sorter, target_of(header.encodings[0]))
    assert found == pytest.approx(2 * level**2, rel=0.25)
