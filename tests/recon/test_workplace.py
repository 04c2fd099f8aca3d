"""Memory that runs out: work is cut to pieces, begun anew with less at a time, and at last done elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.model.errors import TooLittleMemory
from gateway.model.recipes import (
    CgSenseRecipe,
    FftRecipe,
    GrappaRecipe,
    L1WaveletRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
)
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.workplace import (
    CPU,
    ENOUGH_ON_CPU_BYTES,
    SMALLEST_BYTES,
    Workplace,
    free_in_groups,
    ran_out,
    retreating,
    workplaces,
)
from tests.recon.scans import encoded
from tests.recon.slabs import header_of, slab
from tests.recon.test_slabs import EVERY_OTHER, NOISE, by_name
from tests.recon.undersampled import error, undersampled

ELSEWHERE = torch.device("meta")
"""Stands for a GPU: another device than the CPU."""


def places(*memory_bytes: int) -> Iterator[Workplace]:
    return iter([Workplace(device=CPU, memory_bytes=each) for each in memory_bytes])


@pytest.mark.parametrize("memory_bytes", [0, 7, 10, 35, 1000])
def test_pieces_are_everything_once_and_fit(memory_bytes: int) -> None:
    pieces = list(Workplace(device=CPU, memory_bytes=memory_bytes).pieces(23, 5))
    assert [at for piece in pieces for at in range(23)[piece]] == list(range(23))
    assert max(len(range(23)[piece]) for piece in pieces) <= max(1, memory_bytes // 5)


def test_the_way_back_is_less_at_a_time_and_then_the_cpu() -> None:
    way = list(workplaces(ELSEWHERE, 1 << 30))
    assert [place.device for place in way] == sorted((place.device for place in way), key=lambda each: each == CPU)
    for device in (ELSEWHERE, CPU):
        taken = [place.memory_bytes for place in way if place.device == device]
        assert taken[0] <= 1 << 30
        assert taken == sorted(taken, reverse=True)
        assert taken[-1] >= SMALLEST_BYTES


def test_a_cpu_takes_no_more_at_a_time_than_helps_whatever_is_free_unless_it_is_told_to() -> None:
    assert next(workplaces(CPU, None)).memory_bytes == ENOUGH_ON_CPU_BYTES
    assert next(workplaces(CPU, ENOUGH_ON_CPU_BYTES + 1)).memory_bytes == ENOUGH_ON_CPU_BYTES + 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
        MemoryError(),
    ],
    ids=["torch", "allocator", "cufft", "numpy"],
)
def test_work_goes_on_with_less_where_memory_runs_out_and_every_step_is_told(error: Exception) -> None:
    told: list[str] = []

    def work(place: Workplace) -> int:
        if place.memory_bytes > 20 << 20:
            raise error
        return place.memory_bytes

    assert retreating(work, places(300 << 20, 75 << 20, 18 << 20, 1), told.append) == 18 << 20
    assert told == [
        "Memory ran out with 300 MiB at a time on cpu: begun anew with 75 MiB at a time on cpu.",
        "Memory ran out with 75 MiB at a time on cpu: begun anew with 18 MiB at a time on cpu.",
    ]


def test_where_no_memory_is_enough_the_job_says_so_and_any_other_fault_stays_what_it_is() -> None:
    def greedy(_place: Workplace) -> None:
        raise MemoryError

    def broken(_place: Workplace) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(TooLittleMemory, match="16 MiB at a time on cpu"):
        retreating(greedy, places(64 << 20, 16 << 20), lambda _: None)
    with pytest.raises(RuntimeError, match="shapes"):
        retreating(broken, places(64 << 20, 16 << 20), lambda _: None)
    assert not ran_out(RuntimeError("CUDA error: an illegal memory access was encountered"))


@pytest.mark.parametrize(
    "recipe",
    [
        GrappaRecipe(kernel_lines=2, kernel_samples=3),
        GrappaRecipe(kernel_lines=2, kernel_samples=3, virtual_coils=6, compression="geometric"),
        SenseRecipe(),
        CgSenseRecipe(),
        SpiritRecipe(kernel_lines=3, kernel_samples=3, output=("magnitude", "phase")),
    ],
    ids=lambda recipe: f"{recipe.method}-{recipe.virtual_coils}",
)
def test_a_slab_in_pieces_is_the_slab_as_a_whole(recipe: Recipe) -> None:
    """One position of the readout at a time, against all: but for rounding, which steps amplify, scaled ones more."""
    run, header = slab(EVERY_OTHER, noise=NOISE), encoded(header_of(), acceleration=Zyx(z=2.0, y=2.0, x=1.0))
    whole, pieces = (
        reconstruct((run,), header, recipe, device="cpu", memory_bytes=memory, progress=lambda *_: None)
        for memory in (None, 1)
    )
    for one, other in zip(whole, pieces, strict=True):
        if one.kind != "phase":
            assert error(other.pixels, one.pixels) < (2e-3 if recipe.method in ("sense", "cg-sense") else 2e-5)
        else:
            assert np.median(np.abs(np.angle(np.exp(1j * (one.pixels - other.pixels))))) < 1e-4


@pytest.mark.parametrize(
    "recipe",
    [GrappaRecipe(output=("noise",)), SenseRecipe(output=("noise",)), SpiritRecipe()],
    ids=by_name,
)
def test_a_slice_in_pieces_is_the_slice_as_a_whole(recipe: Recipe) -> None:
    scan = undersampled(3)
    (whole,), (pieces,) = (
        reconstruct(*scan, recipe, device="cpu", memory_bytes=memory, progress=lambda *_: None) for memory in (None, 1)
    )
    assert np.abs(whole.pixels - pieces.pixels).max() < 2e-5 * whole.pixels.max()


@pytest.mark.parametrize(
    "recipe",
    [FftRecipe(), FftRecipe(coils="espirit", output=("complex",)), FftRecipe(window="hann")],
    ids=["rss", "espirit", "window"],
)
def test_coils_in_turn_are_the_coils_together(recipe: Recipe) -> None:
    scan = undersampled(1, calibration_lines=0)
    (whole,), (pieces,) = (
        reconstruct(*scan, recipe, device="cpu", memory_bytes=memory, progress=lambda *_: None) for memory in (None, 1)
    )
    assert np.abs(whole.pixels - pieces.pixels).max() < 1e-6 * np.abs(whole.pixels).max()


def test_what_cannot_be_cut_is_done_all_the_same() -> None:
    scan = undersampled(3)
    (whole,), (pieces,) = (
        reconstruct(*scan, L1WaveletRecipe(steps=5), device="cpu", memory_bytes=memory, progress=lambda *_: None)
        for memory in (None, 1)
    )
    assert np.array_equal(whole.pixels, pieces.pixels)


LIMITED = """
import json, resource, sys
import psutil, torch
from gateway.model.recipes import SpiritRecipe
from gateway.recon.engine import reconstruct
from gateway.model.zyx import Zyx
from tests.recon.slabs import made_up

