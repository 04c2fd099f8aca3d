"""BART as a peer: its programs called as a person would, arrays by files."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Complex = npt.NDArray[np.complex64]


def installed() -> bool:
    """Say whether Debian's package is there."""
    return shutil.which("bart") is not None


@dataclass(frozen=True, slots=True)
class Bart:
    """Runs in a folder of its own."""

    folder: Path

    def write(self, name: str, array: Complex) -> None:
        """Write an array `(coil y x)` as BART has it: readout first, coils fourth."""
        n_coils, n_y, n_x = array.shape
        sizes = [n_x, n_y, 1, n_coils, *[1] * 12]
        (self.folder / f"{name}.hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
        (self.folder / f"{name}.cfl").write_bytes(np.ascontiguousarray(array, np.complex64).tobytes())

    def read(self, name: str) -> Complex:
        """Read an array. Shape `(... y x)`, without axes of length 1."""
        sizes = [int(size) for size in (self.folder / f"{name}.hdr").read_text().splitlines()[1].split()]
        return np.fromfile(self.folder / f"{name}.cfl", np.complex64).reshape(sizes[::-1]).squeeze()

    def run(self, *arguments: str) -> None:
        """Run one of its programs."""
        program = shutil.which("bart") or "bart"
        subprocess.run([program, *arguments], cwd=self.folder, check=True, capture_output=True)  # noqa: S603 - our own
