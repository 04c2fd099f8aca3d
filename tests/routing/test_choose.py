"""The choice: first rule that fits, the client's wish as a key and nothing else, and always a reason."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from gateway.model.destinations import FolderDestination
from gateway.model.errors import NoRoute
from gateway.model.header import Encoding, Measurement, ScanHeader, Sequence, Space, Study, System
from gateway.model.match import Match, Range
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from gateway.model.zyx import Zyx
from gateway.routing.choose import choose, explain
from gateway.routing.facts import NUMBERS, Facts, facts_of, facts_told

SPACE = Space(matrix=Zyx(z=1, y=64, x=64), fov_mm=Zyx(z=5.0, y=240.0, x=240.0))
RADIAL = Encoding(trajectory="radial", encoded=SPACE, recon=SPACE, acceleration=Zyx(z=2.0, y=3.0, x=1.0))

TEXTS = st.sampled_from(["brain", "BRAIN t2", "knee", "*", "?", ""]) | st.text(max_size=4)
GLOBS = st.sampled_from([None, "*", "brain", "*brain*", "b*", "[bk]*", "knee", "?*", "*", "[*]"]) | st.text(max_size=3)
NUMBER = st.sampled_from([0.0, 1.5, 3.0, 7.0]) | st.floats(0, 10)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    low, high = sorted([draw(NUMBER), draw(NUMBER)])
    ends = {"at_least": low, "at_most": high}
    return Range(**{end: ends[end] for end in draw(st.sampled_from([("at_least",), ("at_most",), tuple(ends)]))})


MATCHES = st.builds(
    Match,
    protocol=GLOBS,
    vendor=GLOBS,
    recipe_asked=st.sampled_from([None, "*", "fft", "old*"]),
    field_strength_t=st.none() | ranges(),
    acceleration=st.none() | ranges(),
)
FACTS = st.builds(
    Facts,
    protocol=st.none() | TEXTS,
    vendor=st.none() | TEXTS,
    recipe_asked=st.none() | st.sampled_from(["fft", "other", "old.xml", "default", "nobody's"]),
    field_strength_t=st.none() | NUMBER,
    acceleration=st.none() | NUMBER,
)


def routes(*rules: Rule, recipes: tuple[str, ...] = ("fft", "other")) -> Routes:
    folders = {name: FolderDestination(path=Path(name)) for name in ("pacs", "archive", "research")}
    return Routes(recipes={name: FftRecipe() for name in recipes}, destinations=folders, rules=rules)


def rule(name: str = "everything", *, to: tuple[str, ...] = ("archive",), **patterns: str | Range | None) -> Rule:
    return Rule(name=name, match=Match.model_validate(patterns), recipe="fft", destinations=to)


def _takes(match: Match, facts: Facts) -> bool:
    table = routes(Rule(name="narrow", match=match, recipe="fft", destinations=("archive",)))
    return explain(table, facts).verdicts[0].misfits == ()


def _possible(matches: list[Match]) -> list[Rule]:
    """Rules of which none hides another."""
    rules: list[Rule] = []
    for number, match in enumerate(matches):
        if not any(above.match.covers(match) for above in rules):
            rules.append(Rule(name=f"rule {number}", match=match, recipe="fft", destinations=("pacs",)))
    return rules


@given(st.lists(MATCHES, min_size=1, max_size=8), FACTS)
def test_the_explanation_and_the_choice_always_agree(matches: list[Match], facts: Facts) -> None:
    table = routes(*_possible(matches))
    explanation = explain(table, facts)
    fitting = [verdict.rule for verdict in explanation.verdicts if not verdict.misfits]
    assert [verdict.rule for verdict in explanation.verdicts] == [rule.name for rule in table.rules]
    if explanation.choice is not None:
        assert explanation.choice == choose(table, facts)
        assert explanation.choice.rule.name == fitting[0]
        return
    with pytest.raises(NoRoute) as refusal:
        choose(table, facts)
    assert explanation.refusal == str(refusal.value)
    assert not fitting or facts.recipe_asked not in (*table.recipes, "default", None)


@given(MATCHES, MATCHES, FACTS)
def test_a_rule_that_covers_another_takes_every_scan_of_it(wide: Match, narrow: Match, facts: Facts) -> None:
    if wide.covers(narrow) and _takes(narrow, facts):
        assert _takes(wide, facts)


@given(FACTS)
def test_facts_told_as_text_are_read_again(facts: Facts) -> None:
    assert facts_told(facts.told()) == facts


def test_facts_that_rules_do_not_know_are_passed_over() -> None:
    assert facts_told({"protocol": "t2", "birth_date": "1970-01-01"}) == Facts(protocol="t2")


@pytest.mark.parametrize(
    ("at_least", "at_most", "fact", "fits"),
    [
        (2.5, 3.5, 2.5, True),
        (2.5, 3.5, 3.5, True),
        (2.5, 3.5, 2.49, False),
        (2.5, 3.5, 3.51, False),
        (2.5, None, 7.0, True),
        (None, 3.5, 0.0, True),
        (None, 3.5, None, False),
        (2.5, 3.5, float("nan"), False),
    ],
)
def test_the_ends_of_a_range_belong_to_it(
    at_least: float | None, at_most: float | None, fact: float | None, fits: bool
) -> None:
    match = Match(field_strength_t=Range(at_least=at_least, at_most=at_most))
    assert _takes(match, Facts(field_strength_t=fact)) is fits


def test_a_number_that_does_not_fit_is_told_with_its_range() -> None:
    table = routes(rule(field_strength_t=Range(at_least=2.5), acceleration=Range(at_least=1, at_most=2)))
    (verdict,) = explain(table, Facts(field_strength_t=1.5, acceleration=6.0)).verdicts
    assert verdict.misfits == (
        "field_strength_t 1.5 does not fit at least 2.5",
        "acceleration 6 does not fit 1 to 2",
    )


def test_of_many_rules_the_story_tells_the_first() -> None:
    table = routes(*(rule(f"rule {number}", protocol=f"p{number}") for number in range(1000)))
    choice = choose(table, Facts(protocol="p999"))
    assert choice.why[-2:] == ("979 more rules do not fit", "rule 'rule 999': matched")
    assert len(choice.why) == 22


def test_every_field_that_a_rule_can_match_is_a_fact_and_the_other_way_round() -> None:
    assert {field.name for field in fields(Facts)} == set(Match.model_fields)


def test_facts_come_from_their_places_in_the_header() -> None:
    header = ScanHeader(
        encodings=(RADIAL,),
        system=System(
            vendor="ACME",
            model="M1",
            station_name="MR3",
            institution_name="Clinic",
            field_strength_t=2.89,
            receiver_channels=32,
        ),
        measurement=Measurement(protocol_name="t2 brain", sequence_name="tse", patient_position="HFS"),
        study=Study(body_part="HEAD", description="Brain"),
    )
    assert facts_of(header, source="10.0.0.7", recipe_asked="other") == Facts(
        vendor="ACME",
        model="M1",
        station="MR3",
        institution="Clinic",
        field_strength_t=2.89,
        n_coils=32.0,
        acceleration=6.0,
        protocol="t2 brain",
        sequence="tse",
        trajectory="radial",
        body_part="HEAD",
        patient_position="HFS",
        study_description="Brain",
        source="10.0.0.7",
        recipe_asked="other",
    )


def test_the_sequence_type_stands_in_for_a_sequence_without_name() -> None:
    header = ScanHeader(encodings=(RADIAL,), sequence=Sequence(sequence_type="Flash"))
    assert facts_of(header, source="", recipe_asked="").sequence == "Flash"


def test_empty_text_in_the_header_counts_as_not_known() -> None:
    header = ScanHeader(encodings=(), system=System(vendor=""), measurement=Measurement(protocol_name=""))
    assert facts_of(header, source="", recipe_asked="") == Facts()


def test_the_first_rule_that_fits_decides_and_later_ones_are_not_looked_at() -> None:
    table = routes(rule("spine", protocol="spine*"), rule("brain", to=("pacs",), protocol="*brain*"), rule())
    choice = choose(table, Facts(protocol="T2 Brain"))
    assert choice.rule.name == "brain"
    assert choice.why == ("rule 'spine': protocol 'T2 Brain' does not fit 'spine*'", "rule 'brain': matched")


def test_destinations_come_in_the_order_of_the_rule() -> None:
    choice = choose(routes(rule(to=("research", "archive"))), Facts())
    assert list(choice.destinations.items()) == [
        ("research", FolderDestination(path=Path("research"))),
        ("archive", FolderDestination(path=Path("archive"))),
    ]


def test_all_patterns_of_a_rule_must_fit() -> None:
    table = routes(rule(vendor="acme", protocol="t2*"))
    assert choose(table, Facts(vendor="ACME", protocol="T2 tse")).rule.name == "everything"
    with pytest.raises(NoRoute, match="protocol 'gre' does not fit 't2\\*'"):
        choose(table, Facts(vendor="ACME", protocol="gre"))


@pytest.mark.parametrize(
    ("pattern", "fact", "fits"),
    [
        ("t2*", "T2_TSE", True),
        ("T2*", "t2_tse", True),
        ("t2", "t2_tse", False),
        ("t?w", "T1W", True),
        ("t?w", "tw", False),
        ("t[12]*", "T1 gre", True),
        ("t[!12]*", "T1 gre", False),
        ("*", "anything", True),
        ("*", None, True),
        ("**", None, False),
        ("?*", None, False),
        ("t2*", None, False),
        (None, None, True),
        (None, "anything", True),
        ("a.c", "abc", False),
        ("t1+t2", "t1+t2", True),
        ("*\n*", "two\nlines", True),
    ],
)
def test_a_pattern_is_a_glob_without_case(pattern: str | None, fact: str | None, fits: bool) -> None:
    assert _takes(Match(protocol=pattern), Facts(protocol=fact)) is fits


@given(st.text(min_size=1), st.sampled_from(sorted(Match.model_fields.keys() - NUMBERS)))
def test_no_fact_from_the_wire_breaks_the_choice(text: str, field: str) -> None:
    facts, impossible = facts_told({field: text}), Match.model_validate({field: "?*" * 600 + "x"})
    with pytest.raises(NoRoute) as fault:
        choose(routes(rule().model_copy(update={"match": impossible})), facts)
    assert len(str(fault.value)) < 3_000
    assert str(fault.value).isprintable()


@pytest.mark.parametrize("asked", ["", "default"])
def test_a_client_without_a_wish_gets_the_rules_recipe(asked: str) -> None:
    choice = choose(routes(rule(), recipes=("fft", "default")), Facts(recipe_asked=asked or None))
    assert choice.recipe_name == "fft"


def test_a_client_may_ask_for_a_recipe_by_name_and_the_rule_keeps_the_destinations() -> None:
    choice = choose(routes(rule(to=("pacs",))), Facts(recipe_asked="other"))
    assert (choice.recipe_name, choice.recipe, list(choice.destinations)) == ("other", FftRecipe(), ["pacs"])
    assert choice.why[-1] == "the client asked for recipe 'other'"


def test_a_rule_may_give_a_meaning_to_a_name_that_is_no_recipe() -> None:
    table = routes(rule("old scanner", recipe_asked="simplefft.xml"), rule())
    choice = choose(table, Facts(recipe_asked="simplefft.xml"))
    assert (choice.rule.name, choice.recipe_name) == ("old scanner", "fft")
    assert choice.why[-1] == "rule 'old scanner' takes 'simplefft.xml' to mean recipe 'fft'"


@pytest.mark.parametrize("asked", ["os", "../../etc/passwd", "FFT", "fft ", "A" * 1023])
def test_an_unknown_recipe_is_refused_with_the_names_that_are_known(asked: str) -> None:
    with pytest.raises(NoRoute, match=r"known are: fft, other$"):
        choose(routes(rule()), Facts(recipe_asked=asked))


def test_a_scan_that_fits_no_rule_is_told_why_for_each() -> None:
    table = routes(rule("brain", protocol="*brain*"), rule("ours", vendor="ACME"))
    with pytest.raises(NoRoute) as fault:
        choose(table, Facts(protocol="knee"))
    assert str(fault.value) == (
        "no rule matches; rule 'brain': protocol 'knee' does not fit '*brain*'; "
        "rule 'ours': vendor (not known) does not fit 'ACME'"
    )
    assert fault.value.held
