"""Viewers of others show the series in order, upright, and with a window in which the head is seen."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.dicom.picture import frames_in, png_of
from gateway.dicom.store import store
from gateway.model.destinations import FolderDestination
from gateway.model.form import ObjectFormat
from gateway.model.series import Series
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan
from tests.dicom.outbox import pacs
from tests.dicom.viewers import Grey, alike, head_of, ohif, screenshot
from tests.peers import Orthanc
from tests.test_forms import made, work

pytestmark = pytest.mark.peer("chromium", "Orthanc", "libOrthancDicomWeb.so", "libOrthancWebViewer.so")

SCAN = PhantomScan(n_slices=4, n_coils=2, matrix=Zyx(z=1, y=96, x=96), seed=1, noise=0.002)


@pytest.fixture(scope="module")
def shown(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[ObjectFormat, Series]]:
    """A head with a bright spot at its left and front, in the archive in both forms."""
    outbox = tmp_path_factory.mktemp("outbox")
    destinations = {str(format_): FolderDestination(path=outbox, format=format_) for format_ in ObjectFormat}
    series = made(work(destinations, scan=SCAN), outbox)
    for one in series:
        files = [(instance, outbox / instance.path) for instance in one.instances]
        store(files, pacs(orthanc.dicom_port, orthanc.ae_title), lambda _instance, _status: None)
    return outbox, dict(zip(ObjectFormat, series, strict=True))


def expected(outbox: Path, series: Series) -> list[Grey]:
    """The heads as the window of the series shows them, one for each image."""
    files = [outbox / instance.path for instance in series.instances]
    drawn = [png_of(file, frame) for file in files for frame in range(frames_in(file))]
    return [head_of(np.asarray(Image.open(BytesIO(png)), dtype=np.float64)) for png in drawn]


def check(picture: Grey, truths: Sequence[Grey], *, window: bool = True) -> None:
    """See one of the images in a picture: upright and not mirrored, and with its greys where its window is obeyed."""
    seen = head_of(picture)
    truth = max(truths, key=lambda one: alike(seen, one))
    assert alike(seen, truth) > max(alike(seen, wrong) for wrong in (truth[:, ::-1], truth[::-1], truth.T))
    assert alike(seen, truth) > (0.995 if window else 0.5)
    if window:
        assert np.abs(seen - truth).mean() < 3
        assert np.mean((seen > 15) & (seen < 250)) > 0.7


@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_orthancs_viewer(
    format_: ObjectFormat, shown: tuple[Path, dict[ObjectFormat, Series]], orthanc: Orthanc, tmp_path: Path
) -> None:
    outbox, series = shown
    name = _known_as(orthanc, series[format_])
    url = f"{orthanc.http_url}/web-viewer/app/viewer.html?series={name}"
    picture = screenshot(url, tmp_path, f"orthanc-{format_}")
    # its overlays stand at the edges; it ignores the window of functional groups, as no checker can tell
    check(picture[60:745, 150:830], expected(outbox, series[format_]), window=format_ is ObjectFormat.CLASSIC)


@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_ohif(
    format_: ObjectFormat, shown: tuple[Path, dict[ObjectFormat, Series]], orthanc: Orthanc, tmp_path: Path
) -> None:
    outbox, series = shown
    study, uid = series[format_].study_instance_uid, series[format_].series_instance_uid
    with ohif(orthanc) as address:
        url = f"{address}/viewer?StudyInstanceUIDs={study}&SeriesInstanceUIDs={uid}"
        picture = screenshot(url, tmp_path, f"ohif-{format_}")
    check(picture[112:735, 310:930], expected(outbox, series[format_]))


def test_the_archive_finds_the_slices_in_the_order_of_their_numbers(
    shown: tuple[Path, dict[ObjectFormat, Series]], orthanc: Orthanc
) -> None:
    series = shown[1][ObjectFormat.CLASSIC]
    ordered = orthanc.get(f"/series/{_known_as(orthanc, series)}/ordered-slices")
    uids = [orthanc.get(f"/instances/{name}")["MainDicomTags"]["SOPInstanceUID"] for name, *_ in ordered["SlicesShort"]]
    numbers = {instance.sop_instance_uid: instance.number for instance in series.instances}
    order = [numbers[uid] for uid in uids]
    assert ordered["Type"] == "Volume"
    assert order in (sorted(order), sorted(order, reverse=True))


def _known_as(orthanc: Orthanc, series: Series) -> str:
    found = {one["MainDicomTags"]["SeriesInstanceUID"]: one["ID"] for one in orthanc.get("/series?expand")}
    return str(found[series.series_instance_uid])
