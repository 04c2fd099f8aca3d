"""Where a training's slices come from, as tables of its configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.model.table import Table

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProceduralData(Table):
    """Images that a formula draws, as heads are made up, seen by simulated coils: for want of measured ones."""

    kind: Literal["procedural"] = "procedural"
    """Which data."""
    matrix: Annotated[tuple[Annotated[int, Field(ge=32, le=1024)], ...], Field(min_length=1)] = (96, 128, 160, 192, 224)
    """Points along an edge, drawn anew for each image and each edge."""
    n_coils: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)] = (4, 6, 8, 12, 16)
    """Coils, drawn anew for each image."""
    quietest: Positive = 1e-4
    """Least noise of a sample, relative to the brightest pixel; drawn on a logarithmic scale."""
    noisiest: Positive = 0.06
    """Most noise."""

    @property
    def told(self) -> str:
        """What a card says of it."""
        return f"drawn heads ({_any_of(self.matrix)} pixels, {_any_of(self.n_coils)} coils, {_noise(self)})"


class ScanData(Table):
    """Measured scans: ISMRMRD files, or recordings as they lie in the spool."""

    kind: Literal["scans"] = "scans"
    """Which data."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Files, or folders of files that end in ``.h5`` or ``.mrd``."""

    @property
    def told(self) -> str:
        """What a card says of it: names, not where they lie."""
        return f"scans {', '.join(path.name for path in self.paths)}"


class LayoutData(Table):
    """Measured scans as public collections lay them out, one file for each volume."""

    kind: Literal["fastmri", "m4raw", "skm-tea", "cmrxrecon", "calgary-campinas"]
    """Whose layout: docs/training.md says what each holds."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Files, or folders of files that end as this layout's do."""

    @property
    def told(self) -> str:
        """What a card says of it: names, not where they lie."""
        return f"{self.kind} {', '.join(path.name for path in self.paths)}"


class ImageData(Table):
    """Finished images, seen by simulated coils; this flatters (doi:10.1073/pnas.2117203119), and the card says so."""

    kind: Literal["images"] = "images"
    """Which data."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """NumPy files ``.npy`` with one image or a stack, ``(slice y x)``; DICOM files of MR; or folders of them, and of
    folders."""
    magnitude: bool = False
    """Take images without phase, as those of DICOM are, and make one up; without it they are refused."""
    n_coils: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)] = (4, 8, 16)
    """Coils, drawn anew for each image."""
    quietest: Positive = 1e-3
    """Least noise of a sample, relative to the brightest pixel."""
    noisiest: Positive = 0.03
    """Most noise."""

    @property
    def told(self) -> str:
        """What a card says of it."""
        seen = f"{_any_of(self.n_coils)} simulated coils, {_noise(self)}"
        phase = ", a made-up phase" if self.magnitude else ""
        return f"images {', '.join(path.name for path in self.paths)} ({seen}{phase})"


def _any_of(numbers: Iterable[int]) -> str:
    return "/".join(map(str, numbers))


def _noise(data: ProceduralData | ImageData) -> str:
    return f"noise {data.quietest:g} to {data.noisiest:g}"


Data = Annotated[ProceduralData | ScanData | LayoutData | ImageData, Field(discriminator="kind")]
"""Where slices come from."""
