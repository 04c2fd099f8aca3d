"""However a scan is exported, the image is the same; the truth is the plain scan, whose image test_phantom holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.header import Limit
from gateway.model.readout import Flag, Readouts
from gateway.model.zyx import Zyx
from gateway.recon import kspace as kspace_module
from gateway.recon.kspace import sort_cartesian
from tests.recon.scans import (
    encoded,
    fft,
    flagged,
    lines_of,
    relabelled,
    resampled,
    slab,
    small_head,
    with_lines,
    zero_filled,
)

ATOL = 2e-6


@pytest.fixture(scope="module")
def plain() -> npt.NDArray[np.float32]:
    run, header = small_head()
    return fft((run,), header).pixels


def _reversed(run: Readouts, *, center: int) -> Readouts:
    """Measure every second line from the other end."""
    backward = lines_of(run) % 2 == 1
    samples = run.samples.copy()
    samples[backward] = samples[backward][..., ::-1]
    copy = flagged(resampled(run, samples), backward, Flag.IS_REVERSE)
    copy.heads["center_sample"][backward] = center
    return copy


def _repeated(run: Readouts, counter: str, samples: npt.NDArray[Any]) -> Readouts:
    copy = resampled(run, samples)
    copy.heads["idx"][counter] = 1
    return copy


def test_the_order_of_readouts_does_not_matter(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    order = np.random.default_rng(1).permutation(len(run))
    shuffled = Readouts(run.heads[order], run.samples[order], run.trajectory[order])
    np.testing.assert_array_equal(fft((shuffled,), header).pixels, plain)


def test_averages_are_averaged(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    off = np.random.default_rng(1).standard_normal(run.samples.shape)
    runs = (resampled(run, run.samples + off), _repeated(run, "average", run.samples - off))
    np.testing.assert_allclose(fft(runs, header).pixels, plain, atol=ATOL)


def test_where_averages_differ_in_length_each_sample_is_averaged_by_itself(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    short = _repeated(run, "average", run.samples[..., 28:])
    short.heads["center_sample"] = 64 - 28
    np.testing.assert_allclose(fft((run, short), header).pixels, plain, atol=ATOL)


def test_reversed_readouts_are_mirrored(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    np.testing.assert_allclose(fft((_reversed(run, center=127 - 64),), header).pixels, plain, atol=ATOL)


def test_a_reversed_readout_keeps_its_echo_at_the_centre_and_loses_the_sample_that_falls_off() -> None:
    run, header = small_head()
    samples = np.zeros_like(run.samples)
    samples[..., 64] = 1  # the echo where the head says, in the order of acquisition
    backward = flagged(resampled(run, samples), np.ones(len(run), np.bool_), Flag.IS_REVERSE)
    for batch in sort_cartesian((backward,), header, recipe="fft").batches():
        assert set(batch.samples.nonzero()[:, -1].tolist()) == {64}


def test_discarded_samples_are_cut_before_anything_is_placed(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    junk = np.full((*run.samples.shape[:2], 6), 9e3)
    longer = np.concatenate([junk, run.samples, junk[..., :4]], axis=-1)
    cut = resampled(run, longer, discard_pre=6, discard_post=4, center_sample=70)
    np.testing.assert_array_equal(fft((cut,), header).pixels, plain)


def test_an_asymmetric_echo_stays_where_its_centre_says_and_the_rest_is_zero() -> None:
    run, header = small_head()
    run.samples[..., :28] = 0
    short = resampled(run, run.samples[..., 28:], center_sample=64 - 28)
    series = zero_filled((short,), header)
    np.testing.assert_array_equal(series.pixels, fft((run,), header).pixels)
    told = "Readouts cover 100 of 128 points of k-space; the rest is filled with zeros, as the recipe says."
    assert series.notes[-1] == told


def test_every_readout_has_its_own_centre(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    one = run.select(lines_of(run) % 2 == 0)
    other = run.select(lines_of(run) % 2 == 1)
    padded = resampled(other, np.pad(other.samples, ((0, 0), (0, 0), (3, 0))), discard_pre=3, center_sample=67)
    np.testing.assert_allclose(fft((one, padded), header).pixels, plain, atol=ATOL)


def test_partial_fourier_lines_go_to_their_place_and_the_rest_is_zero() -> None:
    run, header = small_head()
    run.samples[lines_of(run) < 16] = 0
    limit = Limit(minimum=16, maximum=63, center=32)
    series = zero_filled((run.select(lines_of(run) >= 16),), with_lines(header, limit))
    np.testing.assert_array_equal(series.pixels, fft((run,), header).pixels)
    assert series.notes[-1] == "48 of 64 lines were measured; the rest is filled with zeros, as the recipe says."


def test_lines_count_from_where_the_limits_say(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()

    def shift(heads: npt.NDArray[Any]) -> None:
        heads["idx"]["kspace_encode_step_1"] += 100

    moved = relabelled(run, shift)
    header = with_lines(header, Limit(minimum=100, maximum=163, center=132))
    np.testing.assert_array_equal(fft((moved,), header).pixels, plain)


def test_siemens_tells_the_centre_with_every_readout() -> None:
    run, header = small_head()
    header = replace(header, system=replace(header.system, vendor="SIEMENS"))
    plain = fft((run,), header).pixels

    def tell(heads: npt.NDArray[Any]) -> None:
        heads["idx"]["user"][:, 5] = 32

    header = with_lines(header, Limit(minimum=0, maximum=63, center=20))
    np.testing.assert_array_equal(fft((relabelled(run, tell),), header).pixels, plain)


def test_readouts_that_are_no_lines_of_the_image_are_left_out(plain: npt.NDArray[np.float32]) -> None:
    run, header = small_head()
    others = [
        flagged(resampled(run, run.samples * 1e6), np.ones(len(run), np.bool_), flag)
        for flag in (Flag.IS_DUMMYSCAN_DATA, Flag.IS_PARALLEL_CALIBRATION, Flag.IS_NAVIGATION_DATA)
    ]
    both = flagged(run, lines_of(run) > 20, Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING)
    np.testing.assert_array_equal(fft((*others, both), header).pixels, plain)


def test_counters_that_tell_frames_apart_make_frames() -> None:
    run, header = small_head()
    runs = (run, *(_repeated(run, name, run.samples * 2) for name in ("repetition", "contrast")))
    series = fft(runs, header)
    named = [(frame.repetition, frame.contrast, frame.slice) for frame in series.frames]
    assert named == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)]
    np.testing.assert_allclose(series.pixels[2:4], series.pixels[:2] * 2, rtol=1e-5)


def test_a_slab_has_its_slices_where_they_belong(plain: npt.NDArray[np.float32]) -> None:
    run, header = slab()
    series = fft((run,), header)
    np.testing.assert_allclose(series.pixels[[3, 4]], plain, atol=1e-5)
    assert series.pixels[[0, 1, 2, 5, 6, 7]].max() < 1e-5
    axis = np.asarray(series.frames[0].slice_dir)
    along = [float(axis @ (np.asarray(frame.position_mm) - (1, 2, 3))) for frame in series.frames]
    np.testing.assert_allclose(along, np.arange(-20, 20, 5), atol=1e-4)
    assert series.three_dimensional
    assert series.spacing_mm.z == 5


@pytest.mark.parametrize(("n", "fov_mm"), [(96, 230.0), (63, 230.0), (80, 287.5), (48, 115.0)])
def test_the_image_has_the_matrix_that_the_header_wants(n: int, fov_mm: float) -> None:
    run, header = small_head()
    recon = replace(header.encodings[0].recon, matrix=Zyx(z=1, y=n, x=n), fov_mm=Zyx(z=5.0, y=fov_mm, x=fov_mm))
    series = fft((run,), encoded(header, recon=recon))
    assert series.pixels.shape == (2, n, n)
    assert series.spacing_mm.x == pytest.approx(fov_mm / n, rel=0.01)
    middle = fft((run,), header).pixels[:, 32, 32] * 64 / round(n * 230 / fov_mm)
    np.testing.assert_allclose(series.pixels[:, n // 2, n // 2], middle, rtol=0.05)


def test_frames_sorted_one_by_one_are_those_sorted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    run, header = small_head()
    (together,) = sort_cartesian((run,), header, recipe="fft").batches()
    monkeypatch.setattr(kspace_module, "BATCH_BYTES", 1)
    apart = list(sort_cartesian((run,), header, recipe="fft").batches())
    assert len(apart) == 2
    torch.testing.assert_close(torch.cat([each.samples for each in apart]), together.samples)
    assert together.filled.all()
