"""A database with nothing in it yet, and the page over it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from fastapi import FastAPI
from PIL import Image

from gateway.control import Control
from gateway.jobs.audit import AuditTrail
from gateway.jobs.credentials import Terms
from gateway.jobs.people import People
from gateway.jobs.route_versions import RouteVersions
from gateway.jobs.sessions import Sessions
from gateway.jobs.sign_on import SignOns
from gateway.jobs.studies import Studies
from gateway.jobs.tokens import Tokens
from gateway.model.ids import JobId
from gateway.model.picture import Grey, Sheet
from gateway.routing.text import parse_routes
from gateway.settings import DEFAULT_ROUTES
from gateway.site import Site
from gateway.steering import Steering
from gateway.studies import ReaderStudies
from gateway.web.app import create_app
from tests.web.scene import Scene, site_of

with warnings.catch_warnings():  # starlette would rather have httpx2, which does the same under another name
    warnings.filterwarnings("ignore", message=".*httpx2")
    from starlette.testclient import TestClient

PNG = b"\x89PNG of image 2"


class Drawer:
    """One series of three images, of which only the second is there."""

    def sheets(self, job: JobId) -> list[Sheet]:
        return [Sheet(description=f"series of {job}", first=1, count=3)]

    def png(self, _job: JobId, image: int) -> bytes | None:
        return PNG if image == 2 else None

    def grey(self, _job: JobId, image: int) -> Grey | None:
        values = {"rows": 1, "columns": 2, "aspect": 1.5, "center": 10.0, "width": 20.0}
        return Grey(**values, signed=False, pixels=b"\x01\x00\x02\x00") if image == 2 else None  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.opened(tmp_path)
    yield scene
    scene.engine.dispose()


@pytest.fixture
def control(scene: Scene, tmp_path: Path) -> Control:
    """Everything that people may do, over the same database as the scene."""
    return Control(
        people=People(scene.engine, scene.clock, Terms()),
        tokens=Tokens(scene.engine, scene.clock),
        scans=scene.scans,
        sessions=Sessions(scene.engine, scene.clock, Terms()),
        sign_ons=SignOns(scene.engine, scene.clock, Terms()),
        jobs=scene.jobs,
        deliveries=scene.deliveries,
        queries=scene.queries,
        steering=Steering(
            versions=RouteVersions(scene.engine, scene.clock), folder=tmp_path, unapplied=lambda: DEFAULT_ROUTES
        ),
        audit=AuditTrail(scene.engine, scene.clock),
        studies=ReaderStudies(
            kept=Studies(scene.engine, scene.clock),
            queries=scene.queries,
            people=People(scene.engine, scene.clock, Terms()),
            in_force=lambda: parse_routes(DEFAULT_ROUTES, source="default", folder=tmp_path),
        ),
    )


@pytest.fixture
def site(scene: Scene) -> Site:
    """What the page knows beside its lists."""
    return site_of(scene)


@pytest.fixture
def guarded(scene: Scene, control: Control, site: Site) -> FastAPI:
    """The page with its door; its streams end as soon as they have said what there is."""
    app = create_app(scene.queries, site=site, pictures=Drawer(), control=control)
    app.state.live.close()
    return app


@pytest.fixture
def page(scene: Scene, site: Site) -> TestClient:
    app = create_app(scene.queries, site=site, pictures=Drawer())
    app.state.live.close()
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


class Artist:
    """Two series of each job: rings that grow from image to image, and what is left of them with more noise."""

    COUNT, ROWS, COLUMNS = 6, 64, 48

    def sheets(self, _job: JobId) -> list[Sheet]:
        return [Sheet(description=name, first=first, count=self.COUNT) for name, first in (("rings", 1), ("noisy", 7))]

    def png(self, job: JobId, image: int) -> bytes | None:
        png = BytesIO()
        Image.fromarray((self._values(job, image) >> 4).astype(np.uint8)).save(png, "PNG")
        return png.getvalue()

    def grey(self, job: JobId, image: int) -> Grey | None:
        return Grey(
            rows=self.ROWS,
            columns=self.COLUMNS,
            aspect=1.0,
            center=2000.0,
            width=4000.0,
            signed=False,
            pixels=self._values(job, image).astype("<u2").tobytes(),
        )

    def _values(self, job: JobId, image: int) -> npt.NDArray[np.int64]:
        y, x = np.mgrid[-1 : 1 : self.ROWS * 1j, -1 : 1 : self.COLUMNS * 1j]
        number = (image - 1) % self.COUNT
        rings = 2000 * (1 + np.cos(4 * (number + 2) * np.hypot(x, y)))
        noise = np.random.default_rng([job, image]).normal(0, 400, rings.shape)
        shown: npt.NDArray[np.int64] = (rings + (noise if image > self.COUNT else 0)).clip(0, 4095).astype(np.int64)
        return shown
