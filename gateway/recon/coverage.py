"""How far a Cartesian scan reaches in k-space, and what therefore is done to it before it becomes an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import Encoding
from gateway.model.recipes import Cartesian
from gateway.recon.apodisation import window
from gateway.recon.finishing import Finish, completion_for
from gateway.recon.kspace import Sorter
from gateway.recon.partial_fourier import AXES, Side, partial_sides
from gateway.recon.space import Target, target_of

SAME = 1e-3
"""Fields of view that differ by less are meant to be the same."""

Coverage = tuple[Side, Side, Side]
"""Along z, y and x."""


def finished_target(recipe: Cartesian, sorter: Sorter, centre: Callable[[], Tensor]) -> Target:
    """Choose the image that is wanted, and how k-space is finished for it.

    Parameters
    ----------
    centre
        Gives k-space without gaps around its centre, of the middle slice, where it is needed. Shape `(coil z y x)`.
    """
    _refuse_untold_oversampling(sorter.lines.encoding)
    target, measured = target_of(sorter.lines.encoding), coverage_of(sorter)
    shown = _in_hybrid_space(measured, sorter, target)
    completed, why = None, Finish().why
    sides = partial_sides(measured)
    if sides:
        completed, why = completion_for(recipe.partial_fourier, sides, centre())
    windows = {axis: window(recipe.window, side, width=recipe.window_width) for axis, side in _windowed(recipe, shown)}
    finish = Finish(
        completion=completed,
        sides={axis: side for axis, side in zip(AXES, shown, strict=True) if axis in sides},
        why=why,
        windows=windows,
        notes=_of_windows(recipe, windows, shown),
    )
    return replace(target, finish=finish)


def _refuse_untold_oversampling(encoding: Encoding) -> None:
    """Refuse to throw half of the readout's resolution away: twice the samples over the same field of view.

    Nobody measures that. The samples are twice as dense, and the encoded field of view is twice as wide as told.
    """
    encoded, recon = encoding.encoded, encoding.recon
    same = abs(encoded.fov_mm.x / recon.fov_mm.x - 1) < SAME
    if same and encoded.matrix.x >= 2 * recon.matrix.x and encoded.matrix.y <= recon.matrix.y:
        raise BadScan(
            f"{encoded.matrix.x} points are said to be encoded in x over {encoded.fov_mm.x:g} mm, and the image to have"
            f" {recon.matrix.x} over as many: the encoded field of view seems to leave the oversampling out"
        )


def coverage_of(sorter: Sorter) -> Coverage:
    """Say what was to be measured along each axis of the encoded matrix: of readouts, what every line has at least."""
    lines, alignment, n_x = sorter.lines, sorter.alignment, sorter.lines.encoding.encoded.matrix.x
    z, y = lines.partitions, lines.phase_encodes
    place = (lines.frame * z.n + lines.z) * y.n + lines.y
    _, place = np.unique(place, return_inverse=True)
    first, stop = np.full(place.max() + 1, n_x), np.zeros(place.max() + 1, np.int64)
    np.minimum.at(first, place, alignment.start)
    np.maximum.at(stop, place, alignment.start + alignment.n_kept)
    along_x = Side(max(0, int(first.max())), min(n_x, int(stop.min())) - 1, n_x)
    if int(alignment.n_covered.max()) <= n_x // 2:
        raise BadScan(
            f"no readout has more than {alignment.n_covered.max()} samples, the encoded matrix has {n_x} in x: whether"
            " they reach half as far or have twice the step, the header does not say"
        )
    return Side(z.first, z.last, z.n), Side(y.first, y.last, y.n), along_x


def _in_hybrid_space(measured: Coverage, sorter: Sorter, target: Target) -> Coverage:
    """Give the same where readouts are cut to the field of view: their k-space has longer steps."""
    z, y, x = measured
    longer = target.matrix.x * target.spacing_mm.x / sorter.lines.encoding.encoded.fov_mm.x
    n, before, after = target.matrix.x, x.n // 2 - x.first, x.last - x.n // 2
    first = max(0, n // 2 - math.floor(before * longer))
    last = min(n - 1, n // 2 + math.floor(after * longer))
    return z, y, Side(first, last, n)


def _windowed(recipe: Cartesian, shown: Coverage) -> list[tuple[int, Side]]:
    if recipe.window == "none":
        return []
    return [(axis, side) for axis, side in zip(AXES, shown, strict=True) if side.n > 1]


def _of_windows(recipe: Cartesian, windows: dict[int, Tensor], shown: Coverage) -> tuple[str, ...]:
    """Say how much noise windows leave: the root of their mean square over what was measured."""
    if not windows:
        return ()
    by_axis = dict(zip(AXES, shown, strict=True))
    powers = [each[by_axis[a].first : by_axis[a].last + 1].square().mean() for a, each in windows.items()]
    left = float(torch.stack(powers).prod().sqrt())
    width = "" if recipe.window == "hann" else f", falling off over {recipe.window_width:.0%}"
    return (f"K-space weighed by a {recipe.window} window{width}: {left:.0%} of the noise is left, less sharpness.",)
