"""Several encoding spaces in one recording: every image by itself, with the calibration that is its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition, Flag, Readouts
from gateway.model.recipes import AutoRecipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.spaces import imaged_spaces
from tests.recon.scans import fft, flagged, lines_of, relabelled, resampled, small_head
from tests.recon.undersampled import error

COARSE = PhantomScan(n_slices=1, n_coils=2, matrix=Zyx(z=1, y=32, x=32), noise=0.0, seed=1)


def _moved(run: Readouts, space: int) -> Readouts:
    def move(heads: npt.NDArray[Any]) -> None:
        heads["encoding_space_ref"] = space

    return relabelled(run, move)


def _two() -> tuple[Acquisition, ScanHeader]:
    """A head of 64 x 64, and within the same recording a coarse one of 32 x 32."""
    run, header = small_head()
    (coarse,), other = head_phantom(COARSE)
    halves = [run.select(lines_of(run) < 32), _moved(coarse, 1), run.select(lines_of(run) >= 32)]
    return tuple(halves), replace(header, encodings=(*header.encodings, *other.encodings))


def _auto(acquisition: Acquisition, header: ScanHeader) -> tuple[ImageSeries, ...]:
    return reconstruct(acquisition, header, AutoRecipe(), device="cpu", progress=lambda *_: None)


def test_every_space_that_was_imaged_is_a_series_of_its_own() -> None:
    first, second = _auto(*_two())
    run, header = small_head()
    np.testing.assert_array_equal(first.pixels, fft((run,), header).pixels)
    np.testing.assert_array_equal(second.pixels, fft(*head_phantom(COARSE)).pixels)
    assert (first.encoding, second.encoding) == (0, 1)
    assert "Encoding space 2 of 2 that were imaged." in second.notes


def test_the_image_need_not_be_in_the_first_space() -> None:
    acquisition, header = _two()
    (only,) = _auto(acquisition[1:2], header)
    np.testing.assert_array_equal(only.pixels, fft(*head_phantom(COARSE)).pixels)
    assert only.encoding == 1


def test_noise_and_navigators_of_another_space_are_no_image() -> None:
    acquisition, header = _two()
    coarse = acquisition[1]
    for flag in (Flag.IS_NAVIGATION_DATA, Flag.IS_PARALLEL_CALIBRATION, Flag.IS_PHASECORR_DATA, Flag.IS_DUMMYSCAN_DATA):
        quiet = flagged(coarse, np.ones(len(coarse), np.bool_), flag)
        (series,) = _auto((acquisition[0], quiet, acquisition[2]), header)
        assert series.encoding == 0


def test_each_space_is_unfolded_by_its_own_calibration() -> None:
    scan = PhantomScan(n_slices=1, n_coils=8, matrix=Zyx(z=1, y=64, x=64), noise=0.001, seed=1)
    (fine,), header = head_phantom(replace(scan, acceleration=2, calibration_lines=24))
    finer = replace(scan, matrix=Zyx(z=1, y=96, x=96))
    (other,), second = head_phantom(replace(finer, acceleration=2, calibration_lines=24))
    both = replace(header, encodings=(*header.encodings, *second.encodings))
    made = _auto((_moved(other, 1), fine), both)
    for series, each in zip(made, (scan, finer), strict=True):
        truth = fft(*head_phantom(replace(each, noise=0.0))).pixels
        assert error(series.pixels, truth) < 0.05


def test_a_second_space_that_is_no_image_costs_the_first_nothing_but_is_named() -> None:
    acquisition, header = _two()
    lost = replace(header.encodings[1], trajectory="radial")
    (series,) = _auto(acquisition, replace(header, encodings=(header.encodings[0], lost)))
    assert any(note.startswith("Encoding space 2 was not reconstructed: ") for note in series.notes)


def test_a_second_space_that_lacks_lines_is_incomplete() -> None:
    first, coarse, last = _two()[0]
    with pytest.raises(IncompleteScan, match=r"lacks 1 of 32 lines \(9\)"):
        _auto((first, coarse.select(lines_of(coarse) != 9), last), _two()[1])


def test_a_first_space_that_is_no_image_is_refused() -> None:
    acquisition, header = _two()
    fewer = resampled(acquisition[2], acquisition[2].samples[:, :1])
    with pytest.raises(BadScan, match="channels changes"):
        _auto((acquisition[0], acquisition[1], fewer), header)


def test_readouts_of_a_space_that_the_header_lacks_are_left_out_and_counted() -> None:
    acquisition, header = _two()
    (series,) = _auto(acquisition, replace(header, encodings=header.encodings[:1]))
    assert "32 readouts of encoding space 1, which the header lacks, left out." in series.notes


def test_real_scans_have_one_space(shared_data: Path) -> None:
    for name in ("brain_16ch_r2_acs20.h5", "grid_phantom_16ch_r2_separate_ref.h5", "siemens_gre_acr_oblique.h5"):
        scan = read_scan(shared_data / "mrd" / name)
        assert [each.number for each in imaged_spaces(scan.acquisition, parse_header(scan.header_xml))] == [0]
