"""What one side of k-space lacks, the other tells, where the phase is smooth; where it is rough, zeros do less harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.bart import Bart
from gateway.model.header import Limit, ScanHeader
from gateway.model.image import ImageKind
from gateway.model.readout import Readouts
from gateway.model.recipes import AutoRecipe, FftRecipe, GrappaRecipe, L1WaveletRecipe, Recipe, SenseRecipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.apodisation import window
from gateway.recon.engine import reconstruct
from gateway.recon.finishing import EXPLAINED
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.kspace import sort_cartesian
from gateway.recon.partial_fourier import AXES, Completion, Side, Sides, complete, explained, partial_sides
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.recon import undersampled
from tests.recon.laws import random_complex, relative_error
from tests.recon.scans import resampled, with_lines

HOW: tuple[Completion, ...] = ("homodyne", "pocs")


def _head(noise: float = 0.0, n: int = 128) -> Tensor:
    """Scan one slice by eight coils with smooth phases of their own. Shape `(coil 1 y x)`."""
    scan = PhantomScan(n_slices=1, n_coils=8, matrix=Zyx(z=1, y=n, x=n), noise=noise, seed=1)
    (run,), header = head_phantom(scan)
    return sort_cartesian((run,), header, recipe="fft").frames(0, 1).samples[0]


def _cut(kspace: Tensor, sides: Sides) -> Tensor:
    cut = torch.zeros_like(kspace)
    index: list[slice] = [slice(None)] * kspace.ndim
    for axis, side in sides.items():
        index[axis] = slice(side.first, side.last + 1)
    cut[tuple(index)] = kspace[tuple(index)]
    return cut


def _magnitude(kspace: Tensor) -> Tensor:
    return inverse_fourier(kspace, AXES).abs().square().sum(dim=0).sqrt()


def _errors(kspace: Tensor, sides: Sides) -> dict[str, float]:
    """Compare every way with the image of the whole."""
    truth, cut = _magnitude(kspace), _cut(kspace, sides)
    made = {"zeros": cut, "homodyne": complete(cut, sides, "homodyne"), "pocs": complete(cut, sides, "pocs")}
    return {name: relative_error(_magnitude(each), truth) for name, each in made.items()}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n", [64, 63])
@pytest.mark.parametrize("short", ["first", "last"])
def test_a_real_image_comes_back_exactly(how: Completion, n: int, short: str) -> None:
    x = torch.linspace(-1, 1, n)
    image = (1 + torch.rand(1, n, n, generator=torch.Generator().manual_seed(1))) * torch.exp(-8 * x**2)
    kspace = fourier(image.to(torch.complex64), AXES)
    side = Side(n // 2 - 10, n - 1, n) if short == "first" else Side(0, n // 2 + 10, n)
    found = inverse_fourier(complete(_cut(kspace, {-2: side}), {-2: side}, how), AXES)
    zeros = inverse_fourier(_cut(kspace, {-2: side}), AXES)
    lone = 0.2 * (
        n % 2 == 0
    )  # the outermost line of an even axis has no mirror image; all lines of this image are alike
    assert relative_error(found, image) < (0.05 + lone) * relative_error(zeros, image)


@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("share", [0.5625, 0.625, 0.75])
def test_a_head_with_smooth_phase_is_better_than_with_zeros(axis: int, share: float) -> None:
    kspace = _head()
    n = kspace.shape[axis]
    errors = _errors(kspace, {axis: Side(n - round(n * share), n - 1, n)})
    assert errors["pocs"] < errors["zeros"] / 4
    assert errors["homodyne"] < errors["zeros"] / 3


def test_two_axes_at_once_are_completed_where_a_mirror_image_was_measured() -> None:
    kspace = _head()
    n_y, n_x = kspace.shape[-2:]
    errors = _errors(kspace, {-2: Side(n_y // 4, n_y - 1, n_y), -1: Side(0, n_x * 3 // 4, n_x)})
    assert errors["pocs"] < 0.8 * errors["zeros"]


def test_partitions_are_completed_as_lines_are() -> None:
    z = torch.arange(33) - 16
    shape = (z.abs() < 6).float()[:, None, None] * _magnitude(_head(n=32))
    kspace = fourier((shape * torch.polar(torch.ones(33), 0.1 * z)[:, None, None])[None], AXES)
    errors = _errors(kspace, {-3: Side(10, 32, 33)})
    assert errors["pocs"] < errors["zeros"] / 3


def test_what_was_measured_stays_as_it_was() -> None:
    kspace, side = random_complex(2, 1, 64, 32), {-2: Side(20, 63, 64)}
    made = complete(_cut(kspace, side), side, "pocs")
    torch.testing.assert_close(made[..., 20:, :], kspace[..., 20:, :])
    symmetric = {-2: Side(20, 50, 64)}
    made = complete(_cut(kspace, symmetric), symmetric, "pocs")
    assert not made[..., :13, :].any(), "neither side was measured there"


def test_only_uneven_axes_with_a_band_around_the_centre_are_partial() -> None:
    whole, partial, bare = Side(0, 63, 64), Side(16, 63, 64), Side(30, 63, 64)
    assert partial_sides((whole, partial, whole)) == {-2: partial}
    assert partial_sides((Side(0, 0, 1), Side(2, 61, 64), bare)) == {}


def test_homodyne_keeps_the_size_of_noise_free_points_within_the_band() -> None:
    """Weights of a point and its mirror image add up to two, so a constant image keeps its brightness."""
    kspace, side = torch.zeros(1, 1, 64, 8, dtype=torch.complex64), {-2: Side(22, 63, 64)}
    kspace[..., 32, 4] = 5
    torch.testing.assert_close(complete(kspace, side, "homodyne"), kspace, atol=1e-5, rtol=1e-5)


def test_held_out_lines_tell_a_smooth_phase_from_a_rough_one() -> None:
    kspace, side = _head(), {-2: Side(32, 127, 128)}
    assert explained(_cut(kspace, side), side) > 0.9
    rough = torch.polar(torch.ones(128, 256), 2 * torch.rand(128, 256, generator=torch.Generator().manual_seed(1)))
    kspace = fourier(inverse_fourier(kspace, AXES) * rough, AXES)
    assert explained(_cut(kspace, side), side) < 0.3


@pytest.mark.parametrize("share", [0.625, 0.75])
def test_on_real_heads_it_is_used_where_it_helps(share: float, shared_data: Path) -> None:
    for name in ("brain_4ch_full.h5", "brain_16ch_full.h5", "siemens_gre_acr_oblique.h5"):
        scan = read_scan(shared_data / "mrd" / name)
        sorter = sort_cartesian(scan.acquisition, parse_header(scan.header_xml), recipe="fft")
        kspace = sorter.frames(0, 1).samples[0]
        n = kspace.shape[-2]
        side = {-2: Side(n - round(n * share), n - 1, n)}
        if name == "brain_4ch_full.h5" or explained(_cut(kspace, side), side) >= EXPLAINED:
            errors = _errors(kspace, side)
            assert errors["pocs"] < 0.8 * errors["zeros"], name
            assert errors["homodyne"] < errors["zeros"], name


@pytest.mark.peer("bart")
def test_bart_makes_the_same_of_it(tmp_path: Path) -> None:
    """The ramps are not the same, so the images are as near to each other as to the truth."""
    kspace = _head(noise=0.005)[:, 0]
    n = kspace.shape[1]
    side = {-2: Side(0, round(n * 0.625) - 1, n)}
    cut = _cut(kspace, side)
    bart = Bart(tmp_path)
    bart.write("cut", cut.numpy())
    bart.run("homodyne", "1", "0.625", "cut", "made")
    theirs = torch.from_numpy(np.abs(bart.read("made"))).square().sum(dim=0).sqrt()
    ours = _magnitude(complete(cut[:, None], side, "homodyne"))[0]
    theirs = theirs * (ours.norm() / theirs.norm())
    truth = _magnitude(kspace[:, None])[0]
    assert relative_error(ours, truth) < 1.1 * relative_error(theirs, truth)
    assert relative_error(ours, theirs) < 0.05


def _partial(share: float, *, step: int, calibration_lines: int) -> tuple[tuple[Readouts, ...], ScanHeader]:
    """Leave the first lines of a scan out, on purpose: the limits say so."""
    (run,), header = undersampled.undersampled(step, calibration_lines=calibration_lines)
    n = header.encodings[0].encoded.matrix.y
    first = n - round(n * share)
    kept = run.select(run.heads["idx"]["kspace_encode_step_1"] >= first)
    return (kept,), with_lines(header, Limit(minimum=first, maximum=n - 1, center=n // 2))


RECIPES: dict[str, tuple[int, Recipe]] = {
    "fft": (1, FftRecipe()),
    "grappa": (2, GrappaRecipe()),
    "sense": (2, SenseRecipe()),
    "l1-wavelet": (2, L1WaveletRecipe()),
    "auto": (2, AutoRecipe()),
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_method_completes_a_partial_scan_by_itself_and_says_so(name: str) -> None:
    step, recipe = RECIPES[name]
    scan = _partial(0.625, step=step, calibration_lines=24 if step > 1 else 0)
    made = undersampled.run(scan, recipe)
    zeros = undersampled.run(scan, recipe.model_copy(update={"partial_fourier": "zero-fill"}))
    ours, theirs = (undersampled.error(each.pixels, undersampled.whole()) for each in (made, zeros))
    assert ours < 0.6 * theirs
    assert any("the rest is completed by pocs" in note for note in made.notes)
    assert any("filled with zeros, as the recipe says" in note for note in zeros.notes)


def test_an_asymmetric_echo_is_completed_after_the_oversampling_is_cut() -> None:
    (run,), header = head_phantom(replace(undersampled.HEAD, noise=0.0))
    late = resampled(run, run.samples[..., 72:], center_sample=96 - 72)
    errors = {
        how: undersampled.error(
            undersampled.run(((late,), header), FftRecipe(partial_fourier=how)).pixels, undersampled.whole()
        )
        for how in ("zero-fill", "homodyne", "pocs", "auto")
    }
    assert errors["auto"] == errors["pocs"] < 0.6 * errors["zero-fill"]
    assert errors["homodyne"] < 0.6 * errors["zero-fill"]


def test_an_image_in_units_of_its_noise_knows_of_the_window() -> None:
    scan = undersampled.undersampled(1, calibration_lines=0)
    kinds = (ImageKind.MAGNITUDE, ImageKind.NOISE)
    plain, weighed = (
        reconstruct(*scan, FftRecipe(output=kinds, window=name, replicas=30), device="cpu", progress=lambda *_: None)
        for name in ("none", "hann")
    )
    left = float(weighed[1].pixels.mean() / plain[1].pixels.mean())
    (told,) = (note for note in weighed[0].notes if "hann window" in note)
    assert left == pytest.approx(float(told.split(": ")[1].split("%")[0]) / 100, abs=0.02)


@pytest.mark.parametrize("name", ["hann", "tukey", "fermi"])
def test_windows_are_one_at_the_centre_fall_to_the_edge_and_are_symmetric(name: str) -> None:
    weights = window(name, Side(0, 64, 65), width=0.4)
    assert float(weights[32]) == pytest.approx(1, abs=0.01)
    assert float(weights[0]) < 0.01
    torch.testing.assert_close(weights, weights.flip(0))
    assert bool((weights.diff()[:32] >= 0).all())


def test_a_window_takes_ringing_away() -> None:
    (run,), header = head_phantom(replace(undersampled.HEAD, noise=0.0))
    plain, weighed = (undersampled.run(((run,), header), FftRecipe(window=name)).pixels for name in ("none", "tukey"))
    air = undersampled.whole() < 0.05 * undersampled.whole().max()
    assert weighed[air].mean() < 0.7 * plain[air].mean()
