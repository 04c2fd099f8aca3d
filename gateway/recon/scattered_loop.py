"""Every frame of a non-Cartesian scan by one method: the transform once for each trajectory, noise where asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import CgNufftRecipe, NufftRecipe
from gateway.recon.density import density_weights
from gateway.recon.fourier import fourier, resize
from gateway.recon.kspace import Progress
from gateway.recon.nufft import WIDTH, Nufft, toeplitz
from gateway.recon.operators import Map
from gateway.recon.pictures import Album, Noise, Picture
from gateway.recon.replicas import DEFAULT, deviation_by_replicas, white_noise
from gateway.recon.scan import Scan
from gateway.recon.series import scattered_series
from gateway.recon.space import Target, target_of
from gateway.recon.trajectory import Gatherer, Scattered, gather
from gateway.recon.trajectory_noise import trajectory_noise
from gateway.recon.workplace import Workplace

Gridded = NufftRecipe | CgNufftRecipe

CALIBRATION_POINTS = 24
"""Points of k-space along each axis, around its centre, that sensitivities are learned from."""


@dataclass(frozen=True, kw_only=True)
class Gridding:
    """The transform of a trajectory, kept while frames share it.

    Parameters
    ----------
    all_points
        As gathered.
    points
        Those that the matrix can hold, on the device.
    inside
        Which those are.
    weights
        Of their density.
    """

    all_points: Tensor
    points: Tensor
    inside: Tensor
    weights: Tensor
    transform: Nufft

    @cached_property
    def normal(self) -> Map:
        """There and back, weighted by density: from images to images, without coils."""
        return toeplitz(self.points, self.weights, self.transform.matrix)

    @property
    def nbytes(self) -> int:
        """Say about how much memory it takes: the kernel, once in each direction, and its convolution."""
        n_samples, n_axes = self.points.shape
        n_bytes: int = n_samples * WIDTH**n_axes * 2 * 12 + math.prod(self.transform.matrix) * 4 * 2**n_axes
        return n_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Samples of one frame that the matrix can hold, and where they are.

    Parameters
    ----------
    samples
        Shape `(coil sample)`.
    noise_power
        Variance of the noise of one complex sample.
    number
        Of the frame; None where noise was added, so that nothing that is known of the frame holds.
    """

    samples: Tensor
    gridding: Gridding
    noise_power: float
    number: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """The grid, with an axis z of length 1 in 2D."""
        matrix = self.gridding.transform.matrix
        return (*[1] * (3 - len(matrix)), *matrix)  # type: ignore[return-value] # two or three axes

    def coil_images(self) -> Tensor:
        """Transform the samples, weighted by their density. Shape `(coil z y x)`."""
        weighted = self.samples * self.gridding.weights
        return self.gridding.transform.adjoint(weighted).reshape(-1, *self.shape)

    def coil_images_in_turn(self) -> Iterator[Tensor]:
        """Transform one coil after the other, so that their images are not in memory together. Shape `(z y x)`."""
        for coil in self.samples:
            yield self.gridding.transform.adjoint(coil * self.gridding.weights).reshape(self.shape)

    def calibration(self) -> Tensor:
        """Bring the centre of k-space to a grid. Shape `(coil z y x)`."""
        kspace = fourier(self.coil_images(), (-3, -2, -1))
        for axis, n in zip((-3, -2, -1), self.shape, strict=True):
            kspace = resize(kspace, axis, min(n, CALIBRATION_POINTS))
        return kspace

    def noisier(self, random: torch.Generator) -> Readings:
        """Add noise of the samples' own power, independent of theirs."""
        more = white_noise(self.samples, self.noise_power, random)
        return replace(self, samples=self.samples + more, number=None)

    def image_noise(self) -> float:
        """Give the noise of a pixel of `coil_images`: its standard deviation, as a complex number."""
        weights = self.gridding.weights.double()
        return math.sqrt(self.noise_power * float(weights.square().sum()) / math.prod(self.shape))

    def ideal_deviation(self) -> float:
        """Say what so many samples over the same part of k-space leave at the least, in the real part of a pixel."""
        covered = float(self.gridding.weights.double().sum())
        share = covered**2 / (len(self.gridding.weights) * math.prod(self.shape))
        return math.sqrt(self.noise_power / 2 * share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattering:
    """How frames become images.

    Parameters
    ----------
    unfold
        To an image on the grid; complex, or a magnitude. Shape `(z y x)`.
    deviation
        The noise of its magnitude in closed form; None where there is none. Shape `(z y x)`.
    note
        What the reader of the series should know.
    """

    note: str
    unfold: Callable[[Readings], Tensor]
    deviation: Callable[[Readings], Tensor] | None = None


def frame_by_frame(
    scan: Scan, method: Scattering, recipe: Gridded, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct all frames.

    Raises
    ------
    BadScan
        There is no trajectory or none that is understood, something is missing, or the scan does not say where it lies.
    """
    progress(0.0, "gathering readouts along their trajectory")
    gatherer = gather(scan.acquisition, scan.header, recipe=recipe.method, per_frame=recipe.spokes_per_frame)
    target = target_of(gatherer.encoding)
    album = Album(recipe, gatherer.n_frames, target, progress)
    for number, readings in enumerate(readings_of(scan, gatherer, target, place.device)):
        image = method.unfold(readings)
        noise = _noise(method, readings, image, recipe.replicas) if album.wants_noise else None
        album.keep(number, _fitted(Picture(image=image, noise=noise), target))
    each = recipe.spokes_per_frame
    in_time = () if each is None else (f"Frames of {each} readouts, in the order of time.",)
    return scattered_series(album, gatherer, target, (method.note, *in_time))


def readings_of(scan: Scan, gatherer: Gatherer, target: Target, device: torch.device) -> Iterator[Readings]:
    """Read all frames; the transform of the first is kept for whoever reads them again."""
    gridding: Gridding | None = None
    for number, frame in enumerate(gatherer.frames()):
        if gridding is None:
            first = partial(gridding_of, frame, target, device, None)
            gridding = scan.once(("gridding", gatherer.n_frames, device), first, lambda found: found.nbytes)
        gridding = gridding_of(frame, target, device, gridding)
        yield replace(_readings(frame, gridding, scan), number=number)


def gridding_of(frame: Scattered, target: Target, device: torch.device, known: Gridding | None) -> Gridding:
    """Lay the kernel of a trajectory, unless the one that is known is of the same.

    Points beyond what the pixels of the image can show are left out, as a Cartesian method crops k-space.
    """
    if known is not None and torch.equal(known.all_points, frame.points):
        return known
    matrix = target.grid.as_tuple()[-frame.points.shape[1] :]
    on_device = frame.points.to(device)
    inside = (on_device.abs() <= on_device.new_tensor(matrix) / 2).all(dim=1)
    points = on_device[inside]
    return Gridding(
        all_points=frame.points,
        points=points,
        inside=inside,
        weights=density_weights(points, matrix),
        transform=Nufft(points, matrix),
    )


def _readings(frame: Scattered, gridding: Gridding, scan: Scan) -> Readings:
    samples = frame.samples.to(gridding.points.device)[:, gridding.inside]
    power = scan.noise_power
    if power is None:
        power = trajectory_noise(samples, gridding.points)
    return Readings(samples=samples, gridding=gridding, noise_power=power)


def _noise(method: Scattering, readings: Readings, image: Tensor, replicas: int | None) -> Noise:
    if method.deviation is not None and replicas is None:
        deviation = method.deviation(readings)
    else:
        deviation = deviation_by_replicas(
            image, lambda random: method.unfold(readings.noisier(random)), replicas or DEFAULT
        )
    return Noise(deviation=deviation, ideal=readings.ideal_deviation())


def _fitted(picture: Picture, target: Target) -> Picture:
    """Cut image and noise on the grid to the matrix that is wanted."""

    def cut(values: Tensor) -> Tensor:
        for axis, n in zip((-3, -2, -1), target.matrix.as_tuple(), strict=True):
            values = resize(values, axis, n)
        return values

    noise = picture.noise
    return Picture(
        image=cut(picture.image), noise=replace(noise, deviation=cut(noise.deviation)) if noise is not None else None
    )
