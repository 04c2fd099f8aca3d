from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import Encoding, ScanHeader
from gateway.model.readout import Flag, Readouts
from gateway.model.zyx import Zyx
from gateway.recon.trajectory import Gatherer, gather
from tests.recon.scans import encoded, flagged
from tests.recon.scattered import HEAD, SPOKES, scattered_head

RUN, HEADER = scattered_head(SPOKES[:, ::4])
FOV_M = HEAD.fov_mm / 1000


def found(run: Readouts, header: ScanHeader = HEADER) -> Gatherer:
    return gather((run,), header, recipe="nufft")


def along(run: Readouts, trajectory: object) -> Readouts:
    """Copy a run with another trajectory."""
    return Readouts(run.heads, run.samples, np.asarray(trajectory, np.float32))


def test_frames_are_gathered_with_every_sample_at_its_place() -> None:
    first, second = found(RUN).frames()
    assert torch.equal(first.points, second.points)
    expected = RUN.trajectory[: len(RUN) // 2].reshape(-1, 2)[:, ::-1]
    assert np.array_equal(first.points.numpy().astype(np.float32), expected)
    assert np.array_equal(second.samples[2].numpy(), RUN.samples[len(RUN) // 2 :, 2].ravel())


@pytest.mark.parametrize(
    ("unit", "worth"),
    [
        ("cycles per field of view", 1.0),
        ("parts of the matrix", HEAD.matrix.x),
        ("radians per pixel", HEAD.matrix.x / (2 * math.pi)),
        ("1/m", FOV_M),
        ("rad/m", FOV_M / (2 * math.pi)),
    ],
)
def test_the_unit_is_recognised_and_undone(unit: str, worth: float) -> None:
    gatherer = found(along(RUN, RUN.trajectory / worth))
    assert gatherer.unit == unit
    points = next(gatherer.frames()).points
    assert np.allclose(points.numpy(), next(found(RUN).frames()).points.numpy(), atol=1e-4)


def test_the_field_of_view_of_the_image_may_be_meant() -> None:
    encoding = HEADER.encodings[0]
    double = replace(
        encoding.encoded, matrix=Zyx(z=1, y=2 * 64, x=2 * 64), fov_mm=encoding.encoded.fov_mm.map(lambda mm: 2 * mm)
    )
    gatherer = found(RUN, encoded(HEADER, encoded=double))
    assert gatherer.unit == "cycles per field of view of the image"
    assert np.allclose(next(gatherer.frames()).points, 2 * next(found(RUN).frames()).points)


@pytest.mark.parametrize("factor", [1e-6, 0.2, 10.0, 1e6])
def test_what_fits_no_unit_is_refused(factor: float) -> None:
    with pytest.raises(BadScan, match=r"fits no unit that is known, for a matrix of 64 x 64 over 230 x 230 mm"):
        found(along(RUN, RUN.trajectory * factor))


def test_what_fits_two_units_is_refused() -> None:
    header = encoded(HEADER, encoded=_metre_wide(HEADER.encodings[0]))
    with pytest.raises(BadScan, match="could be in cycles per field of view or in 1/m"):
        found(RUN, header)


def _metre_wide(encoding: Encoding) -> object:
    return replace(encoding.encoded, fov_mm=Zyx(z=5.0, y=900.0, x=900.0))


def test_a_third_coordinate_of_zero_changes_nothing() -> None:
    three = np.concatenate([RUN.trajectory, np.zeros((*RUN.trajectory.shape[:2], 1))], axis=-1)
    assert torch.equal(next(found(along(RUN, three)).frames()).points, next(found(RUN).frames()).points)


def test_a_third_coordinate_in_two_dimensions_is_refused() -> None:
    three = np.concatenate([RUN.trajectory, RUN.trajectory[..., :1]], axis=-1)
    with pytest.raises(BadScan, match="third coordinate is not zero"):
        found(along(RUN, three))


def test_samples_to_discard_are_cut_with_their_places() -> None:
    heads = RUN.heads.copy()
    heads["discard_pre"], heads["discard_post"] = 3, 2
    frame = next(found(Readouts(heads, RUN.samples, RUN.trajectory)).frames())
    half = len(RUN) // 2
    assert np.array_equal(frame.samples[0].numpy(), RUN.samples[:half, 0, 3:-2].ravel())
    assert np.array_equal(frame.points[:, 1].numpy().astype(np.float32), RUN.trajectory[:half, 3:-2, 0].ravel())


def test_readouts_that_are_no_image_are_left_out() -> None:
    doubled = Readouts(
        np.concatenate([RUN.heads[:1], RUN.heads]),
        np.concatenate([RUN.samples[:1], RUN.samples]),
        np.concatenate([RUN.trajectory[:1], RUN.trajectory]),
    )
    gatherer = found(flagged(doubled, np.arange(len(RUN) + 1) == 0, Flag.IS_NOISE_MEASUREMENT))
    assert len(gatherer.heads) == len(RUN)


def test_a_stack_has_its_partitions_along_z() -> None:
    n_z = 4
    runs = []
    for partition in range(n_z):
        heads = RUN.heads[: len(RUN) // 2].copy()
        heads["idx"]["kspace_encode_step_2"] = partition
        runs.append(Readouts(heads, RUN.samples[: len(heads)], RUN.trajectory[: len(heads)]))
    space = replace(HEADER.encodings[0].recon, matrix=Zyx(z=n_z, y=64, x=64))
    gatherer = gather(runs, encoded(HEADER, encoded=space, recon=space, limits={}), recipe="nufft")
    (frame,) = gatherer.frames()
    assert frame.points.shape[1] == 3
    assert sorted(set(frame.points[:, 0].tolist())) == [-2, -1, 0, 1]


def test_without_a_trajectory_nothing_is_guessed() -> None:
    with pytest.raises(BadScan, match="recipe nufft needs a trajectory; this radial scan has 0 coordinates"):
        found(along(RUN, np.zeros((*RUN.trajectory.shape[:2], 0))))


def test_coordinates_and_samples_must_be_numbers() -> None:
    broken = RUN.trajectory.copy()
    broken[5, 3, 1] = np.nan
    with pytest.raises(BadScan, match="coordinates that are not finite"):
        found(along(RUN, broken))
    samples = RUN.samples.copy()
    samples[-1, 0, 0] = np.inf
    with pytest.raises(BadScan, match="slice 1 has samples that are not finite"):
        list(found(Readouts(RUN.heads, samples, RUN.trajectory)).frames())


def test_a_silent_slice_is_refused() -> None:
    samples = RUN.samples.copy()
    samples[len(RUN) // 2 :] = 0
    with pytest.raises(BadScan, match="slice 1 has only samples that are zero"):
        list(found(Readouts(RUN.heads, samples, RUN.trajectory)).frames())


def test_missing_interleaves_are_named() -> None:
    steps = RUN.heads["idx"]["kspace_encode_step_1"]
    with pytest.raises(IncompleteScan, match=r"slice 0 lacks 2 of 100 readouts \(17, 60\)"):
        found(RUN.select(~np.isin(steps, [17, 60])))
    last = (steps != 99) | (RUN.heads["idx"]["slice"] == 0)
    with pytest.raises(IncompleteScan, match="slice 1 has 99 readouts where others have 100"):
        found(RUN.select(last))


def test_a_scan_that_keeps_every_second_interleaf_is_whole() -> None:
    found(RUN.select(RUN.heads["idx"]["kspace_encode_step_1"] % 2 == 0))
