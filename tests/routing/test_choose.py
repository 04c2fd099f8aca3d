"""The choice: first rule that fits, the client's wish as a key and nothing else, and always a reason."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from gateway.model.errors import NoRoute
from gateway.model.header import Encoding, Measurement, ScanHeader, Sequence, Space, Study, System
from gateway.model.route import FftRecipe, FolderDestination, Match, Routes, Rule
from gateway.model.zyx import Zyx
from gateway.routing.choose import Facts, choose, facts_of

SPACE = Space(matrix=Zyx(z=1, y=64, x=64), fov_mm=Zyx(z=5.0, y=240.0, x=240.0))
RADIAL = Encoding(trajectory="radial", encoded=SPACE, recon=SPACE)


def routes(*rules: Rule, recipes: tuple[str, ...] = ("fft", "other")) -> Routes:
    folders = {name: FolderDestination(path=Path(name)) for name in ("pacs", "archive", "research")}
    return Routes(recipes={name: FftRecipe() for name in recipes}, destinations=folders, rules=rules)


def rule(name: str = "everything", *, to: tuple[str, ...] = ("archive",), **patterns: str | None) -> Rule:
    return Rule(name=name, match=Match(**patterns), recipe="fft", destinations=to)


def test_every_field_that_a_rule_can_match_is_a_fact_and_the_other_way_round() -> None:
    assert {field.name for field in fields(Facts)} == set(Match.model_fields)


def test_facts_come_from_their_places_in_the_header() -> None:
    header = ScanHeader(
        encodings=(RADIAL,),
        system=System(vendor="ACME", model="M1", station_name="MR3", institution_name="Clinic"),
        measurement=Measurement(protocol_name="t2 brain", sequence_name="tse", patient_position="HFS"),
        study=Study(body_part="HEAD", description="Brain"),
    )
    assert facts_of(header, source="10.0.0.7", recipe_asked="other") == Facts(
        vendor="ACME",
        model="M1",
        station="MR3",
        institution="Clinic",
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
    table = routes(rule("narrow", protocol=pattern), rule("wide"))
    assert (choose(table, Facts(protocol=fact)).rule.name == "narrow") is fits


@given(st.text(min_size=1), st.sampled_from(sorted(Match.model_fields)))
def test_no_fact_from_the_wire_breaks_the_choice(text: str, field: str) -> None:
    facts, impossible = Facts(**{field: text}), Match.model_validate({field: "?*" * 600 + "x"})
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
