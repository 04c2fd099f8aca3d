"""One frame on the bench: its method, and what it makes of the same frame with something put into k-space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gateway.model.errors import BadScan
from gateway.model.image import ImageKind, ImageSeries, Pixels
from gateway.model.recipes import Recipe
from gateway.recon.checks.lines_again import LinesAgain
from gateway.recon.checks.rerun import nothing_said
from gateway.recon.checks.view import RECIPE, View, views
from gateway.recon.engine import METHODS, choose_device, settled_recipe
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import understand
from gateway.recon.preparation import Preparation
from gateway.recon.scan import Scan
from gateway.recon.workplace import Workplace


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The first frame of a scan.

    Parameters
    ----------
    made
        What the method makes of it. Shape `(1 y x)`.
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
        """Noise of the conventional image, in the units of images. Shape `(y x)` of the encoded lines."""
        return np.asarray((self.view.deviation[0] * self.view.scale).cpu().numpy(), np.float32)

    @property
    def there(self) -> Pixels:
        """Where there is something to see. Shape `(y x)`."""
        return np.asarray(self.view.there[0].cpu().numpy())

    def with_details(self, added: Pixels) -> Pixels:
        """Say what changes where a magnitude is added to the patient before it is measured. Shape `(y x)` both."""
        with torch.inference_mode():
            more = torch.from_numpy(added[None].astype(np.float32)).to(self.view.deviation) / self.view.scale
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
        """Reconstruct with something added to what was measured. Shape `(coil line sample)` to `(y x)`."""
        with torch.inference_mode():
            made = self.rerun.with_added(added * self.view.scale)
        return torch.from_numpy(made[0] / self.view.scale).to(self.view.deviation)

    def _change(self, samples: torch.Tensor) -> Pixels:
        made = self.rerun.with_added(samples * self.view.scale)
        change = self.view.encoded(made)[0].abs() - self.view.encoded(self.made)[0].abs()
        return np.asarray((change * self.view.scale).cpu().numpy(), np.float32)


def on_bench(preparation: Preparation, recipe: Recipe | ReadyModel, *, device: str) -> Bench:
    """Put the first frame of a recording on the bench.

    Raises
    ------
    BadScan
        The scan is not one of slices, or the method refuses it.
    """
    scan, _ = preparation.of(preparation.spaces[0])
    place = Workplace(device=choose_device(device))
    with torch.no_grad():  # gradients go through what is found here, which inference mode would forbid
        settled, why = settled_recipe(scan, recipe)
        found = understand(scan, RECIPE, regular=False)
        view = next(views(found, place))
        if found.sorter.lines.partitions.n > 1:
            raise BadScan("partitions were encoded, and structures are put into slices alone")
        rerun = LinesAgain(scan=scan, found=found, reconstruct=lambda changed: _made(changed, settled, place), frame=0)
        rerun.check()
        made = rerun.with_added(torch.zeros_like(view.data))
    return Bench(view=view, rerun=rerun, made=made, recipe=settled, place=place, why=why)


def _made(scan: Scan, recipe: Recipe | ReadyModel, place: Workplace) -> tuple[ImageSeries, ...]:
    only: Mapping[str, Any] = {"output": (ImageKind.MAGNITUDE,), "replicas": None}
    if isinstance(recipe, ReadyModel):
        recipe = replace(recipe, recipe=recipe.recipe.model_copy(update=only))
    else:
        recipe = recipe.model_copy(update=only)
    method: Any = METHODS[type(recipe)]
    made: tuple[ImageSeries, ...] = method(scan, recipe, place=place, progress=nothing_said)
    return made
