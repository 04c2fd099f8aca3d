"""A written series for the tests of sending, and where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series, write_series
from gateway.model.destinations import PacsDestination
from gateway.model.form import Compression
from gateway.model.image import ImageSeries
from gateway.model.series import Instance
from tests.dicom import scans
from tests.peers import LOOPBACK

Written = list[tuple[Instance, Path]]


def written(
    folder: Path,
    images: ImageSeries | None = None,
    compression: Compression = Compression.NONE,
    plan: SeriesPlan | None = None,
) -> Written:
    """Write a series of three, as `store` takes it."""
    datasets = build_series(images or scans.images(), scans.header(), plan or scans.plan())
    series = write_series(datasets, folder, lambda _done, _of: None, compression)
    return [(instance, folder / instance.path) for instance in series.instances]


def several(folder: Path, n_instances: int) -> Written:
    """Write a series of so many small instances."""
    pixels = np.random.default_rng(1).random((n_instances, 8, 8), dtype=np.float32)
    places = [float(mm) for mm in range(n_instances)]
    return written(folder, scans.images(pixels, scans.frames(np.eye(3), places)))


def pacs(port: int, ae_title: str = "PACS", **options: Any) -> PacsDestination:  # noqa: ANN401 - any option
    """A PACS on the loopback; one association, so that the order is known."""
    given = {"timeout_s": 5, "max_associations": 1, "plain": "tls" not in options} | options
    return PacsDestination(host=LOOPBACK, port=port, ae_title=ae_title, **given)
