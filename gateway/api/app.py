"""The API as an application: ``/api/v1``, described by OpenAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from gateway.api import candidates, charts, images, people, steer, studies, surroundings, work
from gateway.api.body import Bodies
from gateway.api.gate import Gate
from gateway.api.problems import RESPONSES, Problem, tell_problems
from gateway.control import Control
from gateway.site import Site

PATH = "/api/v1"
VERSION = "1.0"
DESCRIPTION = """\
What the page can do, for programs. Whoever calls brings a token (`gateway tokens create`); each address names, as its
scope, the right that the token needs. What goes wrong is a problem (RFC 9457): one sentence, and all faults where there
may be several.
"""


def create_api(control: Control, *, site: Site, pictures: images.Pictures, gate: Gate) -> FastAPI:
    """Build the API."""
    api = FastAPI(
        title="MRI Reconstruction Gateway",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": PATH}],
        root_path_in_servers=False,
        responses=RESPONSES,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    api.state.gate = gate
    api.add_middleware(Bodies)
    for router in (
        surroundings.status(control, site),
        work.scans(control),
        candidates.candidates(control),
        images.images(control.queries, pictures),
        work.reviews(control),
        work.jobs(control),
        work.deliveries(control),
        charts.charts(control),
        surroundings.destinations(control, site),
        steer.routes(control),
        steer.steer(control),
        studies.studies(control.studies),
        people.users(control),
        people.sessions(control),
        people.tokens(control),
        people.audit(control, site),
    ):
        api.include_router(router)
    tell_problems(api)
    _describe_problems(api)
    return api


def _describe_problems(api: FastAPI) -> None:
    """Put the shape of a problem into the description, in the place of FastAPI's own."""
    describe = api.openapi

    def described() -> dict[str, Any]:
        told = describe()
        schemas = told["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return told

    api.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it
