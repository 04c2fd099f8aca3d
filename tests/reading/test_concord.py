"""Agreement of readers and preferences: published examples, other implementations, and laws."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from gateway.model.ids import JobId, RecordingId
from gateway.model.reading import Criterion, Design, Study, StudyImage
from gateway.reading.agreement import kappa_interval, mean_kappa, weighted_kappa
from gateway.reading.beta import beta_share, f_quantile
from gateway.reading.cases import cases_of, turned
from gateway.reading.intraclass import intraclass
from gateway.reading.outcome import outcome_of
from gateway.reading.paired import share_interval, shift, sign_test, signed_rank

SHROUT_FLEISS = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))
"""Six subjects, four judges: table 2 of Shrout and Fleiss (1979)."""
COUNTS = np.array([[11, 3, 1, 0], [2, 9, 4, 1], [1, 3, 12, 4], [0, 1, 2, 10]])
"""What two readers gave 64 images, on four points."""
positive = st.floats(0.5, 300)


def test_the_published_subjects_and_judges_have_their_published_correlations() -> None:
    found = intraclass(SHROUT_FLEISS)
    assert found is not None
    assert (round(found.single, 2), round(found.mean, 2), round(found.order, 2)) == (0.29, 0.62, 0.71)
    assert [round(one, 2) for one in (found.single_low, found.single_high, found.mean_low, found.mean_high)] == [
        0.02,
        0.76,
        0.07,
        0.93,
    ], "as pingouin 0.7.0 and psych have them"


def test_readers_who_agree_have_one_and_readers_who_see_no_difference_nought() -> None:
    same, none = intraclass([(1, 1), (2, 2), (4, 4)]), intraclass([(1, 2), (1, 2), (1, 2)])
    assert same is not None
    assert none is not None
    assert (same.single, same.single_low, same.mean, same.order) == (1, 1, 1, 1)
    assert (none.single, none.mean) == (0, 0)
    assert intraclass([(3, 3), (3, 3)]) is None
    assert intraclass([(3, 4)]) is intraclass([(3,), (4,)]) is intraclass([]) is None


tables = st.integers(2, 4).flatmap(lambda k: st.lists(st.tuples(*[st.integers(1, 5)] * k), min_size=2, max_size=8))


@given(tables)
def test_an_estimate_lies_within_its_interval_and_within_its_bounds(table: list[tuple[int, ...]]) -> None:
    found = intraclass(table)
    if found is None:
        assert len({one for row in table for one in row}) == 1
        return
    for low, value, high in (
        (found.single_low, found.single, found.single_high),
        (found.mean_low, found.mean, found.mean_high),
    ):
        assert -1 <= low <= high <= 1
        assert -1 <= value <= 1
        if found.single > 0:
            assert low - 1e-9 <= value <= high + 1e-9


def test_nineteen_of_twenty_intervals_hold_the_true_correlation() -> None:
    random, held, true = np.random.default_rng(5), 0, 1 / (1 + 0.3 + 0.7)
    for _ in range(100):
        images, readers = random.normal(0, 1, (20, 1)), random.normal(0, 0.3**0.5, (1, 5))
        found = intraclass((images + readers + random.normal(0, 0.7**0.5, (20, 5))).tolist())
        assert found is not None
        held += found.single_low <= true <= found.single_high
    assert stats.binomtest(held, 100, 0.95).pvalue > 0.001


@settings(max_examples=60)
@given(st.floats(0.001, 0.999), positive, positive)
def test_quantiles_and_shares_are_those_of_scipy(p: float, a: float, b: float) -> None:
    assert beta_share(p, a, b) == pytest.approx(stats.beta.cdf(p, a, b), abs=1e-9)
    assert stats.f.cdf(f_quantile(p, 2 * a, 2 * b), 2 * a, 2 * b) == pytest.approx(p, abs=1e-8)


def test_the_interval_of_kappa_is_that_of_statsmodels() -> None:
    pairs = [(i + 1, j + 1) for i, j in product(range(4), repeat=2) for _ in range(COUNTS[i, j])]
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    assert weighted_kappa(first, second, 4) == pytest.approx(0.7672727)
    assert kappa_interval(first, second, 4) == pytest.approx((0.6492039, 0.8853416)), "cohens_kappa, statsmodels 0.15.0"
    assert mean_kappa(pairs, 4) == weighted_kappa(first, second, 4)
    assert kappa_interval([2, 2], [2, 2], 4) is None
    assert kappa_interval([1, 2], [1, 2], 4) == (1, 1)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_and_its_interval_are_those_of_the_binomial(better: int, worse: int) -> None:
    assert sign_test(better, worse) == sign_test(worse, better)
    if better + worse:
        other = stats.binomtest(better, better + worse)
        assert sign_test(better, worse) == pytest.approx(other.pvalue)
        assert share_interval(better, better + worse) == pytest.approx(tuple(other.proportion_ci()), abs=1e-9)
    else:
        assert sign_test(0, 0) == 1


@given(st.lists(st.floats(-5, 5).filter(lambda one: abs(one) > 1e-3), min_size=6, max_size=12, unique=True))
def test_the_interval_of_a_shift_holds_what_the_test_does_not_refuse(differences: list[float]) -> None:
    found = shift(differences)
    assert found is not None
    estimate, low, high = found
    assert low <= estimate <= high
    for inside in np.linspace(low, high, 5)[1:-1]:
        assert signed_rank([one - inside for one in differences]) > 0.05
    for beyond in (low - 0.01, high + 0.01):
        assert signed_rank([one - beyond for one in differences]) < 0.05


def test_five_scans_are_too_few_for_an_interval() -> None:
    assert shift([1, 2, 3, 4, 5]) is None


def study(
    *, n_scans: int = 6, recipes: str = "abc", points: int = 3, repeats: int = 0
) -> tuple[Study, list[StudyImage]]:
    """A study of pairs, all images made."""
    each = [(f"scan {n}", recipe) for n in range(n_scans) for recipe in recipes]
    images = [
        StudyImage(
            code=f"{number:032x}",
            number=number,
            scan=RecordingId(scan),
            recipe=recipe,
            job=JobId(number),
            state="DONE",
            reason="",
        )
        for number, (scan, recipe) in enumerate(each, 1)
    ]
    made = Study(
        id=1,
        name="pairs",
        criteria=(Criterion(name="noise", question="?", worst="", best=""),),
        design=Design.PAIRS,
        points=points,
        repeats=repeats,
        project="",
        seed="seed",
        made_by="admin",
        made_at=datetime(2026, 3, 1, tzinfo=UTC),
        closed_at=None,
    )
    return made, images


def test_every_two_recipes_of_a_scan_are_a_pair_and_stand_left_as_often_as_each_other() -> None:
    plan, images = study(n_scans=6, recipes="abc", repeats=5)
    cases = cases_of(plan, images)
    once = [one for one in cases if not one.repeats]
    assert len({one.code for one in cases}) == len(cases) == 6 * 3 + 5
    assert {(one.scan, one.recipes) for one in once} == {
        (f"scan {n}", pair) for n in range(6) for pair in ("a\0b", "a\0c", "b\0c")
    }
    for reader in ("anna", "bert"):
        left = turned(plan.seed, reader, cases)
        for pair in ("a\0b", "a\0c", "b\0c"):
            assert sum(one.code in left for one in once if one.recipes == pair) == 3
        assert all((one.code in left) != (one.repeats in left) for one in cases if one.repeats)
    assert turned(plan.seed, "anna", cases) != turned(plan.seed, "bert", cases)
    assert cases == cases_of(plan, images)


def test_what_all_prefer_is_found_and_a_side_that_is_preferred_too() -> None:
    plan, images = study(n_scans=8, recipes="ab", repeats=4)
    cases = cases_of(plan, images)
    always_left = turned(plan.seed, "bert", cases)
    given_ = {"noise": {one.code: {"anna": 1, "bert": 3 if one.code in always_left else 1, "carl": 2} for one in cases}}
    found = outcome_of(plan, cases, given_, ("anna", "bert", "carl"))
    (one,) = found.preferences
    assert (one.first, one.second, one.n_first, one.n_same, one.n_second) == ("a", "b", 8 + 4, 8, 4)
    assert (one.n_scans, one.n_scans_first, one.n_scans_second, one.share) == (8, 4, 0, 1)
    assert (one.p_sign, one.p) == (sign_test(4, 0), signed_rank([2 / 3] * 4 + [0] * 4))
    sides = {side.reader: (side.n_left, side.n_right) for side in found.sides}
    assert sides == {"anna": (6, 6), "bert": (12, 0), "carl": (0, 0)}
    assert {one.reader: one.same for one in found.repeatability} == {"anna": 1, "bert": 0, "carl": 1}
    assert (len(found.summaries), len(found.comparisons)) == (0, 0)
