"""Tokens on the page: made with rights that were ticked, shown once, revoked by a button."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gateway.control import Control
from gateway.model.person import Right, Role
from tests.web.visits import csrf, signed_in


@pytest.fixture
def admin(guarded: FastAPI, control: Control) -> TestClient:
    return signed_in(guarded, control.people, Role.ADMIN)


def test_a_token_is_made_shown_once_and_revoked(admin: TestClient, control: Control) -> None:
    form = {"csrf": csrf(admin), "name": "monitor <b>", "days": "30", "right-look": "on", "right-audit": "on"}
    made = admin.post("/tokens/create", data=form)
    (secret,) = re.findall(r'value="(mrgw_[^"]+)"', made.text)
    assert "monitor &lt;b&gt;" in made.text
    holder = control.tokens.holder(secret)
    assert holder is not None
    assert holder.rights == {Right.LOOK}  # an administrator does not read the trail, and gives away no such right
    assert secret not in admin.get("/tokens").text
    assert admin.post(f"/tokens/{holder.id}/revoke", data={"csrf": csrf(admin)}).status_code == 303
    assert control.tokens.holder(secret) is None
    assert "Revoked" in admin.get("/tokens").text


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a\nb"}, {"days": "4000"}, {"right-look": None}, {"name": "x" * 65}]
)
def test_what_makes_no_token_is_said(admin: TestClient, control: Control, wrong: dict[str, str | None]) -> None:
    form = {"csrf": csrf(admin), "name": "monitor", "days": "30", "right-look": "on", **wrong}
    answer = admin.post("/tokens/create", data={key: value for key, value in form.items() if value is not None})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert control.tokens.all() == []
