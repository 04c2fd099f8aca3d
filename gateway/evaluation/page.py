"""What a comparison has come to, as a page of Markdown: tables by scan, and the images side by side."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from gateway.evaluation.compare import Trial, Volume
from gateway.evaluation.metrics import METRICS

Grey = npt.NDArray[np.uint8]

SHOWN = ("nrmse_object", "ssim_object", "psnr", "hfen")
RANKED_BY = "nrmse_object"
SIDE = 208
"""Pixels along an edge of each image."""
N_BEST = 4
"""Recipes that are shown as images: the best of them, and every one that was learned."""
ERROR_GAIN = 5
LABEL_HEIGHT = 14
BRIGHT = 0.995


def write_page(
    trials: Sequence[Trial], page: Path, *, title: str, learned: frozenset[str], hidden: frozenset[str] = frozenset()
) -> None:
    """Write the page, and its pictures into a folder of its name beside it.

    Parameters
    ----------
    learned
        Recipes by a network, which are named as such.
    hidden
        Scans of which there are figures only.
    """
    pictures = page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    lines = [f"# {title}", "", *_preface(hidden), ""]
    for number, ((masking, scan), group) in enumerate(_cases(trials), start=1):
        lines += [f"## {scan}: {masking}", "", *_table(group, learned), ""]
        if scan in hidden:
            continue
        file = pictures / f"case-{number}.png"
        file.write_bytes(_montage(group, learned))
        lines += [f"![{scan}, {masking}: images above, errors below]({pictures.name}/{file.name})", ""]
    page.write_text("\n".join(lines), encoding="utf-8")


def _preface(hidden: frozenset[str]) -> Iterator[str]:
    yield "Written by `gateway evaluate`: of scans of every line, lines were left out, none was changed, and each"
    yield "recipe's image is set against the root sum of squares of all lines. Bold is best; in italics, a network."
    if hidden:
        yield f"Of {', '.join(sorted(hidden))} there are figures only, for its images may not be passed on."
    yield f"Pictures: truth, the best {N_BEST} and what was learned; below, errors, {ERROR_GAIN} times brighter."


def _cases(trials: Sequence[Trial]) -> Iterator[tuple[tuple[str, str], list[Trial]]]:
    def case(trial: Trial) -> tuple[str, str]:
        return str(trial.masking), trial.scan

    for key, group in groupby(sorted(trials, key=lambda one: (one.scan, one.masking.acceleration, case(one))), case):
        yield key, list(group)


def _table(trials: Sequence[Trial], learned: frozenset[str]) -> Iterator[str]:
    yield f"| recipe | {' | '.join(METRICS[name].label for name in SHOWN)} |"
    yield f"|---|{'---|' * len(SHOWN)}"
    best = {name: _best(name, trials) for name in SHOWN}
    for trial in _ranked(trials):
        name = f"*{trial.recipe}*" if trial.recipe in learned else trial.recipe
        yield f"| {name} | {' | '.join(_number(trial.values[each], best=best[each]) for each in SHOWN)} |"
    for trial in trials:
        if trial.refused:
            yield f"| {trial.recipe} | refused: {trial.refused} |{' |' * (len(SHOWN) - 1)}"


def _ranked(trials: Sequence[Trial]) -> list[Trial]:
    return sorted((one for one in trials if not one.refused), key=lambda one: one.values[RANKED_BY])


def _best(metric: str, trials: Sequence[Trial]) -> float:
    found = [trial.values[metric] for trial in trials if not trial.refused]
    return (max if METRICS[metric].better == "higher" else min)(found, default=float("nan"))


def _number(value: float, *, best: float) -> str:
    return f"**{value:.4g}**" if value == best else f"{value:.4g}"


def _montage(trials: Sequence[Trial], learned: frozenset[str]) -> bytes:
    """Put truth and images into one row and errors into the next; the frame with most energy of each scan."""
    ranked = _ranked(trials)
    shown = [one for place, one in enumerate(ranked) if place < N_BEST or one.recipe in learned]
    truth = trials[0].truth
    frame = int(np.argmax((truth**2).sum(axis=(1, 2))))
    largest = float(np.quantile(truth[frame], BRIGHT)) or 1.0
    columns = [_column("truth", truth[frame], None, largest)]
    columns += [_column(one.recipe, one.image[frame], truth[frame], largest) for one in shown if one.image is not None]
    return _png(np.concatenate(columns, axis=1))


def _column(name: str, image: Volume, truth: Volume | None, largest: float) -> Grey:
    error = np.zeros_like(image) if truth is None else np.abs(image - truth) * ERROR_GAIN
    cells = [_cell(each / largest) for each in (image, error)]
    return np.concatenate([_label(name, cells[0].shape[1]), *cells])


def _cell(image: Volume) -> Grey:
    grey = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
    wide = round(SIDE * image.shape[1] / image.shape[0])
    return np.asarray(grey.resize((wide, SIDE), Image.Resampling.BICUBIC))


def _label(name: str, width: int) -> Grey:
    strip = Image.new("L", (width, LABEL_HEIGHT))
    ImageDraw.Draw(strip).text((3, 1), name, fill=255)
    return np.asarray(strip)


def _png(grey: Grey) -> bytes:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", optimize=True)
    return file.getvalue()
