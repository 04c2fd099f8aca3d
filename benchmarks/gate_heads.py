"""Heads for measuring the gate: real ones at clinical brightness over noise, and synthetic ones without end."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition, Readouts
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon import masks
from gateway.recon.checks.intake import statistics_of
from gateway.recon.checks.view import RECIPE, View, views
from gateway.recon.fourier import fourier
from gateway.recon.parallel import understand
from gateway.recon.phantom import HEAD, MARKER, Ellipsoid, PhantomScan, head_phantom
from gateway.recon.preparation import prepared
from gateway.recon.spaces import imaged_spaces
from gateway.recon.workplace import Workplace
from gateway.training.simulation import loops, with_phase

REAL = ("brain_16ch_full", "brain_4ch_full")
QUIET = 0.004
"""Noise of synthetic heads, before more is added to them as to all others."""
COARSEST = 128
"""Lines that are kept of a real scan, so that many cases can be tried."""
LINE = "kspace_encoding_step_1"


@dataclass(frozen=True, kw_only=True)
class Head:
    """A scan of every line."""

    name: str
    family: str
    """Limits for one family never come from itself."""
    acquisition: Acquisition
    header: ScanHeader

    @property
    def lines(self) -> int:
        """Count the lines."""
        return self.header.encodings[0].encoded.matrix.y


def real_heads(folder: Path) -> Iterator[Head]:
    """Read the real heads, those of many lines at a lower resolution."""
    for name in REAL:
        scan = read_scan(folder / f"{name}.h5")
        yield coarser(Head(name=name, family=name, acquisition=scan.acquisition, header=parse_header(scan.header_xml)))


def coarser(head: Head) -> Head:
    """Keep the middle of k-space, as a scan of lower resolution would have measured it."""
    if head.lines <= COARSEST:
        return head
    (run,) = head.acquisition
    encoding = head.header.encodings[0]
    y = run.heads["idx"]["kspace_encode_step_1"].astype(int)
    start, first = head.lines // 2 - COARSEST // 2, run.samples.shape[2] // 2 - COARSEST // 2
    kept = run.select((y >= start) & (y < start + COARSEST))
    heads = kept.heads.copy()
    heads["idx"]["kspace_encode_step_1"] -= start
    heads["number_of_samples"], heads["center_sample"] = COARSEST, COARSEST // 2
    small = Zyx(z=1, y=COARSEST, x=COARSEST)
    limits = {name: one for name, one in encoding.limits.items() if name != LINE}
    coarse = replace(
        encoding,
        encoded=replace(encoding.encoded, matrix=small),
        recon=replace(encoding.recon, matrix=small),
        limits=limits,
    )
    samples = np.ascontiguousarray(kept.samples[:, :, first : first + COARSEST])
    readouts = Readouts(heads, samples, kept.trajectory[:, :COARSEST])
    return replace(head, acquisition=[readouts], header=replace(head.header, encodings=(coarse,)))


def synthetic(seed: int) -> Head:
    """Scan the phantom with a dozen lesions of its own."""
    random = np.random.default_rng(seed)

    def three(low: float, high: float) -> tuple[float, float, float]:
        x, y, z = random.uniform(low, high, 3).tolist()
        return x, y, z

    lesions = tuple(Ellipsoid(float(random.uniform(-0.3, 0.3)), three(-45, 45), three(4, 16)) for _ in range(12))
    scan = PhantomScan(
        n_slices=1,
        n_coils=8,
        matrix=Zyx(z=1, y=COARSEST, x=COARSEST),
        noise=QUIET,
        seed=seed,
        anatomy=(*HEAD, MARKER, *lesions),
    )
    acquisition, header = head_phantom(scan)
    return Head(name=f"synthetic {seed}", family="synthetic", acquisition=acquisition, header=header)


def drawn_from(folder: Path) -> Iterator[Head]:
    """Scan real anatomies that are there as images alone, by coils and noise that are computed."""
    slices: dict[str, list[npt.NDArray[Any]]] = {
        "T1 head, Chris": _slices(folder / "chris_t1.nii.gz", (90, 110)),
        "T1 head, Colin": _slices(folder / "ch2.nii.gz", (80, 100)),
        "T2 head, complex": [np.load(folder / "brain512_complex.npy")[::2, ::2]],
        "heart": [np.load(folder / "cine_magnitude_30x144x144.npy")[frame] for frame in (0, 12)],
    }
    yield from _scans(slices, first=0)


LATER_SLICES: Mapping[int, tuple[Sequence[int], Sequence[int]]] = {
    1: ((80, 100), (70, 90)),
    2: ((85, 105), (75, 95)),
    3: ((95, 115), (85, 105)),
    4: ((87, 92, 97, 102, 107, 112), (72, 77, 82, 87, 92, 97)),
}
"""Of Chris and Colin, by lot."""
FIRST_SEED = {1: 2, 2: 4, 3: 6, 4: 8}
"""Of their coils and noise, by lot."""


def later_from(folder: Path, lot: int) -> Iterator[Head]:
    """Scan other slices of the same heads by other coils, drawn for a later lot."""
    chris, colin = LATER_SLICES[lot]
    slices = {
        "T1 head, Chris": _slices(folder / "chris_t1.nii.gz", chris),
        "T1 head, Colin": _slices(folder / "ch2.nii.gz", colin),
    }
    yield from _scans(slices, first=FIRST_SEED[lot])


def _slices(file: Path, at: Sequence[int]) -> list[npt.NDArray[Any]]:
    volume = _volume(file)
    return [volume[:, :, z].T for z in at]


def _scans(slices: Mapping[str, Sequence[npt.NDArray[Any]]], *, first: int) -> Iterator[Head]:
    for seed, (family, images) in enumerate(slices.items()):
        for number, image in enumerate(images, first):
            yield _scanned(f"{family} {number}", family, image, np.random.default_rng([seed, number]))


def _scanned(name: str, family: str, image: npt.NDArray[Any], random: np.random.Generator) -> Head:
    """Measure an image by eight coils: as `simulation.measured`, with readouts as a scanner samples them."""
    n = 2 * COARSEST
    fine = image if np.iscomplexobj(image) else with_phase(image.astype(np.float32), random).numpy()
    placed = _centred(fine, (n, n))
    coils = (loops(8, n, n, random) * torch.from_numpy(placed.astype(np.complex64))).numpy()
    wide = np.zeros((8, n, 2 * n), np.complex64)  # readouts are oversampled: twice the field of view
    wide[:, :, n // 2 : n // 2 + n] = coils
    kspace = fourier(torch.from_numpy(wide), (-2, -1)).numpy()[:, n // 4 : n // 4 + COARSEST, n // 2 : n // 2 + n]
    kspace = kspace / np.abs(kspace).max() * 100
    noise = random.standard_normal((*kspace.shape, 2)).view(np.complex128)[..., 0] * 0.01
    like = synthetic(0)
    (run,) = like.acquisition
    samples = np.ascontiguousarray((kspace + noise).transpose(1, 0, 2).astype(np.complex64))
    return replace(like, name=name, family=family, acquisition=[replace(run, samples=samples)])


def _volume(file: Path) -> npt.NDArray[Any]:
    """Read bytes of NIfTI-1."""
    raw = gzip.decompress(file.read_bytes())
    shape = np.frombuffer(raw, "<i2", 4, 40)[1:]
    start = int(np.frombuffer(raw, "<f4", 1, 108)[0])
    return np.frombuffer(raw, np.uint8, int(np.prod(shape)), start).reshape(shape, order="F")


def _centred(image: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Lay an image into the middle of another size."""
    placed = np.zeros(shape, image.dtype)
    into, out = zip(
        *(
            (
                slice(max(0, n - m) // 2, max(0, n - m) // 2 + min(n, m)),
                slice(max(0, m - n) // 2, max(0, m - n) // 2 + min(n, m)),
            )
            for n, m in zip(shape, image.shape, strict=True)
        ),
        strict=True,
    )
    placed[into] = image[out]
    return placed


def view_of(acquisition: Acquisition, header: ScanHeader) -> View:
    """Look at the only frame of a scan as the checks do."""
    (space,) = imaged_spaces(acquisition, header)
    with torch.inference_mode():
        found = understand(prepared(space, None)[0], RECIPE, regular=False)
        (view,) = views(found, Workplace(device=torch.device("cpu")))
    return view


def noisier(head: Head, snr: float, seed: int = 0) -> Head:
    """Add noise until the patient is only so many times as bright as it."""
    view = view_of(head.acquisition, head.header)
    statistics = statistics_of(view)
    if statistics is None or statistics.snr <= snr:
        return head
    level = view.scale * (view.noise_power / 2 * ((statistics.snr / snr) ** 2 - 1)) ** 0.5
    random = np.random.default_rng(seed)
    runs = []
    for run in head.acquisition:
        more = random.standard_normal((*run.samples.shape, 2)).view(np.complex128)[..., 0] * level
        runs.append(replace(run, samples=(run.samples + more).astype(np.complex64)))
    return replace(head, name=f"{head.name}, noise {seed}, at SNR {snr:g}", acquisition=runs)


REGULAR = (((3, 0), (4, 0), (4, 1)), ((3, 1), (4, 2), (4, 3)), ((3, 2), (4, 2)), ((3, 0), (4, 3)), ((3, 1), (4, 1)))
"""Step and offset, by lot."""
DRAWN = ((0,), (1,), (2, 3), (4, 5), (6, 7, 8))
"""Seeds of lines that are drawn with variable density, one in three, by lot."""
IRREGULAR_STEP = 3


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The lines that are kept; headers say that one in so many is."""

    name: str
    measured: npt.NDArray[np.bool_]
    step: int


def patterns(n: int, lot: int) -> Iterator[Pattern]:
    """Give the patterns of a lot."""
    centre = calibration_lines(n)
    for step, offset in REGULAR[lot]:
        mask = masks.equispaced(n, step=step, n_calibration=centre, offset=offset)
        yield Pattern(name=f"equispaced {step}/{offset}", measured=mask, step=step)
    for seed in DRAWN[lot]:
        random = np.random.default_rng(seed)
        mask = masks.variable_density(n, acceleration=IRREGULAR_STEP, n_calibration=centre, random=random)
        yield Pattern(name=f"variable density {IRREGULAR_STEP}, draw {seed}", measured=mask, step=IRREGULAR_STEP)


def calibration_lines(n: int) -> int:
    """Say how many lines around the centre are kept."""
    return max(16, n // 10)
