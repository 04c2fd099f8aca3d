"""Cards of robustness as one page of HTML that needs nothing else, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jinja2 import Environment, PackageLoader

from gateway import __version__
from gateway.evaluation.report import png
from gateway.evaluation.robustness import Curve, Image, RobustnessCard, Shown
from gateway.whole import READABLE, write_whole

SUMMED_UP: Mapping[str, tuple[str, str, float]] = MappingProxyType(
    {
        "error, one line in 4": ("acceleration", "nrmse_object", 4.0),
        "error, one in 8": ("acceleration", "nrmse_object", 8.0),
        "error, 4 times the noise": ("noise", "nrmse_object", 4.0),
        "error, moved by 1 pixel": ("motion", "nrmse_object", 1.0),
        "text, 4 SD": ("structure: text", "gain", 4.0),
        "small lesion, 4 SD": ("structure: lesion, small", "gain", 4.0),
        "vessel, 4 SD": ("structure: vessel", "gain", 4.0),
        "change by noise": ("random perturbation of k-space", "change", 1.0),
        "worst of k-space": ("worst case of k-space", "growth", 1.0),
        "worst of the patient": ("worst case of the patient", "growth", 1.0),
    }
)
"""What recipes are held against each other by: curve, number and place on it, by the name of a column."""

WIDTH, HEIGHT, LEFT, FOOT = 300.0, 160.0, 44.0, 26.0
BRIGHT = 0.995
"""Quantile that is shown white."""
LABELS = {
    "nrmse_object": "error (NRMSE)",
    "ssim_object": "likeness (SSIM)",
    "gain": "gain",
    "growth": "growth over random",
    "change": "change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A curve in the units of its drawing."""

    label: str
    words: str
    points: str
    dots: tuple[tuple[float, float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    places: tuple[tuple[float, str], ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    foot: float = HEIGHT - FOOT


def write_robustness(cards: Sequence[RobustnessCard], folder: Path) -> Path:
    """Write ``robustness.html`` for people and ``robustness.json`` for programs; gives the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=PackageLoader("gateway.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(drawn=drawn, shown=shown, summed_up=summed_up, columns=tuple(SUMMED_UP))
    page = environment.get_template("robustness.html").render(cards=cards, version=__version__)
    told = [
        {
            "recipe": card.recipe,
            "scan": card.scan,
            "notes": card.notes,
            "curves": [asdict(curve) for curve in card.curves],
        }
        for card in cards
    ]
    write_whole(folder / "robustness.json", json.dumps(told, indent=1).encode(), READABLE)
    write_whole(folder / "robustness.html", page.encode(), READABLE)
    return folder / "robustness.html"


def summed_up(card: RobustnessCard) -> list[str]:
    """Give the numbers of a card by which recipes are held against each other; nothing where there is none."""
    found = {
        (curve.name, name, dot.at): value
        for curve in card.curves
        for dot in curve.dots
        for name, value in dot.values.items()
    }
    return [f"{found[place]:.3g}" if place in found else "" for place in SUMMED_UP.values()]


def drawn(curve: Curve) -> list[Drawing]:
    """Draw a curve once for each number that was measured."""
    names = dict.fromkeys(name for dot in curve.dots for name in dot.values)
    return [_drawn(curve, name) for name in names]


def _drawn(curve: Curve, name: str) -> Drawing:
    some = [(dot.at, dot.values[name]) for dot in curve.dots if name in dot.values]
    high = max([value for _, value in some] + ([1.0] if name in ("gain", "ssim_object") else [])) * 1.08 or 1.0
    low = min(0.0, *(value for _, value in some))
    step = (WIDTH - LEFT - 14) / max(1, len(some) - 1)
    places = [round(LEFT + 6 + step * number, 1) for number in range(len(some))]
    foot = HEIGHT - FOOT

    def y(value: float) -> float:
        return round(4 + (foot - 4) * (high - value) / (high - low), 1)

    return Drawing(
        label=LABELS[name],
        words="; ".join(f"{at:g}: {value:.3g}" for at, value in some),
        points=" ".join(f"{x},{y(value)}" for x, (_, value) in zip(places, some, strict=True)),
        dots=tuple((x, y(value), f"{at:g}: {value:.3g}") for x, (at, value) in zip(places, some, strict=True)),
        ticks=tuple((y(value), f"{value:.2g}") for value in (low, (low + high / 1.08) / 2, high / 1.08)),
        places=tuple((x, f"{at:g}") for x, (at, _) in zip(places, some, strict=True)),
    )


def shown(pictures: Shown) -> list[tuple[str, str]]:
    """Give each image as PNG in base64, all in one window; changes beside images get one of their own."""
    everything = [np.asarray(image, np.float64) for image in pictures.images.values()]
    if pictures.signed:
        return _signed(pictures, everything)
    largest = float(np.quantile(np.abs(everything[0]), BRIGHT)) or 1.0
    return [
        (name, png(np.abs(image) * (5 if name == "change" else 1), largest))
        for name, image in zip(pictures.images, everything, strict=True)
    ]


def _signed(pictures: Shown, everything: list[Image]) -> list[tuple[str, str]]:
    largest = float(np.abs(everything[0]).max()) or 1.0
    return [(name, png(image + largest, 2 * largest)) for name, image in zip(pictures.images, everything, strict=True)]
