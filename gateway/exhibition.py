"""The pictures of the gate: what was judged, what it was held against, and of each check where it looked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gateway.dicom.layout import as_read
from gateway.model.exhibit import Exhibit
from gateway.model.gate import Check
from gateway.model.image import ImageSeries, Pixels
from gateway.quality.geometry import where_ghosts_lie
from gateway.recon.checks.evidence import RERUN, Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How a check is pictured."""

    title: str
    white: float | None = None
    """What is white at first; by the limit of the check where it is 0, by the brightest where it is None."""
    local: bool = False
    """Whether its worst place is the one that the check means: what is a property of the whole has none."""


PICTURES: Mapping[Check, Picture] = {
    Check.CONSISTENCY: Picture(title="contradicts the data (standard deviations)", white=0.0, local=True),
    Check.STRUCTURE: Picture(title="strange in this place (standard deviations)", white=0.0, local=True),
    Check.DETAIL: Picture(title="detail that was measured and is lacking", local=True),
    Check.HALVES: Picture(title="the halves of k-space disagree (standard deviations)", white=5.0, local=True),
    Check.AGREEMENT: Picture(title="differs from conventional (standard deviations)", white=0.0, local=True),
    Check.UNCERTAINTY: Picture(title="uncertainty"),
    Check.HELD_OUT: Picture(title="not predicted (lines held out)"),
    Check.RESPONSE: Picture(title="response to details put in"),
    Check.GHOSTING: Picture(title="air where copies would lie"),
    Check.LINES: Picture(title="k-space, lines downwards (times what is allowed)", white=3.0),
    Check.COILS: Picture(title="gains, coils across, lines downwards (standard deviations)", white=0.0),
}
"""By check, in the order in which they are shown."""


def exhibited(
    images: ImageSeries, evidence: Evidence, *, beside: Pixels | None, label: str, limits: Mapping[Check, float]
) -> tuple[Exhibit, ...]:
    """Make the pictures that a person looks at, turned and sorted as the images are that they stand beside.

    Parameters
    ----------
    beside
        Conventional images, if there are any.
    label
        Name of the model.
    limits
        From where on the value of a check is bad.
    """
    made = (*_images(images, beside, label), *_maps(images, evidence))
    shown = (*(_as_read(one, images) for one in made), *_of_kspace(images, evidence))
    return tuple(_windowed(one, limits) for one in shown)


def order_of(images: ImageSeries) -> tuple[int, ...]:
    """Say which frame each image of the series is that people see: it is sorted, and the engine's images are not."""
    numbers = np.arange(len(images.frames))
    seen = as_read(numbers[:, None, None], images.frames, images.spacing_mm)
    return seen.order if seen else tuple(numbers.tolist())


def _images(images: ImageSeries, beside: Pixels | None, label: str) -> Iterator[Exhibit]:
    aspect = images.spacing_mm.y / images.spacing_mm.x
    yield Exhibit(title=f"learned ({label})", pixels=images.pixels, aspect=aspect)
    if beside is not None:
        yield Exhibit(title="conventional", pixels=beside, aspect=aspect)
    if beside is not None and beside.shape == images.pixels.shape:
        yield Exhibit(title="learned less conventional", pixels=images.pixels - beside, aspect=aspect)


def _maps(images: ImageSeries, evidence: Evidence) -> Iterator[Exhibit]:
    aspect = images.spacing_mm.y / images.spacing_mm.x
    maps = evidence.maps | {Check.GHOSTING: np.stack([where_ghosts_lie(one) for one in images.pixels])}
    for check, picture in PICTURES.items():
        if check in maps and maps[check].any():
            yield Exhibit(title=picture.title, pixels=maps[check], aspect=aspect, check=check)


def _of_kspace(images: ImageSeries, evidence: Evidence) -> Iterator[Exhibit]:
    """Show what was measured, as large as an image; frames of fewer lines end earlier."""
    order = order_of(images)
    for check, pictures in evidence.kspace.items():
        if len(pictures) != len(order):
            continue
        rows, columns = (max(one.shape[axis] for one in pictures) for axis in (0, 1))
        pixels = np.zeros((len(order), rows, columns), np.float32)
        for number, frame in enumerate(order):
            pixels[number, : pictures[frame].shape[0], : pictures[frame].shape[1]] = pictures[frame]
        yield Exhibit(title=PICTURES[check].title, pixels=pixels, aspect=columns / rows, check=check, placed=False)


def _as_read(one: Exhibit, images: ImageSeries) -> Exhibit:
    """Turn and sort pictures as the images that they stand beside, and leave those out that nobody made."""
    seen = as_read(one.pixels, images.frames, images.spacing_mm) if len(one.pixels) == len(images.frames) else None
    more = {} if seen is None else {name: getattr(seen, name) for name in ("pixels", "aspect", "pixel_mm", "facing")}
    return _marked(_made_alone(replace(one, **more)))


def _marked(one: Exhibit) -> Exhibit:
    """Mark the worst place of each picture."""
    if not one.check or not PICTURES[Check(one.check)].local:
        return one
    places = [np.unravel_index(np.abs(picture).argmax(), picture.shape) for picture in one.pixels]
    return replace(one, marks=tuple((int(row), int(column)) for row, column in places))


def _made_alone(exhibit: Exhibit) -> Exhibit:
    """Take of a picture for each image those that a check made, where it looked at some images only."""
    made = np.flatnonzero(exhibit.pixels.any(axis=(1, 2)))
    if exhibit.check not in RERUN or not made.size:
        return exhibit
    first, last = int(made[0]), int(made[-1])
    some = slice(first, last + 1)
    where = f"image {first + 1}" if first == last else f"images {first + 1} to {last + 1}"
    return replace(
        exhibit,
        title=f"{exhibit.title}, {where}",
        pixels=exhibit.pixels[some],
        facing=exhibit.facing[some],
        begins=first + 1,
    )


def _windowed(one: Exhibit, limits: Mapping[Check, float]) -> Exhibit:
    """Begin with what is bad in white, so that a picture of nothing looks like nothing."""
    picture = PICTURES[Check(one.check)] if one.check else None
    if picture is None or picture.white is None:
        return one
    white = picture.white or limits[Check(one.check)]
    return replace(one, white=white, title=f"{one.title}, white from {white:g}")
