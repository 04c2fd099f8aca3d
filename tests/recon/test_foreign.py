"""Scans as converters of several vendors write them, where an earlier version refused them or named the wrong lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import Limit, ScanHeader, Space
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import AutoRecipe
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.recon.scans import encoded, fft, flagged, lines_of, relabelled, resampled
from tests.recon.undersampled import Scan, error, run

HEAD = PhantomScan(n_slices=1, n_coils=8, matrix=Zyx(z=1, y=64, x=64), noise=0.001, seed=1)
(WHOLE,), HEADER = head_phantom(HEAD)
TRUTH = fft(*head_phantom(replace(HEAD, noise=0.0))).pixels


def _accelerated(step: int, mode: str, **limits: Limit) -> ScanHeader:
    limits = {**HEADER.encodings[0].limits, **limits}
    return encoded(HEADER, acceleration=Zyx(z=1.0, y=float(step), x=1.0), calibration_mode=mode, limits=limits)


def _moving(step: int, n_frames: int) -> tuple[list[Readouts], ScanHeader]:
    """Measure other lines in each repetition, as TSENSE and TGRAPPA do."""

    def frame(number: int) -> Readouts:
        def count(heads: npt.NDArray[Any]) -> None:
            heads["idx"]["repetition"] = number

        return relabelled(WHOLE.select(lines_of(WHOLE) % step == number % step), count)

    header = _accelerated(step, "interleaved", repetition=Limit(minimum=0, maximum=n_frames - 1, center=0))
    return [frame(number) for number in range(n_frames)], header


@pytest.mark.parametrize("step", [2, 3])
def test_lines_that_move_from_frame_to_frame_calibrate_together(step: int) -> None:
    frames, header = _moving(step, 2 * step)
    series = run((tuple(frames), header), AutoRecipe())
    assert len(series.pixels) == 2 * step
    assert max(error(image[None], TRUTH) for image in series.pixels) < 0.05
    assert any("others from frame to frame" in note for note in series.notes)
    assert any("of all frames together" in note for note in series.notes)


def test_a_line_that_a_moving_pattern_lacks_is_named() -> None:
    frames, header = _moving(2, 4)
    frames[2] = frames[2].select(lines_of(frames[2]) != 14)
    with pytest.raises(IncompleteScan, match=r"repetition 2 lacks 1 of 32 lines \(14\) of every 2. line"):
        run((tuple(frames), header), AutoRecipe())


def _with_reference(*, oversampled: bool, fov_y_mm: float = HEAD.fov_mm) -> Scan:
    """Measure every third line, and a reference in a space of its own, of as many samples as pixels or twice."""
    lines = lines_of(WHOLE)
    reference = WHOLE.select((lines >= 20) & (lines < 44))
    reference = flagged(reference, np.ones(len(reference), np.bool_), Flag.IS_PARALLEL_CALIBRATION)
    image = HEADER.encodings[0].encoded
    if not oversampled:
        reference = resampled(reference, reference.samples[..., ::2], center_sample=32)

    def elsewhere(heads: npt.NDArray[Any]) -> None:
        heads["encoding_space_ref"] = 1

    times = 2 if oversampled else 1
    space = Space(
        matrix=replace(image.matrix, x=64 * times), fov_mm=replace(image.fov_mm, x=HEAD.fov_mm * times, y=fov_y_mm)
    )
    header = _accelerated(3, "separate")
    other = replace(header.encodings[0], encoded=space, acceleration=Zyx(z=1.0, y=1.0, x=1.0), calibration_mode=None)
    acquisition = (relabelled(reference, elsewhere), WHOLE.select(lines % 3 == 0))
    return acquisition, replace(header, encodings=(header.encodings[0], other))


def test_a_reference_need_not_be_oversampled_as_the_image_is() -> None:
    plain, alike = (run(_with_reference(oversampled=each), AutoRecipe()).pixels for each in (False, True))
    assert error(plain, TRUTH) < 1.1 * error(alike, TRUTH) < 0.1


def test_a_reference_of_other_steps_between_lines_is_refused() -> None:
    with pytest.raises(BadScan, match="the reference was measured over"):
        run(_with_reference(oversampled=True, fov_y_mm=0.8 * HEAD.fov_mm), AutoRecipe())


def test_a_random_pattern_may_be_of_any_acceleration() -> None:
    centre = abs(lines_of(WHOLE).astype(int) - 32) < 8
    kept = centre | (np.random.default_rng(3).random(64) < 0.2)
    header = encoded(HEADER, acceleration=Zyx(z=1.0, y=64 / kept.sum(), x=1.0))
    assert 64 / kept.sum() > 2.2, "rounded, it would promise a tenth more lines than there are"
    series = run(((WHOLE.select(kept),), header), AutoRecipe())
    assert any("in no regular pattern" in note for note in series.notes)
    assert error(series.pixels, TRUTH) < 0.15
    with pytest.raises(IncompleteScan):
        run(((WHOLE.select(kept & (lines_of(WHOLE) < 40)),), header), AutoRecipe())