torch.set_num_threads(1)
scan = made_up(Zyx(z=16, y=96, x=96), step=2)
recipe = SpiritRecipe(kernel_lines=3, kernel_samples=3, steps=2)
how = {"device": "cpu", "memory_bytes": 1 << 40, "progress": lambda *_: None}
run = lambda told: reconstruct(*scan, recipe, told=told, **how)[0].pixels
whole = run(lambda text: sys.exit(text))
limit = psutil.Process().memory_info().vms + (160 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
told = []
pieces = run(told.append)
print(json.dumps({"told": told, "apart": float(abs(whole - pieces).max() / whole.max())}))
"""


def test_a_slab_that_does_not_fit_the_memory_of_the_process_is_reconstructed_in_pieces() -> None:
    """The kernel refuses memory beyond a limit; the matrices of all pixels together would take twice of it."""
    ended = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["told"]
    assert all("Memory ran out with" in text for text in found["told"])
    assert found["apart"] < 2e-5


def put_group(folder: Path, limit: str, used: int, inactive: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {inactive}\nactive_file 5\n")


def test_the_narrowest_group_above_us_says_how_much_memory_there_is(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "root"
    own.write_text("0::/service/worker\n")
    root.mkdir()
    put_group(root / "service", "1000", 900, 100)
    put_group(root / "service" / "worker", "max", 400, 0)
    assert free_in_groups(own, root) == 200, "what was only read ahead is given back"
    put_group(root / "service" / "worker", "450", 400, 0)
    assert free_in_groups(own, root) == 50
    put_group(root / "service" / "worker", "300", 400, 0)
    assert free_in_groups(own, root) == 0


@pytest.mark.parametrize("text", ["", "12:memory:/old\n", "0::/\n"])
def test_without_limits_there_are_none(tmp_path: Path, text: str) -> None:
    own = tmp_path / "cgroup"
    own.write_text(text)
    assert free_in_groups(own, tmp_path / "root") == sys.maxsize
    assert free_in_groups(tmp_path / "absent", tmp_path / "root") == sys.maxsize
