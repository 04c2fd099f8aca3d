from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition, Readouts
from gateway.model.recipes import FftRecipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.convention import has_other_sign
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom

SCAN = PhantomScan(n_slices=1, n_coils=2, matrix=Zyx(z=1, y=64, x=64), noise=0.0, seed=1)


def image(acquisition: Acquisition, header: ScanHeader) -> npt.NDArray[np.float32]:
    (series,) = reconstruct(acquisition, header, FftRecipe(), device="cpu", progress=lambda _fraction, _doing: None)
    return np.asarray(series.pixels[0])


def by(vendor: str | None, header: ScanHeader) -> ScanHeader:
    return replace(header, system=replace(header.system, vendor=vendor))


@pytest.mark.parametrize("vendor", ["SIEMENS", "Siemens", "Siemens Healthineers", " siemens"])
def test_samples_of_the_other_sign_give_the_same_image(vendor: str) -> None:
    (run,), header = head_phantom(SCAN)
    conjugated = (Readouts(run.heads, np.conj(run.samples), run.trajectory),)
    np.testing.assert_allclose(image(conjugated, by(vendor, header)), image((run,), header), rtol=1e-4, atol=1e-5)
    turned = image(conjugated, header)
    assert np.abs(turned - image((run,), header)).max() > 0.3


@pytest.mark.parametrize("vendor", [None, "", "GE", "Philips", "Synthetic", "not SIEMENS"])
def test_others_are_taken_as_they_come(vendor: str | None) -> None:
    _, header = head_phantom(SCAN)
    assert not has_other_sign(by(vendor, header))


def test_air_rises_in_a_phantom_that_lies_on_its_back(shared_data: Path) -> None:
    """The phantom is not quite full, and its air stands where the front of a patient on the back would be."""
    scan = read_scan(shared_data / "mrd" / "siemens_gre_acr_oblique.h5")
    header = parse_header(scan.header_xml)
    assert header.measurement.patient_position == "HFS"
    assert scan.acquisition[0].heads["phase_dir"][0][1] > 0.9  # y grows to the back
    pixels = image(scan.acquisition, header)
    front, back = pixels[5:11, 50:65], pixels[149:151, 70:90]
    assert front.mean() < 0.3 * back.mean()
