"""A database with nothing in it yet, and the page over it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from gateway.jobs.audit import AuditTrail
from gateway.jobs.people import People, Terms
from gateway.jobs.route_versions import RouteVersions
from gateway.settings import DEFAULT_ROUTES
from gateway.steering import Steering
from gateway.web.app import create_app
from gateway.web.control import Control
from tests.web.scene import Scene

with warnings.catch_warnings():  # starlette would rather have httpx2, which does the same under another name
    warnings.filterwarnings("ignore", message=".*httpx2")
    from starlette.testclient import TestClient

PNG = b"\x89PNG of image 2"


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
        jobs=scene.jobs,
        deliveries=scene.deliveries,
        steering=Steering(
            versions=RouteVersions(scene.engine, scene.clock), folder=tmp_path, unapplied=lambda: DEFAULT_ROUTES
        ),
        audit=AuditTrail(scene.engine, scene.clock),
    )


@pytest.fixture
def guarded(scene: Scene, control: Control) -> FastAPI:
    """The page with its door."""
    return create_app(scene.queries, control=control)


@pytest.fixture
def page(scene: Scene) -> TestClient:
    app = create_app(scene.queries, preview=lambda _job, number: PNG if number == 2 else None)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
