"""Who may do what: every address of page and API has a rule, and every rule is obeyed, right by right."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from fastapi import FastAPI
from starlette.routing import Mount
from starlette.testclient import TestClient

from gateway.api.app import PATH
from gateway.api.gate import REFUSALS
from gateway.model.person import RIGHTS, Right, Role
from gateway.stations import Stations
from tests.api.conftest import Call
from tests.web.test_door import NEEDS

VALUES = {"number": "999", "image": "1", "deed": "hold", "scan": "abcd", "name": "nobody"}


def api_of(served: FastAPI) -> FastAPI:
    (found,) = [route.app for route in served.routes if isinstance(route, Mount) and route.path == PATH]
    assert isinstance(found, FastAPI)
    return found


def rules(served: FastAPI) -> dict[tuple[str, str], set[str]]:
    """What each address of the API needs, by its description."""
    return {
        (method.upper(), PATH + path): {right for way in told.get("security", []) for right in way["token"]}
        for path, methods in api_of(served).openapi()["paths"].items()
        for method, told in methods.items()
    }


def test_every_address_of_the_api_has_a_rule(served: FastAPI) -> None:
    found = rules(served)
    assert len(found) > 30
    assert [address for address, rights in found.items() if len(rights) != 1] == []
    assert {right for rights in found.values() for right in rights} == set(Right) - {Right.MEASURE, Right.READ}


def test_nobody_comes_in_without_a_token_or_by_a_cookie(served: FastAPI) -> None:
    visit = TestClient(served, base_url="http://127.0.0.1", raise_server_exceptions=False)
    visit.cookies.set("gateway-session", "x")
    for method, path in rules(served):
        answer = visit.request(method, path.format(**VALUES))
        assert (answer.status_code, answer.headers["www-authenticate"]) == (HTTPStatus.UNAUTHORIZED, "Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "t2_tse" not in answer.text


@pytest.mark.parametrize("right", Right)
def test_a_token_opens_what_its_right_is_for_and_nothing_else(served: FastAPI, call: Call, right: Right) -> None:
    visit = call(right)
    for (method, path), rights in rules(served).items():
        answer = visit.request(method, path.format(**VALUES), json={} if method in ("POST", "PATCH") else None)
        assert (answer.status_code == HTTPStatus.FORBIDDEN) is (rights != {right.value}), (method, path)
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR


def test_every_right_is_some_roles_and_no_role_has_all() -> None:
    assert set().union(*RIGHTS.values()) == set(Right)
    assert all(RIGHTS[role] < set(Right) for role in Role)


@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_a_token_that_has_ended_opens_nothing(served: FastAPI, stations: Stations, end: str) -> None:
    days = 1e-9 if end == "expired" else None
    made = stations.tokens.create("monitor", {Right.LOOK}, who="test", days=days)
    if end == "revoked":
        stations.tokens.revoke(made.token.id, who="test")
    visit = TestClient(served, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {made.secret}"})
    answer = visit.get(f"{PATH}/me")
    assert (answer.status_code, "invalid_token" in answer.headers["www-authenticate"]) == (401, True)


def test_whoever_guesses_tokens_has_to_wait_even_with_a_good_one(served: FastAPI, call: Call) -> None:
    good = call(Right.LOOK)
    guess = TestClient(served, base_url="http://127.0.0.1", headers={"Authorization": "Bearer mrgw_guess"})
    answers = [guess.get(f"{PATH}/me") for _ in range(REFUSALS + 1)]
    assert [one.status_code for one in answers] == [401] * REFUSALS + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert good.get(f"{PATH}/me").status_code == 429


def test_a_token_gives_no_right_away_that_it_lacks(call: Call, stations: Stations) -> None:
    visit = call(Right.MANAGE)
    wish = {"name": "spy", "rights": ["audit", "manage"], "days": 1}
    assert visit.post(f"{PATH}/tokens", json=wish).status_code == 403
    answer = visit.post(f"{PATH}/tokens", json={**wish, "rights": ["manage"]})
    assert answer.status_code == 201
    secret = answer.json()["secret"]
    number = answer.json()["token"]["id"]
    assert visit.delete(f"{PATH}/tokens/{number}").json()["revoked_at"]
    told = [(line.deed.who, line.deed.what) for line in stations.audit.newest(2)]
    assert told == [("token manage@testclient", "token revoked"), ("token manage@testclient", "token made")]
    dump = "\n".join(stations.jobs.engine.raw_connection().driver_connection.iterdump())  # type: ignore[union-attr]
    assert secret not in dump


PAGE_TO_API = {
    ("GET", "/"): ("GET", "/status"),
    ("GET", "/held"): ("GET", "/jobs"),
    ("GET", "/jobs/{number}"): ("GET", "/jobs/{number}"),
    ("GET", "/jobs/{number}/images"): ("GET", "/jobs/{number}/images"),
    ("GET", "/jobs/{number}/images/{image}.png"): ("GET", "/jobs/{number}/images/{image}.png"),
    ("GET", "/jobs/{number}/images/{image}.u16"): ("GET", "/jobs/{number}/images/{image}.u16"),
    ("GET", "/jobs/{number}/candidates"): ("GET", "/jobs/{number}/candidates"),
    ("POST", "/jobs/{number}/candidates"): ("POST", "/jobs/{number}/candidates"),
    ("POST", "/jobs/{number}/review"): ("POST", "/jobs/{number}/review"),
    ("GET", "/jobs/{number}/explain"): ("GET", "/scans/{scan}/explanation"),
    ("POST", "/jobs/{number}/resend"): ("POST", "/jobs/{number}/{deed}"),
    ("POST", "/jobs/{number}/{deed}"): ("POST", "/jobs/{number}/{deed}"),
    ("POST", "/scans/{scan}/replay"): ("POST", "/scans/{scan}/replay"),
    ("POST", "/deliveries/{number}/{deed}"): ("POST", "/deliveries/{number}/{deed}"),
    ("GET", "/charts"): ("GET", "/charts"),
    ("GET", "/charts/{number}"): ("GET", "/charts/{number}"),
    ("POST", "/charts/{number}/restart"): ("POST", "/charts/{number}/restart"),
    ("GET", "/routes"): ("GET", "/routes"),
    ("GET", "/routes/versions/{number}"): ("GET", "/routes/difference"),
    ("POST", "/routes/check"): ("POST", "/routes/check"),
    ("POST", "/routes/apply"): ("POST", "/routes/versions"),
    ("POST", "/routes/rollback/{number}"): ("POST", "/routes/rollback"),
    ("GET", "/audit"): ("GET", "/audit"),
    ("POST", "/audit/verify"): ("GET", "/audit/verification"),
    ("GET", "/people"): ("GET", "/users"),
    ("POST", "/people/invite"): ("POST", "/users"),
    ("POST", "/people/withdraw"): ("DELETE", "/invitations/{name}"),
    ("POST", "/people/role"): ("PATCH", "/users/{name}"),
    ("POST", "/people/close"): ("PATCH", "/users/{name}"),
    ("POST", "/people/open"): ("PATCH", "/users/{name}"),
    ("POST", "/people/unlock"): ("DELETE", "/users/{name}/lock"),
    ("POST", "/people/sign-out"): ("DELETE", "/users/{name}/sessions"),
    ("POST", "/studies"): ("POST", "/studies"),
    ("GET", "/studies/{number}"): ("GET", "/studies/{number}"),
    ("POST", "/studies/{number}/readers"): ("POST", "/studies/{number}/readers"),
    ("POST", "/studies/{number}/close"): ("POST", "/studies/{number}/close"),
    ("POST", "/studies/{number}/delete"): ("POST", "/studies/{number}/delete"),
    ("POST", "/studies/{number}/export"): ("POST", "/studies/{number}/export"),
    ("GET", "/studies/{number}/remarks.csv"): ("GET", "/studies/{number}/remarks.csv"),
    ("GET", "/studies/{number}/scores.csv"): ("GET", "/studies/{number}/scores.csv"),
    ("POST", "/studies/{number}/key.csv"): ("POST", "/studies/{number}/key.csv"),
    ("GET", "/tokens"): ("GET", "/tokens"),
    ("POST", "/tokens/create"): ("POST", "/tokens"),
    ("POST", "/tokens/{number}/revoke"): ("DELETE", "/tokens/{number}"),
}
"""What the page can do, and where a program asks for the same."""

FOR_EYES = {
    ("GET", "/live"): "a program asks again",
    ("GET", "/held/live"): "a program asks again",
    ("GET", "/jobs/{number}/live"): "a program asks again",
    ("GET", "/account"): "a token has no password and no sessions; /me says who it is",
    ("POST", "/account/password"): "as above",
    ("POST", "/account/sign-out-elsewhere"): "as above",
    ("GET", "/studies"): "what one has to read; those who make studies list them by GET /studies",
    ("GET", "/reading/{number}"): "people read, and no programs",
    ("POST", "/reading/{number}/finish"): "as above",
    ("GET", "/reading/{number}/{code}"): "as above",
    ("POST", "/reading/{number}/{code}"): "as above",
    ("GET", "/reading/{number}/{code}/images/{image}.u16"): "as above",
}


def test_everything_the_page_can_do_the_api_can_do(served: FastAPI) -> None:
    assert {*PAGE_TO_API, *FOR_EYES} == set(NEEDS)
    found = rules(served)
    for page, (method, path) in PAGE_TO_API.items():
        assert found[method, PATH + path] == {NEEDS[page].value}, page
