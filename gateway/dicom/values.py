"""Make text and numbers of a scanner legal values of a DICOM VR (PS3.5 6.2), or None where nothing legal is left.

Descriptions are cleaned and cut to length. Identifiers are taken whole or not at all: a cut one is somebody else's.
"""

from __future__ import annotations

import logging
import math
import re
import unicodedata
from collections.abc import Container
from datetime import date, time, timedelta

from pydicom.valuerep import format_number_as_ds

logger = logging.getLogger(__name__)

SHORT, LONG = 16, 64
"""Characters of SH and CS, and of LO and of each component group of PN."""

LONG_TEXT = 10_240

_UNPRINTABLE = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Unicode categories that no text VR should carry: controls, surrogates, unassigned, private, line breaks."""

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They can make a name read as another one."""

_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})" + _ZONE)
_TIME = re.compile(r"([0-9]{2}):?([0-9]{2}):?([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?" + _ZONE)

_OLDEST = date(1900, 1, 1)
"""It and all before it are placeholders: nobody who is scanned was born then."""

_LARGEST_DECIMAL = 1e9

_COUNTED_IN_DAYS, _COUNTED_IN_MONTHS, _OLDEST_YEARS = 2, 24, 150

_HALF_A_DAY_H = 12

_PLACEHOLDER = re.compile(r"(?i)x{2,}|0+|\?+|-+|\*+|unknown|undefined|unnamed|none|null|nil|n/a|noname|no name")
"""What exporters write where they know nothing, or must not say; nobody is called so."""


def placeholder(value: str) -> bool:
    """Say whether a name or an identifier stands for none; of a name, every component must."""
    parts = [part for part in re.split(r"[\^= ]+", value) if part]
    return _PLACEHOLDER.fullmatch(value) is not None or all(_PLACEHOLDER.fullmatch(part) for part in parts)


def text(value: str | None, limit: int = LONG) -> str | None:
    """Clean text for SH, LO, ST and LT, and cut it at a character."""
    clean = _printable(value or "")
    if len(clean) > limit:
        logger.warning("text cut to fit its VR", extra={"characters": len(clean), "limit": limit})
    return clean[:limit].strip() or None


def text_ending(value: str | None, ending: str) -> str | None:
    """Clean text for LO, and cut it so that a word still fits at its end."""
    begin = text(value, LONG - len(ending) - 1) if ending else text(value)
    return " ".join(part for part in (begin, ending) if part) or None


def _printable(value: str) -> str:
    """Remove what no VR allows; a backslash would start a second value."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in value if _allowed(c))
    return "".join(kept).replace("\\", " ").strip()


def _allowed(character: str) -> bool:
    category = unicodedata.category(character)
    return character not in _BIDI_CONTROLS and (category not in _UNPRINTABLE or category in {"Cc", "Zl", "Zp"})


def identifier(value: str | None, limit: int = LONG) -> str | None:
    """Take an identifier (patient, accession, study, serial number) as it is, or not at all; a placeholder is none."""
    given = (value or "").strip()
    if placeholder(given):
        return None
    if given == _printable(given) and len(given) <= limit:
        return given or None
    logger.warning("identifier left out: not legal in DICOM", extra={"characters": len(given), "limit": limit})
    return None


def code(value: str | None) -> str | None:
    """Fit a code string (CS): upper case letters, digits, blank and underscore."""
    upper = (value or "").upper()
    return re.sub(r"[^A-Z0-9 _]", " ", upper)[:SHORT].strip() or None


def one_of(value: str | None, allowed: Container[str]) -> str | None:
    """Take a code string only when it is one of those defined."""
    given = code(value)
    return given if given in allowed else None


def person_name(value: str | None) -> str | None:
    """Fit a person name (PN): at most three groups, each of up to five components and 64 characters; no placeholder."""
    if placeholder(value or ""):
        return None
    groups = [_name_group(group) for group in _printable(value or "").split("=")[:3]]
    return "=".join(groups).rstrip("=") or None


def _name_group(group: str) -> str:
    components = "^".join(part.strip() for part in group.split("^")[:5])
    return components[:LONG].rstrip("^ ")


def uid(value: str | None) -> str | None:
    """Take a UID only when it is valid (PS3.5 9.1)."""
    given = (value or "").strip()
    return given if len(given) <= LONG and _UID.fullmatch(given) else None


def calendar_date(value: str | None) -> str | None:
    """Fit a date (DA) that the calendar has; placeholders such as 1900-01-01 count as none."""
    match = _DATE.fullmatch((value or "").strip())
    if match is None:
        return None
    try:
        day = date(*(int(part) for part in match.groups()))
    except ValueError:
        return None
    return day.strftime("%Y%m%d") if day > _OLDEST else None


def age(birth: str | None, on: str | None) -> str | None:
    """Say how old somebody was on a date (AS): in days, from two months on in months, from two years on in years."""
    if birth is None or on is None or on < birth:
        return None
    born, day = (date(int(da[:4]), int(da[4:6]), int(da[6:])) for da in (birth, on))
    months = 12 * (day.year - born.year) + day.month - born.month - (day.day < born.day)
    if months < _COUNTED_IN_DAYS:
        return f"{(day - born).days:03d}D"
    if months < _COUNTED_IN_MONTHS:
        return f"{months:03d}M"
    return f"{months // 12:03d}Y" if months < 12 * _OLDEST_YEARS else None


def day_of(time_of_day: str | None, *, begun_on: str | None, begun_at: str | None) -> str | None:
    """Say on which day (DA) a time of a scan lies that began then: the next one, where midnight has passed."""
    if begun_on is None or begun_at is None or time_of_day is None:
        return begun_on
    if int(begun_at[:2]) - int(time_of_day[:2]) <= _HALF_A_DAY_H:
        return begun_on
    begun = date(int(begun_on[:4]), int(begun_on[4:6]), int(begun_on[6:]))
    return (begun + timedelta(days=1)).strftime("%Y%m%d")


def time_of_day(value: str | None) -> str | None:
    """Fit a time (TM) that the clock has, with up to six digits of the second."""
    match = _TIME.fullmatch((value or "").strip())
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    try:
        time(int(hour), int(minute), int(second))
    except ValueError:
        return None
    return f"{hour}{minute}{second}" + (f".{fraction}" if fraction else "")


def decimal(value: float | None, *, positive: bool = False) -> str | None:
    """Fit a number (DS): finite, of a size that means something, at most 16 characters."""
    if value is None or not math.isfinite(value) or abs(value) > _LARGEST_DECIMAL or (positive and value <= 0):
        return None
    return format_number_as_ds(float(value) + 0.0)


def positive(value: float | None) -> float | None:
    """Take a number for FD as it is, where it is above zero and of a size that means something."""
    return None if decimal(value, positive=True) is None else value


def integer(value: int | None) -> int | None:
    """Fit a count (IS): not negative, below 2**31."""
    return value if value is not None and 0 <= value < 2**31 else None
