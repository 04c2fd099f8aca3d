"""Metrics agree with their definitions and with what other implementations give for the same pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.evaluation.metrics import METRICS
from gateway.evaluation.statistics import summarise
from tests.evaluation.pictures import Picture, blurred, rippled, truth

LARGEST = float(truth().max())

FIGURES = {
    # scikit-image 0.26 (win_size=7), torchmetrics 1.9, piq 0.8 (chromatic=False) on these pictures, cut to the range
    "rippled": {"ssim": 0.8019262, "psnr": 31.5085127, "vif": 0.5588165, "fsim": 0.8807109},
    "blurred": {"ssim": 0.8635212, "psnr": 24.3484761, "vif": 0.4090390, "fsim": 0.8067045},
}


def _measured(name: str, image: Picture) -> float:
    return METRICS[name].measure(image, truth(), LARGEST)


@pytest.mark.parametrize(("picture", "figures"), FIGURES.items())
def test_other_implementations_give_the_same_figures(picture: str, figures: dict[str, float]) -> None:
    image = np.clip({"rippled": rippled, "blurred": blurred}[picture](), 0, LARGEST)
    assert {name: _measured(name, image) for name in figures} == pytest.approx(figures, rel=1e-4)


@pytest.mark.parametrize("name", METRICS)
def test_the_truth_itself_is_perfect(name: str) -> None:
    perfect = {"psnr": math.inf, "nqm": math.inf}.get(name, 1.0 if METRICS[name].better == "higher" else 0.0)
    assert _measured(name, truth()) == pytest.approx(perfect)


@pytest.mark.parametrize("name", METRICS)
def test_a_larger_error_is_worse(name: str) -> None:
    errors = rippled() - truth()
    values = [_measured(name, truth() + share * errors) for share in (0.2, 0.5, 1.0, 2.0)]
    worse = sorted(values, reverse=METRICS[name].better == "higher")
    assert values == worse
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", METRICS)
def test_the_unit_of_the_image_does_not_matter(name: str) -> None:
    scaled = METRICS[name].measure(rippled() * 1e-9, truth() * 1e-9, LARGEST * 1e-9)
    assert scaled == pytest.approx(_measured(name, rippled()), rel=1e-6)


def test_the_normalised_error_of_an_empty_image_is_one() -> None:
    assert _measured("nmse", np.zeros_like(truth())) == pytest.approx(1)
    assert _measured("hfen", np.zeros_like(truth())) == pytest.approx(1)


def test_the_peak_is_set_against_the_error() -> None:
    assert _measured("psnr", truth() + LARGEST / 100) == pytest.approx(40)


def test_noise_in_air_does_not_count_over_the_object() -> None:
    air = truth() < 6
    noisy = truth() + 10 * air
    assert _measured("nrmse_object", noisy) == 0
    assert _measured("nrmse", noisy) > 0.05


def test_an_interval_covers_the_mean_of_the_volumes_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        one = summarise(random.normal(size=30).tolist())
        assert one.low is not None
        assert one.high is not None
        covered += one.low <= 0 <= one.high
    assert 180 <= covered <= 198, "of 200, 95 %: five standard deviations"


def test_one_volume_has_no_interval() -> None:
    one = summarise([0.25])
    assert (one.mean, one.low, one.high, one.n) == (0.25, None, None, 1)
