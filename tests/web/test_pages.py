"""How states, times and sizes read, and whether everybody can read them."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

import gateway.web
from gateway.model.delivery import DeliveryState
from gateway.model.job import JobState
from gateway.model.scan import ScanState
from gateway.web.pages import TONES, lasting, percent, plain, size, words

CSS = (Path(gateway.web.__file__).parent / "static" / "gateway.css").read_text()


def test_every_state_has_a_tone_and_every_tone_a_look() -> None:
    assert set(TONES) == {*ScanState, *JobState, *DeliveryState}
    for tone in set(TONES.values()):
        assert f".{tone} {{ color: var(--{tone}); }}" in CSS


def test_names_become_words() -> None:
    assert words("NO_DATA") == "No data"


def test_what_would_act_on_what_follows_is_shown_and_does_not() -> None:
    assert plain("a\x07b\u202ec\u2066d\x85") == "a\u2407b\ufffdc\ufffdd\ufffd"
    assert plain("x" * 500, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (84_736_120, "85 MB"), (999_999, "1.0 MB"), (3e15, "3000 TB")],
)
def test_sizes(n_bytes: float, text: str) -> None:
    assert size(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.412, "0.4 s"),
        (60, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (9e4, "25 h 0 min"),
    ],
)
def test_times_that_things_take(seconds: float, text: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("fraction", "text"), [(-1, "0 %"), (0.999, "99 %"), (1, "100 %"), (2, "100 %")])
def test_only_what_is_finished_is_whole(fraction: float, text: str) -> None:
    assert percent(fraction) == text


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): #([0-9a-f]{6});", css))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(scheme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)
    palette = colours(light if scheme == "light" else dark)
    inks = {"ink", "muted", "accent", *TONES.values()}
    assert len(palette) == len(inks) + 3
    for ink, ground in product(inks, ("ground", "surface")):
        bright, dim = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, f"{ink} on {ground}"
