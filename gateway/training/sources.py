"""Where slices come from: a formula, measured scans, public collections, finished images; one draw gives one slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from gateway.model.errors import UnreadableFile, WrongCall
from gateway.model.recipes import SenseRecipe
from gateway.model.training_data import Data, ImageData, LayoutData, ProceduralData, ScanData
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon.parallel import Undersampled, group_of, understand
from gateway.recon.preparation import prepared
from gateway.recon.spaces import imaged_spaces
from gateway.recon.workplace import CPU, Workplace
from gateway.training.finished import drawn_image, open_stacks
from gateway.training.layouts import LAYOUTS
from gateway.training.procedural import Random, head
from gateway.training.simulation import FINER, FullSlice, measured, with_phase
from gateway.training.slabs import Slab, slab_of

Draw = Callable[[Random], FullSlice]
KEPT_SCANS = 16
KEPT_SLABS = 2
"""Each may take a gigabyte."""


def source_of(data: Data) -> Draw:
    """Open a source; what is wrong with its files is said now.

    Raises
    ------
    WrongCall
        A folder has no such files.
    UnreadableFile
        A file is not what the configuration says.
    BadScan
        A scan is not Cartesian.
    """
    opened: Draw = SOURCES[type(data)](data)
    return opened


def _procedural(data: ProceduralData) -> Draw:
    def draw(random: Random) -> FullSlice:
        n_y, n_x = (FINER * int(n) for n in random.choice(data.matrix, 2))
        image = with_phase(head(n_y, n_x, random), random)
        return measured(image, int(random.choice(data.n_coils)), _noise(data, random), random)

    return draw


def _noise(data: ProceduralData | ImageData, random: Random) -> float:
    return float(math.exp(random.uniform(math.log(data.quietest), math.log(data.noisiest))))


def _scans(data: ScanData) -> Draw:
    files = files_of(data.paths, (".h5", ".mrd"))
    slices = [(file, number) for file in files for number in range(_understood(file).sorter.lines.n_frames)]

    def draw(random: Random) -> FullSlice:
        file, number = slices[int(random.integers(len(slices)))]
        scan = _understood(file)
        if scan.sorter.lines.partitions.n > 1:
            return _slab(file, number).plane(random)
        group = group_of(scan, [number], Workplace(device=CPU))
        filled = group.filled[0, 0, :, None]
        samples = group.data[0, :, 0] * filled
        wanted = scan.sorter.lines.phase_encodes
        corners = torch.ones_like(filled)
        corners[wanted.first : wanted.last + 1] = False
        return FullSlice(
            data=samples,
            clean=samples,
            filled=filled,
            corners=corners & ~filled,
            noise_power=group.noise_power,
            origin=f"{file.name}, frame {number}",
        )

    return draw


@lru_cache(maxsize=KEPT_SCANS)
def _understood(file: Path) -> Undersampled:
    session = read_scan(file)
    if not session.header_xml:
        raise UnreadableFile(file, "holds no header")
    space = imaged_spaces(session.acquisition, parse_header(session.header_xml))[0]
    with torch.inference_mode():
        scan, _ = prepared(space, None)
        return understand(scan, SenseRecipe(), regular=False)


@lru_cache(maxsize=KEPT_SLABS)
def _slab(file: Path, number: int) -> Slab:
    return slab_of(_understood(file), number)


def _layout(data: LayoutData) -> Draw:
    layout = LAYOUTS[data.kind]
    files = files_of(data.paths, layout.suffixes)
    slices = [(file, number) for file in files for number in range(layout.count(file))]

    def draw(random: Random) -> FullSlice:
        return layout.slice_of(*slices[int(random.integers(len(slices)))])

    return draw


def _images(data: ImageData) -> Draw:
    stacks = open_stacks(data)

    def draw(random: Random) -> FullSlice:
        fine = drawn_image(stacks, random)
        return measured(fine, int(random.choice(data.n_coils)), _noise(data, random), random)

    return draw


def files_of(paths: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """List files, and the files of folders.

    Raises
    ------
    WrongCall
        Something is not there, or a folder has no such files.
    """
    return [file for path in paths for file in _below(path, suffixes)]


def _below(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = sorted(file for file in path.glob("*") if file.suffix in suffixes)
    if not found:
        raise WrongCall(f"{path} has no files that end in {' or '.join(suffixes)}")
    yield from found


SOURCES: Mapping[type, Callable[[Any], Draw]] = MappingProxyType(
    {ProceduralData: _procedural, ScanData: _scans, LayoutData: _layout, ImageData: _images}
)
"""By the table of the configuration."""
