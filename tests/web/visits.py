"""Visits to the page with its door: people with accounts, and browsers that keep their cookies."""

from __future__ import annotations

import re
import warnings

from fastapi import FastAPI

from gateway.jobs.people import People
from gateway.model.person import Role
from gateway.web.passwords import hash_password

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*httpx2")
    from starlette.testclient import TestClient

PASSWORD = "correct horse battery staple"  # noqa: S105 - of the tests


def browser(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False, follow_redirects=False)


def account(people: People, name: str, role: Role) -> None:
    secret = people.invite(name, role, who="test")
    people.accept(secret, name=name, password_hash=hash_password(PASSWORD), origin="test")


def sign_in(visit: TestClient, name: str, password: str = PASSWORD) -> int:
    answer = visit.post("/sign-in", data={"name": name, "password": password})
    return int(answer.status_code)


def signed_in(app: FastAPI, people: People, role: Role) -> TestClient:
    account(people, role.value, role)
    visit = browser(app)
    assert sign_in(visit, role.value) == 303
    return visit


def csrf(visit: TestClient, path: str = "/routes") -> str:
    """What the forms of this session carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', visit.get(path).text)
    assert found
    return found[1]
