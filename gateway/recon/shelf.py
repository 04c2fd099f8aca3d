"""What images depend on, as a key: by it they are found that were made before their scan was whole (ADR 0032).

What a method makes of a group of frames is a pure function of it. Where everything that goes in is the same to the bit,
what comes out is, and need not be made again; where anything differs - a line that came later, another recipe, another
noise - nothing is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from blake3 import blake3
from torch import Tensor

from gateway import __version__
from gateway.model.recipes import Imaging
from gateway.recon.parallel import Group, Undersampled
from gateway.recon.shutter import left_out

Array = npt.NDArray[Any]


def key_of(scan: Undersampled, group: Group, recipe: Imaging) -> str:
    """Take the digest of everything that images of a group depend on."""
    digest = blake3(repr(_words(scan, group, recipe)).encode())
    for values in _values(scan, group):
        digest.update(f"{values.dtype} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _words(scan: Undersampled, group: Group, recipe: Imaging) -> tuple[object, ...]:
    lines, target = scan.sorter.lines, scan.target
    return (
        (__version__, torch.__version__, torch.get_num_threads(), str(group.data.device)),
        (type(recipe).__name__, recipe.model_dump_json()),
        (scan.lattice, lines.partitions, lines.phase_encodes, lines.encoding.encoded),
        (target.grid, target.matrix, target.spacing_mm, target.finish.completion, sorted(target.finish.sides.items())),
        (group.scale, group.noise_power, sorted(target.finish.windows)),
    )


def _values(scan: Undersampled, group: Group) -> Iterator[Array]:
    tensors: tuple[Tensor, ...] = (group.data, group.filled, group.power, group.block)
    yield from (each.cpu().numpy() for each in tensors)
    yield from (scan.target.finish.windows[axis].cpu().numpy() for axis in sorted(scan.target.finish.windows))
    yield left_out(scan.sorter.lines)
