"""Whatever a scanner sends, only legal values of a VR come out."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given, strategies as st
from pydicom import config
from pydicom.valuerep import validate_value

from gateway.dicom import values

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
DIGITS = st.text(st.sampled_from("0123456789.:-+Z TW"), max_size=30)

MAKERS: list[tuple[str, Callable[[str | None], str | None]]] = [
    ("LO", values.text),
    ("SH", lambda given: values.text(given, values.SHORT)),
    ("LT", lambda given: values.text(given, values.LONG_TEXT)),
    ("LO", values.identifier),
    ("SH", lambda given: values.identifier(given, values.SHORT)),
    ("CS", values.code),
    ("PN", values.person_name),
    ("UI", values.uid),
    ("DA", values.calendar_date),
    ("TM", values.time_of_day),
]


@pytest.mark.parametrize(("vr", "make"), MAKERS)
@given(given=st.one_of(ANY_TEXT, DIGITS))
@example(given="x" * 300)
@example(given="\ud800 lone surrogate")
@example(given="a\\b\x00c\u202ed\u2028")
@example(given="^" * 9 + "=" * 9)
@example(given="=".join("名" * 80 for _ in range(5)))
@example(given="१.२")
def test_what_comes_out_is_legal(vr: str, make: Callable[[str | None], str | None], given: str) -> None:
    made = make(given)
    if made is not None:
        validate_value(vr, made, config.RAISE)
        made.encode()
        assert "\\" not in made
        assert made == made.strip()
        assert made


@pytest.mark.parametrize(("vr", "make"), MAKERS)
def test_nothing_in_nothing_out(vr: str, make: Callable[[str | None], str | None]) -> None:
    assert make(None) is None, vr
    assert make("") is None
    assert make("  \t ") is None


def test_text_is_cut_at_a_character_not_at_a_byte() -> None:
    assert values.text("ü" * 100) == "ü" * 64


def test_line_breaks_become_blanks_and_backslashes_go() -> None:
    assert values.text("first\nsecond\\third\x07") == "first second third"


def test_a_name_cannot_be_turned_around() -> None:
    assert values.person_name("Doe\u202e^Jane") == "Doe^Jane"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("Doe^Jane^^Dr^", "Doe^Jane^^Dr"),
        ("a=b=c=d", "a=b=c"),
        ("a^b^c^d^e^f", "a^b^c^d^e"),
        ("Иванов^Пётр", "Иванов^Пётр"),
    ],
)
def test_names_keep_their_components(given: str, name: str) -> None:
    assert values.person_name(given) == name


@pytest.mark.parametrize("given", ["00012345", "ACC-17", "a b"])
def test_identifiers_stay_as_they_are(given: str) -> None:
    assert values.identifier(f" {given} ", values.SHORT) == given


@pytest.mark.parametrize("given", ["1" * 17, "12\\34", "12\x0034"])
def test_an_identifier_that_does_not_fit_is_left_out_not_cut(given: str) -> None:
    assert values.identifier(given, values.SHORT) is None


@pytest.mark.parametrize("given", ["1.2.3", "2.25.0", "0.0", "1.2." + "3" * 60])
def test_valid_uids_are_kept(given: str) -> None:
    assert values.uid(given) == given


@pytest.mark.parametrize("given", ["1", "1.02.3", "1..2", ".1.2", "1.2.", "3.4", "1.2." + "3" * 61, "1.2.a", "1.2\n.3"])
def test_invalid_uids_are_not(given: str) -> None:
    assert values.uid(given) is None


@pytest.mark.parametrize(
    ("given", "day"),
    [
        ("2024-02-29", "20240229"),
        ("20240229", "20240229"),
        ("2024-05-06+02:00", "20240506"),
        ("2023-02-29", None),
        ("0000-00-00", None),
        ("00000000", None),
        ("1900-01-01", None),
        ("20241341", None),
        ("2024-05-06T12:00", None),
        ("yesterday", None),
    ],
)
def test_dates(given: str, day: str | None) -> None:
    assert values.calendar_date(given) == day


@pytest.mark.parametrize(
    ("given", "clock"),
    [
        ("12:13:14", "121314"),
        ("12:13:14.5", "121314.5"),
        ("121314.12345678", "121314.123456"),
        ("12:13:14Z", "121314"),
        ("24:00:00", None),
        ("12:60:00", None),
        ("noon", None),
    ],
)
def test_times(given: str, clock: str | None) -> None:
    assert values.time_of_day(given) == clock


@given(st.floats())
@example(-0.0)
@example(-1 / 3)
@example(5e-324)
@example(-123456789.123456789)
def test_decimals_are_legal_and_near(number: float) -> None:
    made = values.decimal(number)
    if made is None:
        assert not abs(number) <= 1e9
        return
    validate_value("DS", made, config.RAISE)
    assert len(made) <= 16
    assert math.isclose(float(made), number, rel_tol=1e-8, abs_tol=1e-12)
