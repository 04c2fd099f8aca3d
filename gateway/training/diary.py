"""What a training leaves for people after each epoch: a line of numbers, a picture, and the same for TensorBoard."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from gateway.training.events import EventFile
from gateway.training.state import write_whole

LOG = "log.csv"
LINES = "lines.csv"
ERROR_GAIN = 5
"""Errors are shown so many times brighter than the image."""
BRIGHT = 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an epoch has come to. ``nrmse`` and ``ssim`` are empty where no image is known."""

    step: int
    loss: float
    score: float
    """By which the best weights are chosen: the error over the object, or that of held lines."""
    ssim: float | None
    start: float | None
    """The score of the conventional image that the network begins with."""
    learning_rate: float


class Diary:
    """One folder; lines after a step that training goes back to are dropped, so that a resumed one reads as one."""

    def __init__(self, folder: Path, *, step: int) -> None:
        self._folder = folder
        self._rows = [row for row in _read(folder / LOG) if int(row[0]) <= step]
        self._events = EventFile(folder)

    def note(self, look: Look, picture: bytes) -> None:
        """Write what an epoch has come to."""
        self._rows.append([_text(value) for value in astuple(look)])
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([[field.name for field in fields(Look)], *self._rows])
        write_whole(self._folder / LOG, text.getvalue().encode())
        write_whole(self._folder / f"step-{look.step:07d}.png", picture)
        numbers = {field.name: getattr(look, field.name) for field in fields(Look)[1:]}
        self._events.add(look.step, {name: one for name, one in numbers.items() if one is not None}, picture)


def note_lines(folder: Path, chances: Tensor) -> None:
    """Write the chances of a learned pattern, by place between the edges of k-space, -1 and 1. Shape `(place,)`."""
    places = np.linspace(-1, 1, len(chances))
    rows = [f"{place:.4f},{float(chance):.4f}" for place, chance in zip(places, chances, strict=True)]
    write_whole(folder / LINES, "\n".join(["place,chance", *rows, ""]).encode())


def _read(log: Path) -> list[list[str]]:
    if not log.exists():
        return []
    with log.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file) if row][1:]


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def picture_of(truth: Tensor, start: Tensor, made: Tensor) -> bytes:
    """Show truth, conventional image, network's image, and the errors of both, as PNG. All are magnitudes `(x y)`."""
    largest = float(np.quantile(truth.numpy(), BRIGHT)) or 1.0
    errors = [(one - truth).abs() * ERROR_GAIN for one in (start, made)]
    rows = [
        np.concatenate([one.T.numpy() for one in row], axis=1) for row in ([truth, start, made], [truth * 0, *errors])
    ]
    grey = (np.clip(np.concatenate(rows) / largest, 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return file.getvalue()
