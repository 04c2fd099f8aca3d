"""A factor that was calibrated on some images holds nine of ten pixels in nine of ten others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from gateway.evaluation.compare import magnitude
from gateway.evaluation.conformal import FEWEST, IMAGES, Held, calibrated, factor_of, score_of
from gateway.model.errors import BadModel, WrongCall
from gateway.model.recipes import FftRecipe
from gateway.model.training_data import ProceduralData
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan
from gateway.training.as_scan import drawn_scans
from gateway.zoo.folder import CARD, read_folder, with_calibration
from gateway.zoo.zoo import SHIPPED
from tests.recordings import put_phantom
from tests.running import gateway


def test_the_score_is_the_factor_that_holds_nine_of_ten_pixels() -> None:
    ratios = np.arange(1.0, 1001.0) / 10
    assert (ratios <= score_of(ratios)).mean() == pytest.approx(0.9, abs=0.001)


def test_the_coverage_that_is_stated_holds_on_images_that_were_held_out() -> None:
    """Scores of any continuous distribution: the share of held-out images lies within three standard errors."""
    random, n_trials = np.random.default_rng(0), 600
    held = []
    for _ in range(n_trials):
        scores = random.lognormal(0, 0.4, 30)
        held.append(scores[-1] <= factor_of(scores[:-1].tolist()))
    error = 3 * (IMAGES * (1 - IMAGES) / n_trials) ** 0.5
    assert IMAGES - error <= np.mean(held) <= IMAGES + 1 / 30 + error


def test_few_images_take_the_largest_score_and_fewer_are_refused() -> None:
    scores = [1.0 + n / 10 for n in range(FEWEST)]
    assert calibrated(scores).factor == max(scores)
    with pytest.raises(WrongCall, match="too few"):
        calibrated(scores[:-1])


def test_the_factor_goes_into_the_sites_card_and_never_into_one_that_ships(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="ships with the gateway"):
        with_calibration(read_folder(SHIPPED / "heads"), 2.5, None, within=tmp_path)
    shutil.copytree(SHIPPED / "heads", tmp_path / "heads")
    before = (tmp_path / "heads" / CARD).read_text()
    with_calibration(read_folder(tmp_path / "heads"), 2.5, None, within=tmp_path)
    assert read_folder(tmp_path / "heads").card.uncertainty_factor == 2.5
    assert before.splitlines()[:3] == (tmp_path / "heads" / CARD).read_text().splitlines()[:3]


def test_the_command_tells_a_factor_and_what_it_holds(tmp_path: Path) -> None:
    head = PhantomScan(n_slices=5, n_coils=6, matrix=Zyx(z=1, y=64, x=64), noise=0.02, seed=1)
    put_phantom(tmp_path / "head.h5", head)
    masks = ("--mask", "equispaced:2:16", "--mask", "equispaced:3:16")
    done = gateway("models", "calibrate", "heads", tmp_path / "head.h5", *masks)
    assert done.returncode == 0, done.stderr
    name, _, rest = done.stdout.partition(" = ")
    assert name == "uncertainty_factor"
    assert 0.3 < float(rest.split()[0]) < 20
    assert "of 10 images" in rest


def test_what_other_scans_hold_is_told_with_the_interval_of_a_share() -> None:
    low, high = Held(n_held=9, n_images=10, pixels=0.9).interval
    assert (low, high) == pytest.approx((0.596, 0.982), abs=0.001)  # Wilson's, of nine of ten


def test_a_drawn_head_is_a_scan_of_every_line_whose_truth_has_no_noise() -> None:
    data = ProceduralData(matrix=(64,), n_coils=(4,), quietest=0.02, noisiest=0.02)
    (one,), (again,) = (list(drawn_scans(1, data, seed=1)) for _ in range(2))
    assert (one.noisy[0].samples == again.noisy[0].samples).all()
    noisy, clean = (magnitude(each, one.header, FftRecipe(), "cpu")[0] for each in (one.noisy, one.clean))
    assert np.corrcoef(noisy.ravel(), clean.ravel())[0, 1] > 0.95
    corner = np.s_[:6, :6]
    assert noisy[corner].mean() > 3 * clean[corner].mean()
