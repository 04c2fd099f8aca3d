"""How time grows with slices, coils and matrix: measured, drawn, and held against the arithmetic that it needs.

``python -m benchmarks.growth FOLDER`` writes ``growth.svg`` and ``growth.md`` there. Times are those of one thread's
processor, so that a busy machine says nearly the same as a quiet one.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.runner import machine
from gateway.model.recipes import CgSenseRecipe, FftRecipe, GrappaRecipe, L1WaveletRecipe, Recipe, SpiritRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom

RUNS = 3
BASE = PhantomScan(
    n_slices=2, n_coils=8, matrix=Zyx(z=1, y=160, x=160), noise=0.003, seed=1, acceleration=3, calibration_lines=24
)
RECIPES: Mapping[str, Recipe] = {
    "fft": FftRecipe(),
    "grappa": GrappaRecipe(),
    "cg-sense": CgSenseRecipe(tolerance=0.0),
    "spirit": SpiritRecipe(tolerance=0.0),
    "l1-wavelet": L1WaveletRecipe(tolerance=0.0),
}
COLOURS = {"fft": "#1b6ca8", "grappa": "#c8553d", "cg-sense": "#588157", "spirit": "#7a4ea3", "l1-wavelet": "#b58b00"}
AXES: Mapping[str, tuple[Sequence[int], Callable[[PhantomScan, int], PhantomScan]]] = {
    "slices": ((1, 2, 4, 8, 16), lambda scan, n: replace(scan, n_slices=n)),
    "coils": ((4, 8, 16, 32), lambda scan, n: replace(scan, n_coils=n)),
    "matrix": ((96, 128, 192, 256, 384), lambda scan, n: replace(scan, matrix=Zyx(z=1, y=n, x=n))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Seconds by size, along one axis of growth."""

    recipe: str
    axis: str
    sizes: Sequence[int]
    seconds: Sequence[float]

    @property
    def power(self) -> float:
        """The exponent of the last doubling or so: where fixed costs count least."""
        (n, m), (s, t) = self.sizes[-2:], self.seconds[-2:]
        return math.log(t / s) / math.log(m / n)


def curves() -> Iterator[Curve]:
    """Measure every recipe along every axis."""
    for axis, (sizes, grown) in AXES.items():
        for name, recipe in RECIPES.items():
            seconds = [_seconds(grown(BASE, size), recipe) for size in sizes]
            yield Curve(recipe=name, axis=axis, sizes=sizes, seconds=seconds)


def _seconds(scan: PhantomScan, recipe: Recipe) -> float:
    whole = isinstance(recipe, FftRecipe)
    acquisition, header = head_phantom(replace(scan, acceleration=1, calibration_lines=0) if whole else scan)
    found = []
    for _ in range(RUNS):
        begun = time.process_time()
        reconstruct(acquisition, header, recipe, device="cpu", progress=lambda *_: None)
        found.append(time.process_time() - begun)
    return min(found)


WIDTH, HEIGHT, MARGIN, GAP = 260, 240, 46, 24


def drawn(found: Sequence[Curve]) -> str:
    """Draw one plot for each axis, both scales logarithmic, so that powers are slopes."""
    axes = list(AXES)
    width = len(axes) * (WIDTH + GAP) + MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT + 2 * MARGIN}" '
            'font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{width}" height="{HEIGHT + 2 * MARGIN}" fill="white"/>',
    ]
    times = [t for curve in found for t in curve.seconds]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    for number, axis in enumerate(axes):
        some = [curve for curve in found if curve.axis == axis]
        parts += _plot(some, MARGIN + number * (WIDTH + GAP), (low, high), labelled=number == 0)
    for number, (name, colour) in enumerate(COLOURS.items()):
        x = MARGIN + 90 * number
        parts.append(f'<rect x="{x}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="18">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _plot(some: Sequence[Curve], left: int, decades: tuple[int, int], *, labelled: bool) -> Iterator[str]:
    low, high = decades
    sizes = some[0].sizes
    first, last = math.log(sizes[0]), math.log(sizes[-1])

    def place(size: int, seconds: float) -> tuple[float, float]:
        up = (math.log10(seconds) - low) / (high - low)
        return left + WIDTH * (math.log(size) - first) / (last - first), MARGIN + HEIGHT * (1 - up)

    for decade in range(low, high + 1):
        _, y = place(sizes[0], 10.0**decade)
        yield f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        if labelled:
            yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g} s</text>'
    for size in sizes:
        x, _ = place(size, 10.0**low)
        yield f'<text x="{x:.1f}" y="{MARGIN + HEIGHT + 16}" text-anchor="middle">{size}</text>'
    yield f'<text x="{left + WIDTH / 2}" y="{MARGIN + HEIGHT + 34}" text-anchor="middle">{some[0].axis}</text>'
    for curve in some:
        points = [place(size, t) for size, t in zip(curve.sizes, curve.seconds, strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = COLOURS[curve.recipe]
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)


def written(found: Sequence[Curve]) -> str:
    """Write the figures as tables."""
    lines = [
        f"Measured on {machine()['cpu']}, torch {torch.__version__}; seconds of one thread, the least of {RUNS}.",
        "",
    ]
    for axis, (sizes, _) in AXES.items():
        lines += [f"| {axis} | {' | '.join(map(str, sizes))} | power |", "|" + "---|" * (len(sizes) + 2)]
        for curve in (one for one in found if one.axis == axis):
            times = " | ".join(f"{t:.3f}" for t in curve.seconds)
            lines.append(f"| `{curve.recipe}` | {times} | {curve.power:.1f} |")
        lines.append("")
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Measure, and write the figures into a folder."""
    torch.set_num_threads(1)
    found = list(curves())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "growth.svg").write_text(drawn(found), "utf-8")
    (folder / "growth.md").write_text(written(found), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
