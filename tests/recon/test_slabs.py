"""Slabs as scanners send them: within a shutter, partitions left out, partial, their counters in any order."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.errors import IncompleteScan
from gateway.model.header import Limit, ScanHeader
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import AutoRecipe, FftRecipe, GrappaRecipe, Recipe, SenseRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.recon.scans import encoded, fft, relabelled, resampled
from tests.recon.undersampled import error, run

N_Z, N_Y = 24, 48
HEAD = PhantomScan(n_slices=N_Z, n_coils=6, matrix=Zyx(z=1, y=N_Y, x=48), noise=0.0, thickness_mm=6, gap_mm=0, seed=1)
Keep = npt.NDArray[np.bool_]


def _slices() -> tuple[Readouts, ScanHeader]:
    """Slices through the whole head; every second coil sees more of its top, the others more of its bottom."""
    (run_,), header = head_phantom(HEAD)
    z = (np.arange(N_Z) - N_Z / 2 + 0.5) / N_Z
    weights = 1 / (1 + np.exp(np.outer(10 * z, [1, -1] * 3)))
    return replace(run_, samples=run_.samples * weights[run_.heads["idx"]["slice"], :, np.newaxis]), header


@lru_cache(maxsize=1)
def slab() -> tuple[Readouts, ScanHeader]:
    """A slab through the whole head: its slices are summed as partitions encode them."""
    slices, header = _slices()
    n = N_Z
    centred = np.arange(n) - n // 2
    encode = np.exp(-2j * np.pi * np.outer(centred, centred) / n) / np.sqrt(n)
    by_slice = slices.samples.reshape(n, N_Y, *slices.samples.shape[1:])
    samples = np.einsum("kz,zycx->kycx", encode, by_slice).reshape(slices.samples.shape)
    heads = np.tile(slices.heads[:N_Y], n)
    heads["idx"]["kspace_encode_step_2"] = np.repeat(np.arange(n), N_Y)
    heads["position"] = HEAD.center_mm
    spaces = {
        name: replace(space, matrix=replace(space.matrix, z=n), fov_mm=replace(space.fov_mm, z=6.0 * n))
        for name, space in (("encoded", header.encodings[0].encoded), ("recon", header.encodings[0].recon))
    }
    limits = {
        "kspace_encoding_step_1": Limit(minimum=0, maximum=N_Y - 1, center=N_Y // 2),
        "kspace_encoding_step_2": Limit(minimum=0, maximum=n - 1, center=n // 2),
    }
    readouts = Readouts(heads, samples.astype(np.complex64), np.zeros((len(heads), samples.shape[2], 0), np.float32))
    return readouts, encoded(header, limits=limits, **spaces)


@lru_cache(maxsize=1)
def truth() -> npt.NDArray[np.float32]:
    run_, header = _slices()
    return fft((run_,), header).pixels


def _z(readouts: Readouts) -> npt.NDArray[np.int64]:
    return np.asarray(readouts.heads["idx"]["kspace_encode_step_2"].astype(np.int64) - N_Z // 2)


def _y(readouts: Readouts) -> npt.NDArray[np.int64]:
    return np.asarray(readouts.heads["idx"]["kspace_encode_step_1"].astype(np.int64) - N_Y // 2)


def _ellipse(readouts: Readouts) -> Keep:
    return np.hypot(_z(readouts) / (N_Z / 2), _y(readouts) / (N_Y / 2)) <= 1


def _central(readouts: Readouts, n_z: int, n_y: int) -> Keep:
    return (abs(_z(readouts)) < n_z // 2) & (abs(_y(readouts)) < n_y // 2)


def _made(readouts: Readouts, header: ScanHeader, recipe: Recipe) -> Any:  # noqa: ANN401 - a series
    return run(((readouts,), header), recipe)


def test_a_slab_is_the_stack_of_its_slices() -> None:
    readouts, header = slab()
    assert error(_made(readouts, header, FftRecipe()).pixels, truth()) < 1e-5


@pytest.mark.parametrize("recipe", [AutoRecipe(), FftRecipe()])
def test_an_elliptical_shutter_is_not_missing_lines(recipe: Recipe) -> None:
    readouts, header = slab()
    series = _made(readouts.select(_ellipse(readouts)), header, recipe)
    assert error(series.pixels, truth()) < 0.12
    assert "The corners of k-space were left out (elliptical shutter)." in series.notes


def test_a_line_that_is_missing_within_the_ellipse_is_missing() -> None:
    readouts, header = slab()
    hole = (_z(readouts) == 3) & (_y(readouts) == -5)
    with pytest.raises(IncompleteScan, match=r"lacks 1 of \d+ lines \(partition 15: 19\)"):
        _made(readouts.select(_ellipse(readouts) & ~hole), header, AutoRecipe())


def test_a_corner_that_was_measured_but_for_a_few_lines_has_holes() -> None:
    readouts, header = slab()
    hole = (_z(readouts) == -12) & (_y(readouts) < -20)
    with pytest.raises(IncompleteScan, match="lacks 4 of 1152 lines"):
        _made(readouts.select(~hole), header, AutoRecipe())


@pytest.mark.parametrize(
    ("step_z", "step_y", "shift"), [(2, 1, 0), (1, 2, 0), (2, 2, 0), (2, 2, 1)], ids=["z", "y", "both", "CAIPIRINHA"]
)
@pytest.mark.parametrize("recipe", [GrappaRecipe(), SenseRecipe()], ids=["grappa", "sense"])
def test_partitions_and_lines_may_be_left_out_within_a_shutter(
    step_z: int, step_y: int, shift: int, recipe: Recipe
) -> None:
    readouts, header = slab()
    z, y = _z(readouts), _y(readouts)
    lattice = (z % step_z == 0) & ((y - z // step_z * shift) % step_y == 0)
    extra = _central(readouts, 16, 24)
    kept = _ellipse(readouts) & (lattice | extra)

    def flag(heads: npt.NDArray[Any]) -> None:
        heads["flags"][extra & ~lattice] |= np.uint64(Flag.IS_PARALLEL_CALIBRATION.bit)
        heads["flags"][extra & lattice] |= np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit)

    sent = relabelled(readouts, flag).select(kept)
    steps = Zyx(z=float(step_z), y=float(step_y), x=1.0)
    told = encoded(header, acceleration=steps, calibration_mode="embedded")
    series = _made(sent, told, recipe)
    whole = _made(readouts.select(_ellipse(readouts)), header, FftRecipe())
    assert error(series.pixels, truth()) < error(whole.pixels, truth()) + 0.04
    assert any("elliptical shutter" in note for note in series.notes)


def test_a_partial_slab_is_completed() -> None:
    readouts, header = slab()
    kept = readouts.select(_z(readouts) >= -4)
    limits = {**header.encodings[0].limits, "kspace_encoding_step_2": Limit(minimum=8, maximum=23, center=12)}
    header = encoded(header, limits=limits)
    made, zeros = (_made(kept, header, FftRecipe(partial_fourier=how)) for how in ("auto", "zero-fill"))
    assert error(made.pixels, truth()) < 0.6 * error(zeros.pixels, truth())
    assert any("16 of 24 partitions were measured; the rest is completed by pocs" in note for note in made.notes)


def test_every_counter_in_any_order_gives_every_image_its_place() -> None:
    """Averages are averaged, segments say when; echoes, phases, repetitions and sets are images of their own."""
    readouts, header = slab()
    runs, weights = [], {}
    random = np.random.default_rng(1)
    for number, (contrast, phase, repetition, set_) in enumerate(np.ndindex(2, 2, 1, 2), start=1):
        weights[set_, repetition, phase, contrast] = number
        off = random.standard_normal(readouts.samples.shape).astype(np.float32)
        for average in range(2):
            again = resampled(readouts, number * readouts.samples + (off if average else -off))
            places = {"contrast": contrast, "phase": phase, "repetition": repetition, "set": set_, "average": average}
            for name, value in places.items():
                again.heads["idx"][name] = value
            again.heads["idx"]["segment"] = np.arange(len(again)) % 3
            runs.append(again)
    heads, samples = (np.concatenate([getattr(each, name) for each in runs]) for name in ("heads", "samples"))
    order = random.permutation(len(heads))
    mixed = Readouts(heads[order], samples[order], np.zeros((len(heads), samples.shape[2], 0), np.float32))
    (series,) = reconstruct((mixed,), header, AutoRecipe(), device="cpu", progress=lambda *_: None)
    volumes = series.pixels.reshape(len(weights), N_Z, *series.pixels.shape[1:])
    for volume, frame in zip(volumes, series.frames[::N_Z], strict=True):
        number = weights[frame.set, frame.repetition, frame.phase, frame.contrast]
        assert error(volume, number * truth()) < 1e-4
