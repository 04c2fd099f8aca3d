"""The description of the API holds: what fits it and what does not is answered as it says, never by a 5xx."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from gateway.api.app import PATH
from gateway.api.gate import Gate
from gateway.model.person import Right
from gateway.stations import Stations
from tests.api.test_access import api_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
EXAMPLES = 8


@pytest.fixture
def description(served: FastAPI, stations: Stations) -> OpenApiSchema:
    secret = stations.tokens.create("fuzz", set(Right), who="test", days=1).secret
    api_of(served).state.gate = Gate(stations.tokens, requests=1_000_000)
    schema = schemathesis.openapi.from_asgi(f"{PATH}/openapi.json", served)
    schema.config.update(base_url=f"http://127.0.0.1{PATH}", headers={"Authorization": f"Bearer {secret}"})
    return schema


def test_every_address_answers_as_described(description: OpenApiSchema) -> None:
    for found in description.get_all_operations():
        assert isinstance(found, Ok)

        @hypothesis.given(case=found.ok().as_strategy())
        @hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck))
        def answers(case: Case[Any]) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        answers()
