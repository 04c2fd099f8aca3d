"""Recipe guided-tv: undersampled Cartesian k-space, with few edges but where an earlier scan of the exam has some.

Directional total variation (Ehrhardt 2016, doi:10.1137/15M1047325): of the gradient only the part that does not run
across an edge of the guide is penalised. The guide says where an edge may be, never how bright anything is: an edge of
the guide that the data do not bear costs nothing and stays away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import GuidedTvRecipe
from gateway.model.zyx import Zyx
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import recalled_seen
from gateway.recon.guide import ReadyGuide, axes_of, check_fits, edge_directions, lattice_of
from gateway.recon.kspace import Progress
from gateway.recon.methods.tv import total_variation
from gateway.recon.movement import Movement, find_movement
from gateway.recon.operators import Operator, differences
from gateway.recon.parallel import Group, series_of, understand
from gateway.recon.regrid import Lattice, Stack, stack_of
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.solvers import Analysis, Stop, primal_dual
from gateway.recon.threads import as_many_as_help
from gateway.recon.workplace import Workplace

FIRST_STEPS = 40
"""Iterations of the image without a guide on which the guide is laid."""
FINE = 128
"""Pixels along an axis from which every second one tells enough of a movement."""
ALIKE = 0.45
"""How well edges of both must agree, where 1 is everywhere: of one head in two contrasts they do to 0.65 and more, also
moved or noisy, of two heads to 0.35 at the most."""


@dataclass(slots=True, kw_only=True)
class Told:
    """What became of the guide, slice by slice."""

    movements: list[Movement] = field(default_factory=list)
    without: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say it for the reader of the series."""
        farthest = max(self.movements, key=lambda one: (one.x_mm**2 + one.y_mm**2, abs(one.turn_deg)), default=None)
        moved = () if farthest is None else (f"It was moved by up to {farthest.told} in the plane to fit.",)
        n = len(self.without)
        left = (f"{n} of {n + len(self.movements)} slices are without it: {self.without[0]}.",) if n else ()
        return (*moved, *left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guided:
    """What stays the same for all frames of a slice: sensitivities, and where edges may lie; None for anywhere."""

    seen: Seen
    directions: Tensor | None


def reconstruct_guided_tv(
    scan: Scan, ready: ReadyGuide, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct every frame.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    recipe, guide = ready.recipe, ready.guide
    if guide is None:
        raise BadScan(f"there is no guide: {ready.lacking}")
    found = understand(scan, recipe, regular=False)
    stack, told = stack_of(guide.images, place.device), Told()

    def learn(group: Group) -> Guided:
        seen = recalled_seen(found, group, recipe)
        head = found.sorter.lines.first_heads()[group.numbers[0]]
        lattice = lattice_of(head, found.sorter.lines.encoding, found.target, place.device)
        directions = _laid(stack, lattice, _first(group, seen, recipe), recipe, told)
        return Guided(seen=seen, directions=directions)

    def unfold(group: Group, known: Guided) -> Tensor:
        problem = cartesian_problem(group.data, group.filled, known.seen.maps)
        image = solve(problem, recipe.noise_weight * group.noise_power**0.5, recipe, known.directions)
        return to_target(image, known.seen.maps, found.target)

    album = slice_by_slice(found, Method(learn=learn, unfold=unfold), recipe, place=place, progress=progress)
    how = (
        f"SENSE by {recipe.estimator} maps with directional total variation, penalty {recipe.noise_weight:g} times the "
        f"noise, guided by the edges of {guide.name!r} of the same exam, whose brightness was not used."
    )
    made = series_of(album, found, (how, *told.notes))
    return tuple(replace(series, guided_by=guide.digest) for series in made)


def solve(problem: Problem, penalty: float, recipe: GuidedTvRecipe, directions: Tensor | None) -> Tensor:
    """Solve for the images of a problem. Shape `(frame set x z y)`.

    Parameters
    ----------
    directions
        Across edges of the guide, as `edge_directions`; None for total variation alone. Shape `(axis x z y)`.
    """
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    variation = total_variation(problem.rhs, penalty)
    if directions is not None:
        variation = directional(variation, problem.rhs, directions)
    with as_many_as_help(problem.rhs):
        return primal_dual(problem.normal, problem.rhs, variation, stop, lipschitz=1.0)


def directional(variation: Analysis, images: Tensor, directions: Tensor) -> Analysis:
    """Leave the part across edges of the guide out of the gradient of images `(frame set x z y)`.

    What is left is never longer, so the norm's bound holds.
    """
    steps = differences(axes_of(images))
    across = directions[:, None, None]

    def along(gradient: Tensor) -> Tensor:
        return gradient - across * (across * gradient).sum(dim=0, keepdim=True)

    operator = Operator(lambda image: along(steps.apply(image)), lambda gradient: steps.adjoint(along(gradient)))
    return replace(variation, operator=operator)


def _first(group: Group, seen: Seen, recipe: GuidedTvRecipe) -> Tensor:
    """Make an image of the middle of the first frame without a guide. Magnitude; shape `(x y)`."""
    problem = cartesian_problem(group.data[:1], group.filled[:1], seen.maps)
    fewer = recipe.model_copy(update={"steps": min(recipe.steps, FIRST_STEPS)})
    image = solve(problem, recipe.noise_weight * group.noise_power**0.5, fewer, None)
    return image[0, 0, :, image.shape[-2] // 2].abs()


def _laid(stack: Stack, lattice: Lattice, image: Tensor, recipe: GuidedTvRecipe, told: Told) -> Tensor | None:
    """Lay a guide on a slice; None where it does not fit."""
    try:
        check_fits(stack, lattice)
        moved = _movement(stack, lattice, image)
    except BadScan as fault:
        told.without.append(str(fault))
        return None
    told.movements.append(moved)
    values, inside = stack.over(lattice, (moved.x_mm, moved.y_mm), moved.turn_deg)
    return edge_directions(values, inside, edge=recipe.edge)


def _movement(stack: Stack, lattice: Lattice, image: Tensor) -> Movement:
    """Find out how somebody has moved, in the middle plane of a lattice and by every second pixel of a fine one."""
    step, matrix = lattice.step_mm, lattice.matrix
    by_x, by_y = (2 if n >= FINE else 1 for n in (matrix.x, matrix.y))
    image = image[matrix.x // 2 % by_x :: by_x, matrix.y // 2 % by_y :: by_y]
    middle = replace(
        lattice,
        matrix=Zyx(z=1, y=image.shape[1], x=image.shape[0]),
        step_mm=replace(step, x=step.x * by_x, y=step.y * by_y),
    )

    def earlier(x_mm: float, y_mm: float, turn_deg: float) -> Tensor:
        return stack.over(middle, (x_mm, y_mm), turn_deg)[0][:, 0]

    found = find_movement(image, earlier, (middle.step_mm.x, middle.step_mm.y))
    if found.alike < ALIKE:
        raise BadScan("edges of the guide do not lie on those of the image")
    return found
