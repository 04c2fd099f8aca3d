"""A non-Cartesian scan as the checks go through it: radial, spiral, or whatever has a trajectory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from gateway.model.errors import BadScan
from gateway.model.image import Pixels
from gateway.model.recipes import CgNufftRecipe
from gateway.model.zyx import Zyx
from gateway.recon.checks.declared import Missing
from gateway.recon.checks.on_points import OnPoints
from gateway.recon.checks.points_again import PointsAgain
from gateway.recon.checks.rerun import Engine
from gateway.recon.checks.subject import AFFORDABLE, Trial
from gateway.recon.checks.view import View, local_mean, shows_something
from gateway.recon.gaps import frame_undersampling
from gateway.recon.methods.cg_nufft import noise_of, recalled_unfolded
from gateway.recon.scan import Scan
from gateway.recon.scattered_loop import Readings, readings_of
from gateway.recon.space import Target, target_of
from gateway.recon.trajectory import Gatherer, gather, kept_samples
from gateway.recon.workplace import Workplace

LINE = "kspace_encoding_step_1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPoints:
    """A non-Cartesian scan.

    Parameters
    ----------
    recipe
        The conventional method that images are held against.
    """

    scan: Scan
    gatherer: Gatherer
    target: Target
    recipe: CgNufftRecipe

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return self.gatherer.n_frames

    @property
    def n_slices(self) -> int:
        """Count the images of a frame."""
        return self.target.matrix.z

    def views(self, place: Workplace) -> Iterator[View]:
        """Look at every frame.

        Raises
        ------
        BadScan
            Readouts of a frame are of several lengths.
        """
        for number, readings in enumerate(readings_of(self.scan, self.gatherer, self.target, place.device)):
            yield self._view(number, readings)

    def missing(self, number: int) -> Missing | None:
        """Hold the readouts of a frame against what the header says, those left out on purpose aside.

        Limits of the counter say how many there should be; some exporters write the lines of a Cartesian scan there. So
        none is missing where readouts lie as densely as the header's acceleration lets expect.
        """
        if self.recipe.spokes_per_frame is not None:
            return None
        declared = max(self.gatherer.encoding.acceleration.y, 1.0)
        found = [self._too_few(number, declared), self._too_sparse(number, declared)]
        return min((one for one in found if one is not None), key=lambda one: one.times, default=None)

    def _too_few(self, number: int, declared: float) -> Missing | None:
        limit = self.gatherer.encoding.limits.get(LINE)
        if limit is None or limit.maximum <= limit.minimum:
            return None
        steps = self.gatherer.heads["idx"]["kspace_encode_step_1"][self.gatherer.frame == number]
        wanted, n_measured = (limit.maximum - limit.minimum + 1) / declared, len(np.unique(steps))
        note = f"{n_measured} readouts were measured, the header says {wanted:.4g}"
        return Missing(times=max(1.0, wanted / n_measured), note=note)

    def _too_sparse(self, number: int, declared: float) -> Missing | None:
        """Compare gaps, where there are limits or an acceleration that tell of them."""
        limit = self.gatherer.encoding.limits.get(LINE)
        if declared <= 1 and (limit is None or limit.maximum <= limit.minimum):
            return None
        gaps = frame_undersampling(self.gatherer, number)
        if gaps is None:
            return None
        note = f"gaps are {gaps:.3g} times as wide as they may be, the header says {declared:.3g}"
        return Missing(times=max(1.0, gaps / declared), note=note)

    def affordable(self) -> int:
        """Count by frames."""
        return int(AFFORDABLE * self.n_frames)

    def trial(self, number: int, view: View, pixels: Pixels, engine: Engine, place: Workplace) -> Trial:  # noqa: ARG002 - as other scans take it
        """Prepare a frame to be made again."""
        again = PointsAgain(scan=self.scan, gatherer=self.gatherer, reconstruct=engine, frame=number)
        return Trial(view=view, rerun=again, pixels=pixels)

    def _view(self, number: int, readings: Readings) -> View:
        groups = self.gatherer.groups(number)
        lengths = {
            len(range(*kept_samples(head).indices(int(head["number_of_samples"])))) for head in self._firsts(groups)
        }
        if len(lengths) > 1:
            raise BadScan("readouts of one image are of several lengths")
        n_lines, inside = sum(map(len, groups)), readings.gridding.inside
        known = recalled_unfolded(self.scan, readings, self.recipe)
        random = torch.Generator(device=readings.samples.device).manual_seed(number)
        noise = noise_of(readings, known, self.recipe, random).abs().square() / 2
        scale = float(readings.calibration().abs().max())
        if scale == 0:
            raise BadScan("the centre of k-space is zero")
        power = torch.stack([local_mean(each) for each in noise])
        deviation = power.clamp_min(readings.ideal_deviation() ** 2).sqrt() / scale
        data = readings.samples.new_zeros((len(readings.samples), len(inside)))
        data[:, inside] = readings.samples / scale
        image = known.joined / scale
        z, y, x = image.shape
        return View(
            data=data.reshape(len(data), n_lines, -1),
            encoding=OnPoints(maps=known.maps[0], gridding=readings.gridding, n_lines=n_lines),
            noise_power=readings.noise_power / scale**2,
            reference=image,
            deviation=deviation,
            there=shows_something(image.abs(), deviation),
            scale=scale,
            grid=Zyx(z=z, y=y, x=x),
            matrix=self.target.matrix,
        )

    def _firsts(self, groups: list[np.ndarray]) -> Iterator[np.void]:
        return (self.gatherer.heads[group[0]] for group in groups)


def of_points(scan: Scan, recipe: CgNufftRecipe) -> OfPoints:
    """Find out how a non-Cartesian scan was measured.

    Raises
    ------
    BadScan
        There is no trajectory, or none that is understood.
    """
    gatherer = gather(scan.acquisition, scan.header, recipe=recipe.method, per_frame=recipe.spokes_per_frame)
    return OfPoints(scan=scan, gatherer=gatherer, target=target_of(gatherer.encoding), recipe=recipe)
