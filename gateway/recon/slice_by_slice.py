"""Every frame of an undersampled scan by one method: calibration once for each slice, noise where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from gateway.model.recipes import Imaging
from gateway.recon.kspace import Progress
from gateway.recon.parallel import WORK, Group, Undersampled, group_of, noisier
from gateway.recon.pictures import Album, Noise, Picture
from gateway.recon.replicas import DEFAULT, deviation_by_replicas
from gateway.recon.sample_noise import ideal_deviation, readout_share
from gateway.recon.shelf import key_of
from gateway.recon.workplace import Workplace

T = TypeVar("T")
Step = Callable[[Group, T], Tensor]
"""From frames, and what was learned of their slice, to images `(frame z y x)`."""
Cut = Callable[[T, slice, torch.device], T]
"""Cuts what was learned to some positions x, and takes it to a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[T]):
    """How frames become images.

    Parameters
    ----------
    learn
        What stays the same for all frames of a slice.
    unfold
        To images of the matrix that is wanted; complex, or a magnitude. Shape `(frame z y x)`.
    deviation
        The noise of their magnitude where there is signal, in closed form; None where there is none.
        Shape `(frame z y x)`.
    together
        Whether frames of a slice need each other.
    at
        Cuts what was learned to some positions x, and takes it to a device; None where positions need each other. So
        a slab is worked on in pieces that fit the memory.
    sampled
        Whether unfolding draws several images of each frame, along a first axis: their mean is the image.
    work
        Memory that unfolding a position takes, in multiples of its data.
    """

    learn: Callable[[Group], T]
    unfold: Step[T]
    deviation: Step[T] | None = None
    together: bool = False
    at: Cut[T] | None = None
    sampled: bool = False
    work: int = 12


def slice_by_slice(
    scan: Undersampled, method: Method[T], recipe: Imaging, *, place: Workplace, progress: Progress
) -> Album:
    """Reconstruct all frames, one slice after the other; what lies ready is taken, what was made is laid down."""
    album = Album(recipe, scan.sorter.lines.n_frames, scan.target, progress, sampled=method.sampled)
    at = None if scan.target.finish.along_x else method.at
    steps = method if at is None else in_pieces(method, at, place)
    shelf = None if album.wants_noise else place.shelf
    for frames in _by_slice(scan):
        learned: list[T] = []
        spreads: Sequence[Tensor | None]
        for numbers in [frames] if method.together else [[number] for number in frames]:
            n_bytes = WORK * len(numbers) * scan.sorter.lines.frame_bytes
            home = place.device if at is None else place.home(n_bytes)
            group = group_of(scan, numbers, place, home=home, noise=album.wants_noise)
            if shelf is not None and (ready := shelf.find(key := key_of(scan, group, recipe))) is not None:
                images, spreads = torch.from_numpy(ready), [None] * len(numbers)
            else:
                learned = learned or [method.learn(group)]
                images, spreads = _pictured(steps, group, learned[0])
                if shelf is not None:
                    shelf.keep(key, images.cpu().numpy())
            noises = _noises(scan, steps, recipe, group, learned[0]) if album.wants_noise else [None] * len(numbers)
            for number, image, noise, spread in zip(numbers, images, noises, spreads, strict=True):
                shown = None if spread is None else spread * group.scale
                album.keep(number, Picture(image=image * group.scale, noise=noise, spread=shown))
    return album


def _pictured(method: Method[T], group: Group, learned: T) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Make images, and say how far samples of their magnitude lie apart where a method draws some."""
    made = method.unfold(group, learned)
    if not method.sampled:
        return made, [None] * len(made)
    return made.mean(dim=0), list(made.abs().std(dim=0))


def in_pieces(method: Method[T], at: Cut[T], place: Workplace) -> Method[T]:
    """Let a method work on as many positions x at a time as fit the memory."""

    def cut(step: Step[T]) -> Step[T]:
        def in_turn(group: Group, learned: T) -> Tensor:
            pieces = place.pieces(group.data.shape[-1], method.work * group.data[..., 0].nbytes)
            return torch.cat(
                [step(group.at(some, place.device), at(learned, some, place.device)) for some in pieces], dim=-1
            )

        return in_turn

    deviation = None if method.deviation is None else cut(method.deviation)
    return replace(method, unfold=cut(method.unfold), deviation=deviation)


def _by_slice(scan: Undersampled) -> Iterator[list[int]]:
    slices = scan.sorter.lines.indices[:, -1]
    for number in np.unique(slices):
        yield np.flatnonzero(slices == number).tolist()


def _noises(scan: Undersampled, method: Method[T], recipe: Imaging, group: Group, learned: T) -> list[Noise]:
    """Know the noise of every frame: in closed form where there is one and the recipe does not want replicas."""
    if method.deviation is not None and recipe.replicas is None and scan.target.finish.idle:
        deviations = method.deviation(group, learned) * readout_share(group.spread[0], scan.target) ** 0.5
    else:
        deviations = deviation_by_replicas(
            _pictured(method, group, learned)[0],
            lambda random: _pictured(method, noisier(scan, group, random), learned)[0],
            recipe.replicas or DEFAULT,
        )
    ideals = [ideal_deviation(group.noise_power, spread, scan.target) for spread in group.spread]
    return [
        Noise(deviation=deviation * group.scale, ideal=ideal * group.scale)
        for deviation, ideal in zip(deviations, ideals, strict=True)
    ]
