"""Viewers of others in a real browser, Orthanc's own and OHIF served beside an archive; what they show as a picture.

Screenshots are kept where GATEWAY_ARTEFACTS names a folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.peers import LOOPBACK, Orthanc

Grey = npt.NDArray[np.float64]

OHIF = Path(__file__).resolve().parents[2] / ".viewers" / "package" / "dist"
"""``scripts/viewers`` fetches it."""

_DICOMWEB = {
    "friendlyName": "archive",
    "qidoRoot": "/dicom-web",
    "wadoRoot": "/dicom-web",
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "omitQuotationForMultipartRequest": True,
}
_CONFIG = {
    "extensions": [],
    "modes": [],
    "maxNumberOfWebWorkers": 1,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "dicomweb",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "dicomweb",
            "configuration": _DICOMWEB,
        }
    ],
}
APP_CONFIG = f"""localStorage.setItem("shownTours", '["basicViewerTour"]'); window.config = {json.dumps(_CONFIG)};"""

HEAD = 60
"""Grey values above are the head, not the air around it."""


def screenshot(url: str, folder: Path, name: str, *, size: tuple[int, int] = (1000, 800)) -> Grey:
    """Open a page, give it some seconds of its own time, and take its picture. Shape `(y x)`, from 0 to 255."""
    picture = folder / f"{name}.png"
    command = [
        "/usr/bin/chromium",
        *("--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"),
        *("--enable-unsafe-swiftshader", "--virtual-time-budget=30000", f"--window-size={size[0]},{size[1]}"),
        *(f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}", url),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=110)
    if artefacts := os.environ.get("GATEWAY_ARTEFACTS"):
        Path(artefacts).mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, artefacts)
    with Image.open(picture) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)


class _Site(SimpleHTTPRequestHandler):
    """OHIF's files, its settings, and below the same address the archive's DICOMweb."""

    def __init__(self, *arguments: Any, archive: Orthanc) -> None:  # noqa: ANN401 - what the server gives
        self._archive = archive
        super().__init__(*arguments, directory=str(OHIF))

    def do_GET(self) -> None:
        if self.path.startswith("/dicom-web"):
            self._from_archive()
        elif self.path.startswith("/app-config.js"):
            self._answer(200, "text/javascript", APP_CONFIG.encode())
        else:
            if not (OHIF / self.path.split("?")[0].lstrip("/")).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _from_archive(self) -> None:
        wanted = {"Accept": self.headers.get("Accept", "*/*")}
        request = urllib.request.Request(self._archive.http_url + self.path, headers=wanted)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self._answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
        except urllib.error.HTTPError as fault:
            self._answer(fault.code, "text/plain", fault.read())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the tests quiet."""


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """The browser hangs up when it has its picture."""


@contextmanager
def ohif(archive: Orthanc) -> Iterator[str]:
    """Serve OHIF beside an archive; gives the address."""
    if not (OHIF / "index.html").exists():
        pytest.skip("absent: OHIF (scripts/viewers fetches it)")
    with _Quiet((LOOPBACK, 0), partial(_Site, archive=archive)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def head_of(picture: Grey) -> Grey:
    """Cut the head out of a picture, as 64 x 64: viewers place and enlarge it as they like."""
    image = Image.fromarray(picture.astype(np.float32))
    large = image.resize((600, 600 * image.height // image.width), Image.Resampling.BILINEAR)
    rows, columns = np.nonzero(np.asarray(large) > HEAD)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    return np.asarray(large.crop(box).resize((64, 64), Image.Resampling.BOX), dtype=np.float64)


def alike(one: Grey, other: Grey) -> float:
    """Correlate two pictures of equal size."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
