"""Faults in TOML: all at once, each with the line on which a person finds it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress

import pytest
import tomlkit
from hypothesis import assume, given, strategies as st

from gateway.model.destinations import PacsDestination
from gateway.model.errors import RoutesFault
from gateway.model.match import Match
from gateway.model.route import Routes
from gateway.routing.advice import advice
from gateway.routing.text import key_places, parse_routes

GOOD = """
[recipes.fft]
method = "fft"

[destinations.pacs]
kind = "pacs"
host = "pacs.example.org"
ae_title = "PACS"
plain = true

[[rules]]
name = "brain"
match.protocol = "*brain*"
recipe = "fft"
destinations = ["pacs"]
"""

BAD = """\
[recipes.fft]
methd = "fft"

[destinations.pacs]
kind = "pacs"
hst = "pacs.example.org"
ae_title = "A TITLE THAT IS TOO LONG"

[destinations.shelf]
kind = "shelf"

[[rules]]
name = "first"
recipe = "fft"
destinations = [
  "pacs",   # an array
  "shelf",  # over lines
]

[[rules]]
name = "second"
destinations = []
series_description = "{patient}"
[rules.match]
protocl = "x"
"""

SHELF = (
    "line 9: destinations.shelf: Input tag 'shelf' found using 'kind' does not match any of the expected tags: "
    "'folder', 'pacs', 'stow'"
)


def faults(text: str) -> list[str]:
    with pytest.raises(RoutesFault) as fault:
        parse_routes(text, source="routes.toml")
    return fault.value.faults


def test_routes_are_what_the_text_says() -> None:
    routes = parse_routes(GOOD, source="routes.toml")
    assert routes.destinations == {"pacs": PacsDestination(host="pacs.example.org", ae_title="PACS", plain=True)}
    assert [(rule.name, rule.match) for rule in routes.rules] == [("brain", Match(protocol="*brain*"))]


def test_all_faults_come_at_once_in_the_order_of_the_lines() -> None:
    assert faults(BAD) == [
        "line 1: recipes.fft: Unable to extract tag using discriminator 'method'",
        "line 4: destinations.pacs.host: is missing",
        "line 6: destinations.pacs.hst: unknown key; did you mean 'host'?",
        "line 7: destinations.pacs.ae_title: String should have at most 16 characters",
        SHELF,
        "line 20: rules.1.recipe: is missing",
        "line 22: rules.1.destinations: Tuple should have at least 1 item after validation, not 0",
        "line 23: rules.1.series_description: {patient} is not known; known are {protocol} and {recipe}",
        "line 25: rules.1.match.protocl: unknown key; did you mean 'protocol'?",
    ]


def test_names_that_nobody_defined_are_told_with_the_line_of_their_rule() -> None:
    text = GOOD.replace('recipe = "fft"', 'recipe = "sense"').replace('["pacs"]', '["pcas"]')
    assert faults(text) == [
        "line 11: rule 'brain' names recipe 'sense', which is not defined",
        "line 11: rule 'brain' names destination 'pcas', which is not defined",
    ]


def test_two_rules_of_one_name_are_refused_at_the_second() -> None:
    again = '\n[[rules]]\nname = "brain"\nrecipe = "fft"\ndestinations = ["pacs"]\n'
    assert faults(GOOD + again)[0].startswith("line 17: rule 'brain' is there twice")


def test_a_recipe_whose_name_cannot_come_over_the_wire_is_refused() -> None:
    (fault,) = faults(GOOD + '\n[recipes."two words"]\nmethod = "fft"\n')
    assert fault.startswith("line 17: recipes.two words: String should match pattern")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[recipes.fft\n", "line 1, column 13"),
        ('a = 1\nb = "open\n', "line 2, column 10"),
        ("a = 1\na = 2", "line 2, column 6"),
        ("a = 1\r\nb = = 2\r\n", "line 2, column 5"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_line_and_column(text: str, where: str) -> None:
    (fault,) = faults(text)
    assert where in fault


def test_an_empty_file_says_what_is_missing() -> None:
    assert faults("") == ["recipes: is missing", "destinations: is missing", "rules: is missing"]


def test_keys_are_found_behind_values_of_many_lines() -> None:
    text = 'a = """\n[b]\nc = 1\n"""\nd = [\n  { e = 1 },\n]\n"f.g".h = 2\n[[i]]\n[[i]]\nj = 3\n[[i.k]]\nl = 4\n'
    assert key_places(text.replace("\n", "\r\n")) == key_places(text) == {
        ("a",): "line 1",
        ("d",): "line 5",
        ("d", 0): "line 5",
        ("d", 0, "e"): "line 5",
        ("f.g",): "line 8",
        ("f.g", "h"): "line 8",
        ("i", 0): "line 9",
        ("i", 1): "line 10",
        ("i", 1, "j"): "line 11",
        ("i", 1, "k", 0): "line 12",
        ("i", 1, "k", 0, "l"): "line 13",
    }  # fmt: skip


@given(st.text())
def test_any_text_is_routes_or_a_fault_and_nothing_else(text: str) -> None:
    with suppress(RoutesFault):
        assert isinstance(parse_routes(text, source="routes.toml"), Routes)


def leaves(node: object, key: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(node, dict | list):
        for step, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(below, (*key, step))
    else:
        yield key


TREES = st.recursive(
    st.integers() | st.text(),
    lambda below: (
        st.dictionaries(st.text(), below, max_size=3)
        | st.lists(below, max_size=3)
        | st.lists(st.dictionaries(st.text(), below, max_size=3), max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), TREES, max_size=4))
def test_every_value_of_any_tree_is_found(tree: dict[str, object]) -> None:
    text = tomlkit.dumps(tree)
    assume(tomllib.loads(text) == tree)
    assert set(leaves(tree)) <= set(key_places(text))


def rules(*matches: str) -> str:
    head = GOOD[: GOOD.index("[[rules]]")]
    rule = '[[rules]]\nname = "r{}"\nmatch = {}\nrecipe = "fft"\ndestinations = ["pacs"]\n'
    return head + "".join(rule.format(number, match) for number, match in enumerate(matches))


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("{}", '{ protocol = "*brain*" }'),
        ("{ protocol = '*' }", "{}"),
        ("{ protocol = '*brain*' }", "{ protocol = 'T2 Brain' }"),
        ("{ protocol = 'T2*' }", "{ protocol = 't2*', vendor = 'ACME' }"),
        ("{ acceleration = { at_least = 2 } }", "{ acceleration = { at_least = 2, at_most = 4 } }"),
    ],
)
def test_a_rule_that_another_hides_is_told(above: str, below: str) -> None:
    text = rules(above, below)
    line = text[: text.rindex("[[rules]]")].count("\n") + 1
    assert faults(text) == [
        f"line {line}: rule 'r1' is never reached: rule 'r0' above it takes every scan that fits it"
    ]


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("{ protocol = 't2*' }", "{ protocol = '*t2' }"),
        ("{ acceleration = { at_most = 4 } }", "{ acceleration = { at_least = 2 } }"),
        ("{ protocol = '**' }", "{}"),
    ],
)
def test_rules_that_share_only_some_scans_may_stand_together(above: str, below: str) -> None:
    assert len(parse_routes(rules(above, below), source="routes.toml").rules) == 2


@pytest.mark.parametrize(
    ("match", "fault"),
    [
        ("{ acceleration = {} }", "rules.0.match.acceleration: needs at_least, at_most or both"),
        (
            "{ n_coils = { at_least = 9, at_most = 8 } }",
            "rules.0.match.n_coils: at_least must not be more than at_most: no number fits",
        ),
        ("{ n_coils = { atleast = 9 } }", "rules.0.match.n_coils.atleast: unknown key; did you mean 'at_least'?"),
        ("{ field_strength_t = 3 }", "rules.0.match.field_strength_t: must be a table"),
    ],
)
def test_a_range_that_holds_nothing_is_told(match: str, fault: str) -> None:
    assert f"line 13: {fault}" in faults(rules(match))


CLEAR = "line 9: destinations.pacs.plain: patients' data go there in the clear"


def test_parts_that_nothing_uses_and_what_goes_in_the_clear_are_told_with_their_lines() -> None:
    text = GOOD.replace(
        "[[rules]]", '[recipes.spare]\nmethod = "fft"\n[destinations.shelf]\nkind = "folder"\npath = "x"\n\n[[rules]]'
    )
    assert advice(text, parse_routes(text, source="routes.toml")) == [
        "line 11: recipes.spare: no rule names it; a scan gets it only where the scanner asks for it by this name",
        "line 13: destinations.shelf: no rule sends anything there",
        CLEAR,
    ]
    safe = GOOD.replace("plain = true", "tls = {}")
    assert advice(safe, parse_routes(safe, source="routes.toml")) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", "would send patients' data in the clear: give it a tls table, or say plain = true"),
        ("plain = true\ntls = {}", "plain = true contradicts TLS: leave one of them out"),
    ],
)
def test_what_goes_in_the_clear_has_to_be_said(said: str, fault: str) -> None:
    assert faults(GOOD.replace("plain = true", said)) == [f"line 5: destinations.pacs: {fault}"]


def test_a_recipe_gives_only_what_a_reconstruction_can_make_and_says_so_in_the_files_own_words() -> None:
    with pytest.raises(RoutesFault) as fault:
        parse_routes(GOOD.replace('method = "fft"', 'method = "fft"\noutput = ["t1"]'), source="routes.toml")
    assert "output.0: Input should be 'magnitude', 'phase', " in str(fault.value)
    assert "ImageKind" not in str(fault.value)
