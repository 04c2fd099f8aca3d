"""What may guide a reconstruction: images of an earlier scan of the same exam, and where they show edges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import Encoding
from gateway.model.image import Frame, ImageKind, ImageSeries
from gateway.model.readout import NOT_IMAGING
from gateway.model.recipes import GuidedTvRecipe
from gateway.model.zyx import Zyx
from gateway.recon.operators import differences
from gateway.recon.regrid import Lattice, Stack, stack_of
from gateway.recon.scan import Scan
from gateway.recon.space import Target, imaging_encoding, is_cartesian, target_of

COVERED = 0.25
"""Part of a slice that a guide must know; beyond its edge the slice is as without."""
COARSE = 4.0
"""Voxels of a guide that are wider than so many pixels of the image show no edges that are of use."""
NOISE_STEPS = 2.0
"""An edge of a guide is more than so many times the step from pixel to pixel in the middle of all."""
BRIGHT, MOST_VALUES = 0.95, 1 << 20
"""Part of the pixels of a guide that are not brighter than its bright tissue; found by so many of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """Images that may guide.

    Parameters
    ----------
    images
        Magnitudes, one for each place.
    digest
        Of the recording that they were made of, and of the noise that made it white.
    name
        Protocol of that recording.
    """

    images: ImageSeries
    digest: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyGuide:
    """A recipe that wants a guide, and the guide, or why there is none."""

    recipe: GuidedTvRecipe
    guide: Guide | None
    lacking: str = ""


def guide_of(series: tuple[ImageSeries, ...], *, digest: str, name: str) -> Guide:
    """Take the first magnitude of every place out of what was made of a scan.

    Raises
    ------
    BadScan
        There is none, or it has pixels that are no numbers.
    """
    images = next((one for one in series if one.kind is ImageKind.MAGNITUDE), None)
    if images is None:
        raise BadScan("it has no magnitude")
    if not np.isfinite(images.pixels).all():
        raise BadScan("its image has pixels that are no numbers")
    first = min(_of_its_place(frame) for frame in images.frames)
    keep = np.array([_of_its_place(frame) == first for frame in images.frames])
    frames = tuple(frame for frame, kept in zip(images.frames, keep.tolist(), strict=True) if kept)
    made_of = f"{digest} {images.whitened_by}".strip()
    return Guide(images=replace(images, pixels=images.pixels[keep], frames=frames), digest=made_of, name=name)


def _of_its_place(frame: Frame) -> tuple[int, int, int, int]:
    """Say which of the images of one place a frame is."""
    return (frame.set, frame.repetition, frame.phase, frame.contrast)


def misguided(scan: Scan, ready: ReadyGuide) -> list[str]:
    """Say why a scan cannot be guided; nothing where it can."""
    if ready.guide is None:
        return [ready.lacking]
    try:
        encoding = imaging_encoding(scan.header)
        if not (is_cartesian(encoding) or encoding.trajectory.lower() == "epi"):
            return [f"the trajectory is {encoding.trajectory}"]
        stack, target = stack_of(ready.guide.images, torch.device("cpu")), target_of(encoding)
        places = [lattice_of(head, encoding, target) for head in _places(scan)]
    except BadScan as fault:
        return [f"{ready.guide.name!r} cannot guide: {fault}"]
    misfits = [_misfit(stack, lattice) for lattice in places]
    if not places or all(misfits):
        return [f"{ready.guide.name!r} cannot guide: {next(iter(misfits), 'the scan has no lines')}"]
    return []


def _misfit(stack: Stack, lattice: Lattice) -> str:
    try:
        check_fits(stack, lattice)
    except BadScan as fault:
        return str(fault)
    return ""


def _places(scan: Scan) -> list[npt.NDArray[Any]]:
    """Give one head for each slice."""
    imaging = [run.heads[~run.flagged(NOT_IMAGING)] for run in scan.acquisition]
    if not any(map(len, imaging)):
        return []
    heads = np.concatenate([one for one in imaging if len(one)])
    _, first = np.unique(heads["position"], axis=0, return_index=True)
    return [heads[at] for at in first]


def lattice_of(head: Any, encoding: Encoding, target: Target, device: torch.device | None = None) -> Lattice:  # noqa: ANN401 - numpy's own for one head
    """Say where the pixels of a slice or a slab lie on which it is solved: of the lines that were encoded."""
    encoded, step = encoding.encoded, target.spacing_mm
    axes = np.array([head[name] for name in ("read_dir", "phase_dir", "slice_dir")], np.float32)
    deep = encoded.matrix.z > 1
    return Lattice(
        centre=torch.tensor(np.array(head["position"], np.float32), device=device),
        axes=torch.tensor(axes, device=device),
        step_mm=Zyx(
            z=encoded.fov_mm.z / encoded.matrix.z if deep else step.z, y=encoded.fov_mm.y / encoded.matrix.y, x=step.x
        ),
        matrix=Zyx(z=encoded.matrix.z, y=encoded.matrix.y, x=target.matrix.x),
    )


def check_fits(stack: Stack, lattice: Lattice) -> None:
    """Refuse a guide that is too coarse in the plane of an image, or does not reach it.

    Raises
    ------
    BadScan
        It is.
    """
    width_mm = max(stack.width_mm(axis) for axis in lattice.axes[:2])
    pixel_mm = max(lattice.step_mm.x, lattice.step_mm.y)
    if width_mm > COARSE * pixel_mm:
        raise BadScan(
            f"its voxels are {width_mm:.1f} mm wide in the plane of the image, whose pixels are {pixel_mm:.1f} mm"
        )
    if float(stack.over(lattice)[1].float().mean()) < COVERED:
        raise BadScan("it does not reach there")


def edge_directions(values: Tensor, inside: Tensor, *, edge: float) -> Tensor:
    """Say where a guide has edges, and across which direction (Ehrhardt 2016, doi:10.1137/15M1047325).

    Parameters
    ----------
    values
        Of the guide. Shape `(x z y)`.
    inside
        Where it says something. Shape `(x z y)`.
    edge
        Step that counts as half an edge, in parts of its bright tissue; more where its noise makes such steps.

    Returns
    -------
        The gradient over its own length, shorter where that is no edge, zero outside. Shape `(axis x z y)`.
    """
    axes = axes_of(values)
    steps = differences(axes).apply(values)
    known = inside.clone()
    for axis in axes:
        known &= inside.roll(-1, axis)
    steps = steps * known
    power = steps.square().sum(dim=0)
    some = values[inside][:: 1 + int(inside.sum()) // MOST_VALUES]
    bright = float(torch.quantile(some, BRIGHT)) if len(some) else 0.0
    usual = float(power[known & (values > bright / 4)].sqrt().nanmedian()) if bright > 0 else 0.0
    floor = max(edge * bright, NOISE_STEPS * (usual if usual == usual else 0.0), 1e-12)  # noqa: PLR0124 - not a number
    return steps / (power + floor**2).sqrt()


def axes_of(values: Tensor) -> list[int]:
    """List the axes of images `(... x z y)` along which there are neighbours."""
    return [axis for axis in (-3, -2, -1) if values.shape[axis] > 1]
