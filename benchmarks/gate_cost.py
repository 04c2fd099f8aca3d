"""What the gate costs beside the reconstruction: recipe by recipe, on a volume and on one slice.

``python -m benchmarks.gate_cost --out docs/quality-gate-cost.md`` measures, which takes some minutes of one core.
All times are those of one thread's processor, so that other work on the machine hardly matters.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch

from gateway.model.gate import Check
from gateway.model.image import ImageSeries
from gateway.model.recipes import L1WaveletRecipe, LearnedRecipe, Recipe, TvRecipe
from gateway.model.zyx import Zyx
from gateway.quality.geometry import ghosting, mirrored
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.recording import evidence_of
from gateway.recon.checks.view import RECIPE
from gateway.recon.companion import companion_of, exactly, recalled_seen
from gateway.recon.engine import reconstruct
from gateway.recon.memory import room_for
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import group_of, understand
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.preparation import Preparation
from gateway.recon.workplace import Workplace
from gateway.zoo.zoo import SHIPPED, Zoo

T = TypeVar("T")

LEARNED = ("heads", "heads-pnp", "heads-unet")
CONVENTIONAL: Mapping[str, Recipe] = {"l1-wavelet": L1WaveletRecipe(), "tv": TvRecipe(steps=60)}
"""Stand for learned methods where the gate is measured; it never sees them elsewhere."""
BEGIN_WITH_SENSE = ("heads", "heads-pnp")
ROUNDS = 5
N_COILS, SIDE, ACCELERATION, CALIBRATION = 16, 192, 4, 24
WARM_SIDE = 64

PAGE = """# What the gate costs

Written by `python -m benchmarks.gate_cost --out docs/quality-gate-cost.md`: the drawn head, {coils} coils,
{side} x {side}, one line in {acceleration} and {calibration} calibration lines; seconds of one thread of a processor
for the reconstruction, from readouts to magnitudes, and for all checks of its images. The aim is 0.5 at the most.

| recipe | slices | reconstruction, s | gate, s | gate / reconstruction |
|---|---|---|---|---|
{rows}

`response` and `held-out` reconstruct one image again each: both are made where there are 8 images or more. `l1-wavelet`
and `tv` stand for learned methods here and in [the measurement of the gate](quality-gate-measured.md): the gate itself
lets conventional images pass.

## Check by check

Milliseconds of the clock for each image, of a volume of {n} slices. What the conventional image costs
is told with `agreement`.

| check | {names} |
|---|{ruler}
{checks}
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one recipe on one scan."""

    recipe: str
    n_slices: int
    made_s: float
    gate_s: float
    checks: Mapping[Check, float]
    """Seconds, by check."""

    @property
    def share(self) -> float:
        """Of the gate beside the reconstruction."""
        return self.gate_s / self.made_s


def recipe_of(name: str) -> Recipe | ReadyModel:
    """Find a recipe, with its model where it is a learned one."""
    if name not in LEARNED:
        return CONVENTIONAL[name]
    model = Zoo((SHIPPED,)).find(name)
    return ReadyModel(recipe=LearnedRecipe(model=name, allow_tests=True), card=model.card, weights=model.weights)


def measured(name: str, n_slices: int, side: int = SIDE) -> Cost:
    """Reconstruct a scan, and check its images."""
    scan = PhantomScan(
        n_slices=n_slices,
        n_coils=N_COILS,
        matrix=Zyx(z=1, y=side, x=side),
        acceleration=ACCELERATION,
        calibration_lines=CALIBRATION,
        seed=0,
    )
    recipe, preparation = recipe_of(name), Preparation(*head_phantom(scan), room_bytes=room_for(None))
    made_s, made = _timed(lambda: reconstructed(preparation, recipe))
    gate_s, evidence = _timed(lambda: checked(preparation, recipe, made))
    ahead_s = ahead(preparation) if name in BEGIN_WITH_SENSE else 0.0
    return Cost(
        recipe=name,
        n_slices=n_slices,
        made_s=made_s - n_slices * ahead_s,
        gate_s=gate_s + n_slices * ahead_s,
        checks=evidence.seconds,
    )


def ahead(preparation: Preparation) -> float:
    """Time what a network that begins with the SENSE image finds out for the gate on the way, for one slice."""
    scan, _ = preparation.of(preparation.spaces[0])
    more = []
    with torch.inference_mode():
        found = understand(scan, RECIPE, regular=False)
        group = group_of(found, [0], Workplace(device=torch.device("cpu")))
        seen = recalled_seen(found, group, RECIPE)
        for _ in range(ROUNDS):
            with_noise_s, _companion = _timed(lambda: companion_of(group, seen))
            alone_s, _image = _timed(lambda: exactly(group, seen, 0, group.noise_power))
            more.append(with_noise_s - alone_s)
    return median(more)


def reconstructed(preparation: Preparation, recipe: Recipe | ReadyModel) -> ImageSeries:
    """Make the images."""
    (series,) = reconstruct(
        preparation.acquisition,
        preparation.header,
        recipe,
        device="cpu",
        progress=lambda *_: None,
        preparation=preparation,
    )
    return series


def checked(preparation: Preparation, recipe: Recipe | ReadyModel, images: ImageSeries) -> Evidence:
    """Make all checks that a policy makes by itself."""
    evidence = evidence_of(preparation, recipe, images, device="cpu")
    for check, each in ((Check.ORIENTATION, mirrored), (Check.GHOSTING, lambda image, _: ghosting(image))):
        with evidence.timed(check):
            if evidence.reference is not None:
                list(map(each, images.pixels, evidence.reference))
    return evidence


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


def page_of(costs: Sequence[Cost], side: int) -> str:
    """Write the page."""
    most = max(one.n_slices for one in costs)
    volumes = [one for one in costs if one.n_slices == most]
    return PAGE.format(
        coils=N_COILS,
        side=side,
        acceleration=ACCELERATION,
        calibration=CALIBRATION,
        n=most,
        rows="\n".join(
            f"| `{one.recipe}` | {one.n_slices} | {one.made_s:.1f} | {one.gate_s:.1f} | {one.share:.2f} |"
            for one in costs
        ),
        names=" | ".join(f"`{one.recipe}`" for one in volumes),
        ruler="---|" * len(volumes),
        checks="\n".join(_by_check(volumes)),
    )


def _by_check(volumes: Sequence[Cost]) -> Iterator[str]:
    for check in Check:
        if any(check in one.checks for one in volumes):
            times = (f"{1000 * one.checks.get(check, 0.0) / one.n_slices:.0f}" for one in volumes)
            yield f"| `{check.value}` | {' | '.join(times)} |"


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_cost", description=__doc__)
    parser.add_argument("--slices", type=int, nargs="+", default=[16, 1])
    parser.add_argument("--recipes", nargs="+", default=[*LEARNED, *CONVENTIONAL], choices=[*LEARNED, *CONVENTIONAL])
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--out", type=Path, help="the page; without it, it is printed")
    call = parser.parse_args()
    torch.set_num_threads(1)
    costs = []
    for name in call.recipes:
        measured(name, 1, WARM_SIDE)
        for n_slices in call.slices:
            costs.append(measured(name, n_slices, call.side))
            print(f"{name}, {n_slices} slices: {costs[-1].share:.2f} of {costs[-1].made_s:.1f} s", flush=True)
    page = page_of(costs, call.side)
    print(page) if call.out is None else call.out.write_text(page)


if __name__ == "__main__":
    main()
