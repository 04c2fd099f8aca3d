"""A few planes of a slab as a scan of their own: what makes a slab plane by plane can be tried on some of them.

Readouts are transformed, cut to some positions along them, and transformed back, as a scan of a narrower field of view
would have measured them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.readout import Flag, Readouts, mask
from gateway.recon.fourier import fourier
from gateway.recon.hybrid import to_hybrid
from gateway.recon.lines import is_imaging
from gateway.recon.parallel import Undersampled
from gateway.recon.scan import Scan

CALIBRATION = mask(Flag.IS_PARALLEL_CALIBRATION)
AT_A_TIME = 1024
"""Readouts."""


def piece_of(scan: Scan, found: Undersampled, some: slice, noise_power: float) -> Scan:
    """Cut a scan to some positions x of its images.

    Parameters
    ----------
    noise_power
        Of a sample of hybrid space.

    Raises
    ------
    BadScan
        Calibration was measured along other readouts than the image.
    """
    header, target = scan.header, found.target
    n_x = some.stop - some.start
    encoding = header.encodings[0]
    encoded, recon = (
        replace(space, matrix=replace(space.matrix, x=n_x), fov_mm=replace(space.fov_mm, x=n_x * target.spacing_mm.x))
        for space in (encoding.encoded, encoding.recon)
    )
    narrow = replace(encoding, encoded=encoded, recon=recon)
    return replace(
        scan,
        acquisition=list(_cut(scan, found, some)),
        header=replace(header, encodings=(narrow, *header.encodings[1:])),
        noise_power=noise_power,
        memory=None,
    )


def _cut(scan: Scan, found: Undersampled, some: slice) -> Iterator[Readouts]:
    n_x = found.sorter.lines.encoding.encoded.matrix.x
    for run in scan.acquisition:
        kept = run.select(is_imaging(run) | run.flagged(CALIBRATION))
        if not len(kept):
            continue
        if kept.samples.shape[-1] != n_x:
            raise BadScan("calibration was measured along other readouts than the image, which cannot be cut alike")
        samples = kept.samples.conj() if kept.conjugated else kept.samples
        parts = (torch.from_numpy(samples[at : at + AT_A_TIME]) for at in range(0, len(kept), AT_A_TIME))
        cut = torch.cat([fourier(to_hybrid(part, found.target)[..., some], (-1,)) for part in parts])
        heads = kept.heads.copy()
        heads["number_of_samples"], heads["center_sample"] = cut.shape[-1], cut.shape[-1] // 2
        heads["discard_pre"] = heads["discard_post"] = 0
        yield replace(
            kept,
            heads=heads,
            samples=np.ascontiguousarray(cut.numpy()),
            trajectory=kept.trajectory[:, : cut.shape[-1]],
            conjugated=False,
        )


def busiest(there: Tensor, n: int) -> slice:
    """Find so many neighbouring positions x that show most of the patient. From `(z y x)`."""
    shown = there.float().sum(dim=(0, 1))
    sums = shown.unfold(0, n, 1).sum(dim=1)
    first = int(sums.argmax())
    return slice(first, first + n)
