"""Virtual coils hold what the real ones saw; geometric ones need fewer for it, and leave the image as it is."""

from __future__ import annotations

import itertools
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from gateway.model.recipes import CgSenseRecipe, GrappaRecipe, SenseRecipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.compression import Compression, by_svd, geometric
from gateway.recon.kspace import sort_cartesian
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.space import Target, target_of
from tests.recon.laws import relative_error
from tests.recon.undersampled import error, run, undersampled, whole

MANY = PhantomScan(n_slices=1, n_coils=16, matrix=Zyx(z=1, y=96, x=96), noise=0.002, seed=1)


@lru_cache(maxsize=1)
def _calibration() -> tuple[torch.Tensor, Target]:
    acquisition, header = head_phantom(MANY)
    sorter = sort_cartesian(acquisition, header, recipe="fft")
    return sorter.frames(0, 1).samples[0][:, :, 36:60], target_of(sorter.lines.encoding)


def _made(how: str, n: int) -> Compression:
    block, target = _calibration()
    return by_svd([block], n) if how == "svd" else geometric([block], n, target)


@pytest.mark.parametrize("how", ["svd", "geometric"])
def test_virtual_coils_are_orthonormal_so_that_white_noise_stays_white(how: str) -> None:
    coils = _made(how, 6).coils
    torch.testing.assert_close(coils @ coils.mH, torch.eye(6, dtype=torch.complex64).expand(*coils.shape[:-1], 6))


def test_geometric_coils_hold_more_of_the_signal_than_as_many_others() -> None:
    lost = {how: 1 - _made(how, 4).kept for how in ("svd", "geometric")}
    assert lost["geometric"] < lost["svd"] / 3


def test_neighbours_along_the_readout_are_aligned() -> None:
    coils = _made("geometric", 4).coils
    for one, beside in itertools.pairwise(coils[30:61]):
        torch.testing.assert_close((beside @ one.mH).diagonal().real, torch.ones(4), atol=0.1, rtol=0)


@pytest.mark.parametrize("how", ["svd", "geometric"])
def test_all_coils_turned_are_all_coils(how: str) -> None:
    block, target = _calibration()
    made = _made(how, 16)
    power = made.to_hybrid(block, target).abs().square().sum(dim=0)
    plain = Compression(coils=torch.eye(16, dtype=torch.complex64), kept=1.0).to_hybrid(block, target)
    assert relative_error(power, plain.abs().square().sum(dim=0)) < 1e-5
    assert made.kept == pytest.approx(1)


@pytest.mark.parametrize("recipe", [GrappaRecipe, SenseRecipe, CgSenseRecipe])
@pytest.mark.parametrize("compression", ["svd", "geometric"])
def test_fewer_coils_unfold_as_well(
    recipe: type[GrappaRecipe | SenseRecipe | CgSenseRecipe], compression: Literal["svd", "geometric"]
) -> None:
    scan, truth = undersampled(3, scan=MANY), whole(MANY)
    few = run(scan, recipe(virtual_coils=8, compression=compression))
    assert error(few.pixels, truth) < 1.2 * error(run(scan, recipe()).pixels, truth) + 0.005
    how = {"svd": "by SVD", "geometric": "geometrically"}[compression]
    assert any(f"16 coils compressed to 8 {how}; " in note for note in few.notes)


@pytest.mark.parametrize("recipe", [SenseRecipe, GrappaRecipe])
def test_coils_that_turn_along_the_readout_leave_no_hole(
    recipe: type[SenseRecipe | GrappaRecipe], shared_data: Path
) -> None:
    """A combination that sees everything is learned of real coils: no combination of turning ones does."""
    recording = read_scan(shared_data / "mrd" / "brain_16ch_r2_acs20.h5")
    scan = recording.acquisition, parse_header(recording.header_xml)
    whole_image = run(scan, recipe()).pixels
    inside = whole_image > 0.3 * np.percentile(whole_image, 99)
    for n_virtual in (6, 8, 12):
        few = run(scan, recipe(virtual_coils=n_virtual, compression="geometric")).pixels
        assert (few[inside] / whole_image[inside]).min() > 0.9
