"""Every frame of an undersampled scan by one method: calibration once for each slice, noise where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from gateway.model.recipes import Imaging
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Group, Undersampled, group_of, noisier
from gateway.recon.pictures import Album, Noise, Picture
from gateway.recon.replicas import DEFAULT, deviation_by_replicas
from gateway.recon.sample_noise import ideal_deviation, readout_share

T = TypeVar("T")


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
    """

    learn: Callable[[Group], T]
    unfold: Callable[[Group, T], Tensor]
    deviation: Callable[[Group, T], Tensor] | None = None
    together: bool = False


def slice_by_slice(
    scan: Undersampled, method: Method[T], recipe: Imaging, *, device: torch.device, progress: Progress
) -> Album:
    """Reconstruct all frames, one slice after the other."""
    album = Album(recipe, scan.sorter.lines.n_frames, scan.target, progress)
    for frames in _by_slice(scan):
        learned: list[T] = []
        for numbers in [frames] if method.together else [[number] for number in frames]:
            group = group_of(scan, numbers, device, noise=album.wants_noise)
            learned = learned or [method.learn(group)]
            images = method.unfold(group, learned[0])
            noises = _noises(scan, method, recipe, group, learned[0]) if album.wants_noise else [None] * len(numbers)
            for number, image, noise in zip(numbers, images, noises, strict=True):
                album.keep(number, Picture(image=image * scan.scale, noise=noise))
    return album


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
            method.unfold(group, learned),
            lambda random: method.unfold(noisier(scan, group, random), learned),
            recipe.replicas or DEFAULT,
        )
    ideals = [ideal_deviation(scan.noise_power, spread, scan.target) for spread in group.spread]
    return [
        Noise(deviation=deviation * scan.scale, ideal=ideal * scan.scale)
        for deviation, ideal in zip(deviations, ideals, strict=True)
    ]
