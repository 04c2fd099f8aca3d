"""What the gate costs beside the reconstruction: recipe by recipe, on a volume and on one slice.

``python -m benchmarks.gate_cost --out docs/quality-gate-cost.md`` measures, which takes some minutes of one core.
All times are those of one thread's processor, so that other work on the machine hardly matters.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch

from gateway.model.card import Encoded, MadeFor
from gateway.model.gate import Check
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import CgNufftRecipe, L1WaveletRecipe, LearnedRecipe, Recipe, TvRecipe
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
from tests.recon.scattered import scattered_head
from tests.recon.slabs import MATRIX, header_of, slab
from tests.recon.trajectories import radial, spiral

T = TypeVar("T")

LEARNED = ("heads", "heads-pnp", "heads-unet")
CONVENTIONAL: Mapping[str, Recipe] = {"l1-wavelet": L1WaveletRecipe(), "tv": TvRecipe(steps=60)}
"""Stand for learned methods where the gate is measured; it never sees them elsewhere."""
BEGIN_WITH_SENSE = ("heads", "heads-pnp")
ROUNDS = 5
SHARE, MIDDLE = 0.4, 8
"""Of the lines of a slab: measured at random, and partitions and lines in the middle that all are."""
N_COILS, SIDE, ACCELERATION, CALIBRATION = 16, 192, 4, 24
WARM_SIDE = 64
SPOKES, SPIRALS = radial(64, 100), spiral(64, 16, 500)

PAGE = """# What the gate costs

Written by `python -m benchmarks.gate_cost --out docs/quality-gate-cost.md`: the drawn head, {coils} coils,
{side} x {side}, one line in {acceleration} and {calibration} calibration lines; seconds of one thread of a processor
for the reconstruction, from readouts to magnitudes, and for all checks of its images. The aim is 0.5 at the most.

| recipe | slices | reconstruction, s | gate, s | gate / reconstruction |
|---|---|---|---|---|
{rows}

## Slabs and trajectories

A drawn slab of 16 x 32 x 32, 8 coils, four lines in ten at random, which a network makes plane by plane; two slices of
64 x 64 with 4 coils along 100 spokes and along 16 spirals. `cg-nufft` stands for methods that come after it and take
longer; a third of the gate beside it goes into finding its noise. The last column is the part of the gate's time by
the clock that checks say they took.

| scan | recipe | reconstruction, s | gate, s | gate / reconstruction | told check by check |
|---|---|---|---|---|---|
{others}

## Where images are made again

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


@dataclass(frozen=True, kw_only=True)
class Other:
    """A scan that is no Cartesian one of slices, and what is made of it."""

    scan: str
    name: str
    recorded: Callable[[], tuple[Acquisition, ScanHeader]]
    recipe: Callable[[], Recipe | ReadyModel]


def of_planes() -> ReadyModel:
    """Let the shipped cascade make planes of slabs, which its card does not say."""
    model = Zoo((SHIPPED,)).find("heads")
    card = model.card.model_copy(update={"made_for": MadeFor(encoded=(Encoded.SLABS,))})
    return ReadyModel(recipe=LearnedRecipe(model="heads", allow_tests=True), card=card, weights=model.weights)


def drawn_slab() -> tuple[Acquisition, ScanHeader]:
    """Scan a slab, lines at random."""
    random = np.random.default_rng(6).random((MATRIX.z, MATRIX.y)) < SHARE
    middle = np.ix_(*(abs(np.arange(n) - n // 2) <= MIDDLE // 2 for n in random.shape))
    random[middle] = True
    return (slab(random, noise=0.01),), header_of()


def along(points: torch.Tensor) -> tuple[Acquisition, ScanHeader]:
    """Scan two slices along a trajectory."""
    readouts, header = scattered_head(points)
    noise = 0.02 * np.random.default_rng(2).standard_normal((*readouts.samples.shape, 2))
    noisy = (readouts.samples + noise.view(np.complex128)[..., 0]).astype(np.complex64)
    return (replace(readouts, samples=noisy),), header


OTHERS = (
    Other(scan="slab", name="heads", recorded=drawn_slab, recipe=of_planes),
    Other(scan="slab", name="l1-wavelet", recorded=drawn_slab, recipe=L1WaveletRecipe),
    Other(scan="radial", name="cg-nufft", recorded=partial(along, SPOKES), recipe=CgNufftRecipe),
    Other(scan="spiral", name="cg-nufft", recorded=partial(along, SPIRALS), recipe=CgNufftRecipe),
)


def of_other(other: Other) -> str:
    """Measure one of them; a row of the table."""
    recipe, preparation = other.recipe(), Preparation(*other.recorded(), room_bytes=room_for(None))
    made_s, made = _timed(lambda: reconstructed(preparation, recipe))
    begun = time.perf_counter()
    gate_s, evidence = _timed(lambda: checked(preparation, recipe, made))
    told = sum(evidence.seconds.values()) / (time.perf_counter() - begun)
    return (
        f"| {other.scan} | `{other.name}` | {made_s:.2f} | {gate_s:.2f} | {gate_s / made_s:.2f} | {100 * told:.0f} % |"
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


def page_of(costs: Sequence[Cost], side: int, others: Sequence[str]) -> str:
    """Write the page."""
    most = max(one.n_slices for one in costs)
    volumes = [one for one in costs if one.n_slices == most]
    return PAGE.format(
        coils=N_COILS,
        side=side,
        acceleration=ACCELERATION,
        calibration=CALIBRATION,
        n=most,
        others="\n".join(others),
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
    others = [of_other(each) for each in (*OTHERS, *OTHERS)]  # the first time they get warm
    page = page_of(costs, call.side, others[len(OTHERS) :])
    print(page) if call.out is None else call.out.write_text(page)


if __name__ == "__main__":
    main()
