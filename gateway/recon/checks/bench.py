"""One frame on the bench: its method, and what it makes of the same frame with something put into k-space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gateway.model.image import ImageKind, ImageSeries, Pixels
from gateway.model.recipes import Recipe
from gateway.recon.checks.lines_again import LinesAgain
from gateway.recon.checks.rerun import nothing_said
from gateway.recon.checks.slab_piece import busiest, piece_of
from gateway.recon.checks.subject import FEWEST_PLANES
from gateway.recon.checks.view import RECIPE, View, views
from gateway.recon.engine import METHODS, choose_device, settled_recipe
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import Undersampled, understand
from gateway.recon.preparation import Preparation
from gateway.recon.scan import Scan
from gateway.recon.workplace import Workplace


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The first frame of a scan.

    Parameters
    ----------
    made
        What the method makes of it. Shape `(z y x)`, z of length 1 for slices.
    """

    view: View
    rerun: LinesAgain
    made: Pixels
    recipe: Recipe | ReadyModel
    place: Workplace
    why: tuple[str, ...] = ()
    """Why it is another recipe than was asked for."""

    @property
    def deviation(self) -> Pixels:
        """Noise of the conventional image, in the units of images. Shape `(z y x)` of the encoded grid."""
        return np.asarray((self.view.deviation * self.view.scale).cpu().numpy(), np.float32)

    @property
    def there(self) -> Pixels:
        """Where there is something to see. Shape `(z y x)`."""
        return np.asarray(self.view.there.cpu().numpy())

    def with_details(self, added: Pixels) -> Pixels:
        """Say what changes where a magnitude is added to the patient before it is measured. Shape `(z y x)` both."""
        with torch.inference_mode():
            more = torch.from_numpy(added.astype(np.float32)).to(self.view.deviation) / self.view.scale
            phase = torch.polar(torch.ones_like(more), self.view.reference.angle())
            return self._change(self.view.seen(more * phase))

    def with_noise(self, size: float, seed: int) -> Pixels:
        """Say what changes with a random perturbation of k-space, of so much of the energy of the noise."""
        view, random = self.view, np.random.default_rng(seed)
        drawn = random.standard_normal((*view.data.shape, 2), np.float32)
        more = torch.view_as_complex(torch.from_numpy(drawn)).to(view.data)
        with torch.inference_mode():
            return self._change(more * (size * (view.noise_power / 2) ** 0.5))

    def with_samples(self, added: torch.Tensor) -> torch.Tensor:
        """Reconstruct with something added to what was measured. Shape `(coil line sample)` to `(z y x)`."""
        with torch.inference_mode():
            made = self.rerun.with_added(added * self.view.scale)
        return torch.from_numpy(made / self.view.scale).to(self.view.deviation)

    def _change(self, samples: torch.Tensor) -> Pixels:
        made = self.rerun.with_added(samples * self.view.scale)
        change = self.view.encoded(made).abs() - self.view.encoded(self.made).abs()
        return np.asarray((change * self.view.scale).cpu().numpy(), np.float32)


def on_bench(
    preparation: Preparation, recipe: Recipe | ReadyModel, *, device: str, most_bytes: int | None = None
) -> Bench:
    """Put the first frame of a recording on the bench.

    Parameters
    ----------
    most_bytes
        Of the coil images of a slab: a larger one is cut to those positions along its readouts that show most.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or the method refuses it.
    """
    scan, _ = preparation.of(preparation.spaces[0])
    place = Workplace(device=choose_device(device))
    with torch.no_grad():  # gradients go through what is found here, which inference mode would forbid
        settled, why = settled_recipe(scan, recipe)
        found = understand(scan, RECIPE, regular=False)
        view = next(views(found, place))
        view, found, scan = _cut(view, found, scan, place, most_bytes)
        rerun = LinesAgain(scan=scan, found=found, reconstruct=lambda changed: _made(changed, settled, place), frame=0)
        rerun.check()
        made = rerun.with_added(torch.zeros_like(view.data))
    return Bench(view=view, rerun=rerun, made=made, recipe=settled, place=place, why=why)


def _cut(
    view: View, found: Undersampled, scan: Scan, place: Workplace, most_bytes: int | None
) -> tuple[View, Undersampled, Scan]:
    """Cut a slab whose coil images take more than so many bytes."""
    n_x, each = view.encoding.shape[-1], view.data.itemsize * len(view.data) * math.prod(view.encoding.shape[:2])
    if most_bytes is None or found.sorter.lines.partitions.n == 1 or n_x * each <= most_bytes:
        return view, found, scan
    some = busiest(view.there, min(n_x, max(FEWEST_PLANES, most_bytes // each)))
    piece = piece_of(scan, found, some, view.noise_power * view.scale**2)
    again = understand(piece, RECIPE, regular=False)
    return next(views(again, place)), again, piece


def _made(scan: Scan, recipe: Recipe | ReadyModel, place: Workplace) -> tuple[ImageSeries, ...]:
    only: Mapping[str, Any] = {"output": (ImageKind.MAGNITUDE,), "replicas": None}
    if isinstance(recipe, ReadyModel):
        recipe = replace(recipe, recipe=recipe.recipe.model_copy(update=only))
    else:
        recipe = recipe.model_copy(update=only)
    method: Any = METHODS[type(recipe)]
    made: tuple[ImageSeries, ...] = method(scan, recipe, place=place, progress=nothing_said)
    return made
