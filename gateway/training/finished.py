"""Finished images as a source: NumPy files, and magnitudes of DICOM files where the configuration asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.dicom.magnitudes import is_dicom, read_magnitudes
from gateway.model.errors import UnreadableFile, WrongCall
from gateway.model.training_data import ImageData
from gateway.training.procedural import Random
from gateway.training.simulation import FINER, with_phase

SMALLEST = 64
"""Pixels along an edge; an image is seen by half as many samples."""

Stack = npt.NDArray[Any]
"""Images of one size, complex or magnitudes. Shape `(slice y x)`."""


def open_stacks(data: ImageData) -> list[Stack]:
    """Read every image that a configuration names.

    Raises
    ------
    WrongCall
        There are none, or they have no phase and nobody asked for such.
    UnreadableFile
        A file is no image.
    """
    return [_stack(file, magnitude=data.magnitude) for path in data.paths for file in _files(path)]


def drawn_image(stacks: Sequence[Stack], random: Random) -> Tensor:
    """Draw one, with a phase made up where it has none. Complex; both edges are multiples of `FINER`."""
    stack = stacks[int(random.integers(len(stacks)))]
    image = stack[int(random.integers(len(stack)))]
    n_y, n_x = (FINER * (n // FINER) for n in image.shape)
    image = image[:n_y, :n_x]
    return torch.from_numpy(image) if np.iscomplexobj(image) else with_phase(image, random)


def _files(path: Path) -> Iterator[Path]:
    """List the images of a folder and all folders below it: DICOM exports name files and folders as they like."""
    if path.is_file():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if file.is_file() and (file.suffix == ".npy" or is_dicom(file)))
    if not found:
        raise WrongCall(f"{path} has no images: NumPy files that end in .npy, or DICOM files")
    yield from found


def _stack(file: Path, *, magnitude: bool) -> Stack:
    stack = None if is_dicom(file) else _array(file)
    if not magnitude and (stack is None or not np.iscomplexobj(stack)):
        raise WrongCall(f"{file.name} has no phase: what is learned from magnitudes flatters; say magnitude = true")
    stack = read_magnitudes(file) if stack is None else stack
    if min(stack.shape[-2:]) < SMALLEST:
        raise UnreadableFile(
            file, f"its images have {stack.shape[-1]} x {stack.shape[-2]} pixels, too few to learn from"
        )
    return np.ascontiguousarray(stack, np.complex64 if np.iscomplexobj(stack) else np.float32)


def _array(file: Path) -> Stack:
    try:
        stack = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UnreadableFile(file, "is no NumPy file of numbers") from error
    if stack.ndim not in (2, 3) or stack.dtype.kind not in "cfiu" or not np.isfinite(stack).all():
        raise UnreadableFile(file, "is no image (y x) and no stack (slice y x) of finite numbers")
    return np.asarray(stack if stack.ndim == 3 else stack[None])  # noqa: PLR2004 - one image is a stack of one
