"""A site with a million finished jobs in its table: claims, statements, and what is served."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.job_table import N_JOBS, N_LOOKS, claims, databases, percentile, seconds, statements
from benchmarks.registry import Peers, benchmark
from gateway.model.person import Right
from gateway.serving import page_of
from gateway.settings import load_settings
from gateway.stations import stations_of

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*httpx2")
    from starlette.testclient import TestClient

ASKED = {
    "dashboard": ["/", "/held", f"/jobs/{N_JOBS // 2}"],
    "api": ["/api/v1/jobs", f"/api/v1/jobs?before={N_JOBS // 2}", "/api/v1/jobs?state=DONE", "/api/v1/scans?limit=200"],
    "metrics": ["/metrics"],
}


@benchmark
def among_a_million() -> Iterator[Peers]:
    """Ask a hundred times: the 99th percentile of claims and the dashboard's statements, the 95th of what is served."""
    with databases() as engines, tempfile.TemporaryDirectory() as folder:
        peers: dict[str, Callable[[], object]] = {}
        for name, engine in engines.items():
            visit = _visit(engine, Path(folder))
            peers |= {f"{name} claim": partial(claims, engine), f"{name} statement": partial(statements, engine)}
            peers |= {f"{name} {what}": partial(_p95, visit, paths) for what, paths in ASKED.items()}
        yield peers


def _visit(engine: Engine, folder: Path) -> TestClient:
    """Come with a token to what is served over a database; strangers may look at the page."""
    config = folder / "gateway.toml"
    config.write_text("[web]\nallow_unauthenticated = true\n")
    stations = stations_of(load_settings(config), engine)
    (folder / "gateway-data" / "spool").mkdir(parents=True, exist_ok=True)
    secret = stations.tokens.create("benchmark", set(Right), who="benchmark", days=1).secret
    headers = {"Authorization": f"Bearer {secret}"}
    return TestClient(page_of(stations), base_url="http://127.0.0.1", headers=headers)


def _p95(visit: TestClient, paths: list[str]) -> float:
    return percentile([seconds(partial(visit.get, path)) for _ in range(N_LOOKS) for path in paths], 95)
