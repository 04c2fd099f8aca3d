"""The whole of what is served, over a site of its own: a morning's work, and callers with each right."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from gateway.model.person import Right
from gateway.serving import page_of
from gateway.stations import Stations, open_stations
from tests.running import configured
from tests.web.scene import Scene, morning

with warnings.catch_warnings():  # as in tests/web/conftest.py
    warnings.filterwarnings("ignore", message=".*httpx2")
    from starlette.testclient import TestClient

Call = Callable[..., TestClient]


@pytest.fixture(scope="session")
def after_the_morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site where a morning has passed; each test gets a copy."""
    folder = tmp_path_factory.mktemp("morning")
    opened = open_stations(configured(folder, {"shelf": {"kind": "folder", "path": "shelf"}}))
    morning(Scene(opened.jobs.engine))
    opened.jobs.engine.dispose()
    return folder


@pytest.fixture
def stations(after_the_morning: Path, tmp_path: Path) -> Iterator[Stations]:
    shutil.copytree(after_the_morning, tmp_path / "site")
    opened = open_stations(tmp_path / "site" / "gateway.toml")
    yield opened
    opened.jobs.engine.dispose()


@pytest.fixture
def scene(stations: Stations) -> Scene:
    """What else happens there."""
    scene = Scene(stations.jobs.engine)
    scene._recordings = 100  # noqa: SLF001 - behind those of the morning
    return scene


@pytest.fixture
def served(stations: Stations) -> FastAPI:
    """The page with the API beside it."""
    return page_of(stations)


@pytest.fixture
def call(served: FastAPI, stations: Stations) -> Call:
    """Makes a caller that has some rights."""

    def make(*rights: Right) -> TestClient:
        name = "-".join(rights)
        secret = stations.tokens.create(name, set(rights), who="test", days=1).secret
        headers = {"Authorization": f"Bearer {secret}"}
        return TestClient(served, base_url="http://127.0.0.1", raise_server_exceptions=False, headers=headers)

    return make
