"""Orders that can be found again, and numbers that agree with published examples and other implementations."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from gateway.reading.agreement import krippendorff_alpha, weighted_kappa
from gateway.reading.order import blind_order
from gateway.reading.paired import holm, signed_rank

IMAGES = [(f"{scan}-{recipe}", scan, recipe) for scan in ("s1", "s2", "s3", "s4", "s5", "s6") for recipe in "abc"]

PUBLISHED = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3),
    (nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan),
)
"""Four observers, twelve units: section C of Krippendorff, Computing Krippendorff's alpha-reliability (2011)."""


def test_the_published_example_has_its_published_alpha() -> None:
    units = [[int(one) for one in unit if one == one] for unit in zip(*PUBLISHED, strict=True)]  # noqa: PLR0124 - nan
    assert krippendorff_alpha(units, 5) == pytest.approx(0.815, abs=0.0005)


def test_alpha_is_one_where_all_agree_and_not_defined_where_nothing_could_disagree() -> None:
    assert krippendorff_alpha([[1, 1], [5, 5], [3, 3]], 5) == 1
    assert krippendorff_alpha([[3, 3], [3, 3]], 5) is None
    assert krippendorff_alpha([[1], [5]], 5) is None


def kappa_by_pairs(first: list[int], second: list[int]) -> float:
    """Cohen's definition without a table: mean disagreement over that of everybody with everybody."""
    seen = np.mean([(a - b) ** 2 for a, b in zip(first, second, strict=True)])
    return float(1 - seen / np.mean([(a - b) ** 2 for a, b in product(first, second)]))


scores = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=30)


@given(scores)
def test_weighted_kappa_is_what_its_definition_says(pairs: list[tuple[int, int]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = weighted_kappa(first, second, 5)
    if found is None:
        assert len(set(first + second)) == 1
    else:
        assert found == pytest.approx(kappa_by_pairs(first, second))


def test_readers_who_always_say_the_opposite_agree_less_than_by_chance() -> None:
    assert weighted_kappa([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], 5) == pytest.approx(-1)
    assert weighted_kappa([2, 2], [2, 2], 5) is None


def by_all_signs(differences: list[float]) -> float:
    """Count every sign change of the ranks."""
    some = np.array([one for one in differences if one])
    ranks = stats.rankdata(np.abs(some))
    found = ranks[some > 0].sum()
    sums = np.array([np.dot(signs, ranks) for signs in product((0, 1), repeat=len(some))])
    return float(min(1, 2 * min((sums <= found + 1e-9).mean(), (sums >= found - 1e-9).mean())))


@settings(max_examples=60)
@given(st.lists(st.sampled_from([-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]), max_size=9))
def test_the_signed_rank_test_counts_every_sign_change_ties_or_not(differences: list[float]) -> None:
    expected = by_all_signs(differences) if any(differences) else 1.0
    assert signed_rank(differences) == pytest.approx(expected)


@pytest.mark.parametrize("n", [5, 12, 40])
def test_without_ties_it_is_the_exact_test_of_scipy(n: int) -> None:
    differences = list(np.random.default_rng(n).normal(0.4, 1, n))
    assert signed_rank(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_several_tests_are_adjusted_by_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_every_round_of_an_order_has_every_scan_once_and_every_recipe_as_often() -> None:
    order = blind_order("seed", "anna", IMAGES)
    assert sorted(order) == sorted(code for code, _, _ in IMAGES)
    for begin in (0, 6, 12):
        a_round = [code.split("-") for code in order[begin : begin + 6]]
        assert len({scan for scan, _ in a_round}) == 6
        assert Counter(recipe for _, recipe in a_round) == {"a": 2, "b": 2, "c": 2}, "none is seen by fresher eyes"


def test_an_order_depends_on_seed_and_reader_and_on_nothing_else() -> None:
    assert blind_order("seed", "anna", IMAGES) == blind_order("seed", "anna", reversed(IMAGES))
    assert blind_order("seed", "anna", IMAGES) != blind_order("seed", "bert", IMAGES)
    assert blind_order("seed", "anna", IMAGES) != blind_order("other", "anna", IMAGES)


def test_every_recipe_comes_first_as_often_as_any_other() -> None:
    first = Counter(blind_order(str(seed), "anna", IMAGES)[0][-1] for seed in range(600))
    assert stats.chisquare([first[recipe] for recipe in "abc"]).pvalue > 0.001
