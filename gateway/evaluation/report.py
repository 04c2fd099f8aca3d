"""One page of HTML that needs nothing else: numbers with intervals, box plots, and the worst cases as pictures."""

from __future__ import annotations

import base64
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image

from gateway import __version__
from gateway.evaluation.compare import Trial, Volume
from gateway.evaluation.metrics import METRICS
from gateway.evaluation.statistics import Summary, summarise
from gateway.whole import READABLE, write_whole

ERROR_GAIN = 5
"""Errors are shown so many times brighter than the image."""
WORST = 3
"""Of each mask, so many cases are shown."""
RANKED_BY = "nrmse_object"
PLOTTED = ("nrmse_object", "ssim_object", "psnr", "hfen")
PLOT_WIDTH, ROW_HEIGHT, MARGIN = 420, 22, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recipe under one mask."""

    recipe: str
    summaries: dict[str, Summary]
    best: frozenset[str]
    """Metrics in which no other recipe under this mask is better."""
    seconds: float
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A case that went badly, as PNG in base64."""

    caption: str
    truth: str
    image: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All recipes under one mask."""

    masking: str
    rows: tuple[Row, ...]
    plots: tuple[str, ...]
    worst: tuple[Picture, ...]


def sections(trials: Sequence[Trial]) -> list[Section]:
    """Sum trials up by mask and recipe."""
    by_mask: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_mask[str(trial.masking)].append(trial)
    return [_section(masking, group) for masking, group in by_mask.items()]


def write_report(trials: Sequence[Trial], folder: Path) -> Path:
    """Write ``report.html`` for people and ``values.json`` for programs; gives the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=PackageLoader("gateway.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html").render(
        sections=sections(trials),
        metrics=METRICS,
        version=__version__,
        error_gain=ERROR_GAIN,
        ranked_by=METRICS[RANKED_BY].label,
    )
    write_whole(folder / "values.json", json.dumps([_plain(trial) for trial in trials], indent=1).encode(), READABLE)
    write_whole(folder / "report.html", page.encode(), READABLE)
    return folder / "report.html"


def _plain(trial: Trial) -> dict[str, object]:
    return {
        "scan": trial.scan,
        "masking": asdict(trial.masking),
        "recipe": trial.recipe,
        "values": dict(trial.values),
        "seconds": round(trial.seconds, 3),
        "refused": trial.refused,
    }


def _section(masking: str, trials: Sequence[Trial]) -> Section:
    by_recipe: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_recipe[trial.recipe].append(trial)
    found = {name: _summaries(group) for name, group in by_recipe.items()}
    best = {metric: _best(metric, found) for metric in METRICS}
    rows = tuple(
        Row(
            recipe=name,
            summaries=found[name],
            best=frozenset(metric for metric, winners in best.items() if name in winners),
            seconds=float(np.median([trial.seconds for trial in group])),
            refusals=tuple(f"{trial.scan}: {trial.refused}" for trial in group if trial.refused),
        )
        for name, group in by_recipe.items()
    )
    return Section(
        masking=masking,
        rows=rows,
        plots=tuple(_box_plot(metric, found) for metric in PLOTTED),
        worst=tuple(_pictures(trials)),
    )


def _summaries(trials: Iterable[Trial]) -> dict[str, Summary]:
    good = [trial for trial in trials if not trial.refused]
    return {name: summarise([trial.values[name] for trial in good]) for name in METRICS} if good else {}


def _best(metric: str, found: dict[str, dict[str, Summary]]) -> set[str]:
    means = {name: summaries[metric].mean for name, summaries in found.items() if summaries}
    if not means:
        return set()
    pick = max if METRICS[metric].better == "higher" else min
    return {name for name, mean in means.items() if mean == pick(means.values())}


def _box_plot(metric: str, found: dict[str, dict[str, Summary]]) -> str:
    """Draw quartiles as SVG; the table beside it says the same in words."""
    shown = {name: summaries[metric] for name, summaries in found.items() if summaries}
    finite = [value for one in shown.values() for value in one.quartiles if np.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    span = (high - low) or max(abs(high), 1e-9)

    def at(value: float) -> float:
        return MARGIN + (min(max(value, low), high) - low) / span * (PLOT_WIDTH - MARGIN - 10)

    lines = []
    for number, (name, one) in enumerate(shown.items()):
        least, lower, median, upper, most = (at(value) for value in one.quartiles)
        y = 24 + number * ROW_HEIGHT
        lines += [
            f'<text x="{MARGIN - 8}" y="{y + 4}" text-anchor="end">{_escaped(name)}</text>',
            f'<path d="M{least:.1f} {y}H{lower:.1f}M{upper:.1f} {y}H{most:.1f}" class="whisker"/>',
            f'<rect x="{lower:.1f}" y="{y - 6}" width="{max(upper - lower, 1):.1f}" height="12" class="box"/>',
            f'<path d="M{median:.1f} {y - 6}v12" class="median"/>',
        ]
    height = 24 + len(shown) * ROW_HEIGHT + 14
    label = METRICS[metric].label
    return (
        f'<svg viewBox="0 0 {PLOT_WIDTH} {height}" role="img" aria-label="{label} by recipe">'
        f'<text x="4" y="12" class="title">{label}</text>{"".join(lines)}'
        f'<text x="{MARGIN}" y="{height - 2}">{low:.3g}</text>'
        f'<text x="{PLOT_WIDTH - 10}" y="{height - 2}" text-anchor="end">{high:.3g}</text></svg>'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _pictures(trials: Sequence[Trial]) -> Iterable[Picture]:
    ranked = sorted((trial for trial in trials if trial.values), key=lambda trial: -trial.values[RANKED_BY])
    for trial in ranked[:WORST]:
        if trial.image is None:
            continue
        errors = np.abs(trial.image - trial.truth)
        frame = int(np.argmax((errors**2).sum(axis=(1, 2))))
        largest = float(np.quantile(trial.truth[frame], 0.995)) or 1.0
        number = f"{METRICS[RANKED_BY].label} {trial.values[RANKED_BY]:.3f}"
        yield Picture(
            caption=f"{trial.recipe}, {trial.scan}, image {frame + 1}: {number}",
            truth=png(trial.truth[frame], largest),
            image=png(trial.image[frame], largest),
            error=png(errors[frame] * ERROR_GAIN, largest),
        )


def png(image: Volume, largest: float) -> str:
    """Draw an image, grey from 0 to the largest value; in base64."""
    grey = (np.clip(image / largest, 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
