"""People on the page: administrators say who may come in; everybody keeps an own password."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gateway.control import Control
from gateway.model.person import Role
from tests.web.scene import Scene
from tests.web.visits import PASSWORD, account, browser, csrf, sign_in, signed_in

ANOTHER = "seven wet hedgehogs at noon"


@pytest.fixture
def admin(guarded: FastAPI, control: Control) -> TestClient:
    return signed_in(guarded, control.people, Role.ADMIN)


def ask(visit: TestClient, path: str, **fields: str) -> tuple[int, str]:
    answer = visit.post(path, data={"csrf": csrf(visit, "/account"), **fields})
    return answer.status_code, answer.text


def test_an_invitation_is_a_link_that_is_shown_once_and_works(guarded: FastAPI, admin: TestClient) -> None:
    status, shown = ask(admin, "/people/invite", name="anna", role="operator")
    assert status == 200
    (link,) = re.findall(r'value="http://127\.0\.0\.1(/set-up/[^"]+)"', shown)
    assert link not in admin.get("/people").text
    visit = browser(guarded)
    assert visit.post(link, data={"password": PASSWORD, "again": PASSWORD}).status_code == 303
    assert visit.get("/").status_code == 200
    assert "anna" in admin.get("/people").text


def test_a_link_can_be_withdrawn(guarded: FastAPI, admin: TestClient, control: Control) -> None:
    secret = control.people.invite("anna", Role.VIEWER, who="test")
    assert "Links that nobody has used yet" in admin.get("/people").text
    assert ask(admin, "/people/withdraw", name="anna")[0] == 303
    assert browser(guarded).get(f"/set-up/{secret}").status_code == 404


def test_roles_accounts_and_sessions_are_changed_and_take_effect_at_once(
    guarded: FastAPI, admin: TestClient, control: Control
) -> None:
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    assert ask(admin, "/people/sign-out", name="operator")[0] == 303
    assert visit.get("/").status_code == 303
    assert ask(admin, "/people/role", name="operator", role="viewer")[0] == 303
    assert ask(admin, "/people/close", name="operator")[0] == 303
    assert sign_in(visit, "operator") == 401
    assert "Closed" in admin.get("/people").text
    assert ask(admin, "/people/open", name="operator")[0] == 303
    assert sign_in(visit, "operator") == 303


def test_who_is_locked_out_is_shown_and_can_be_let_in_again(
    guarded: FastAPI, admin: TestClient, control: Control
) -> None:
    account(control.people, "anna", Role.VIEWER)
    visit = browser(guarded)
    for _ in range(5):
        sign_in(visit, "anna", "wrong")
    assert "too many wrong passwords" in admin.get("/people").text
    assert ask(admin, "/people/unlock", name="anna")[0] == 303
    assert sign_in(visit, "anna") == 303


@pytest.mark.parametrize(
    ("path", "fields", "status", "words"),
    [
        ("/people/role", {"name": "admin", "role": "viewer"}, 409, "last administrator"),
        ("/people/close", {"name": "admin"}, 409, "last administrator"),
        ("/people/close", {"name": "nobody"}, 409, "nobody is called"),
        ("/people/role", {"name": "admin", "role": "king"}, 409, "no such role"),
        ("/people/invite", {"name": "  ", "role": "viewer"}, 422, "1 to 64 printable"),
        ("/people/invite", {"name": "a\u202eb", "role": "viewer"}, 422, "1 to 64 printable"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    admin: TestClient, path: str, fields: dict[str, str], status: int, words: str
) -> None:
    found, shown = ask(admin, path, **fields)
    assert (found, words in shown) == (status, True)


def test_people_change_their_own_password_and_other_sessions_end(guarded: FastAPI, control: Control) -> None:
    here = signed_in(guarded, control.people, Role.VIEWER)
    elsewhere = browser(guarded)
    sign_in(elsewhere, "viewer")
    assert "Elsewhere" in here.get("/account").text
    wrong = {"present": "not this", "password": ANOTHER, "again": ANOTHER}
    assert ask(here, "/account/password", **wrong)[0] == 422
    status, shown = ask(here, "/account/password", **{**wrong, "present": PASSWORD})
    assert (status, "Your password is changed" in shown) == (200, True)
    assert elsewhere.get("/").status_code == 303
    assert here.get("/").status_code == 200
    assert sign_in(elsewhere, "viewer") == 401
    assert sign_in(elsewhere, "viewer", ANOTHER) == 303
    assert ask(here, "/account/sign-out-elsewhere")[0] == 303
    assert elsewhere.get("/").status_code == 303


def test_nobody_guesses_a_password_at_an_open_page(guarded: FastAPI, control: Control, scene: Scene) -> None:
    visit = signed_in(guarded, control.people, Role.VIEWER)
    for _ in range(5):
        ask(visit, "/account/password", present="wrong", password=ANOTHER, again=ANOTHER)
    right = {"present": PASSWORD, "password": ANOTHER, "again": ANOTHER}
    assert ask(visit, "/account/password", **right)[0] == 422
    scene.clock.now += timedelta(minutes=5)
    assert ask(visit, "/account/password", **right)[0] == 200


def test_the_trail_is_read_page_by_page_and_verified(guarded: FastAPI, control: Control, scene: Scene) -> None:
    for number in range(205):
        control.audit.add("test", "noted", f"line {number}")
    visit = signed_in(guarded, control.people, Role.AUDITOR)
    assert "Older lines" in visit.get("/audit").text
    assert "line 3" in visit.get("/audit?before=9").text
    assert f"{control.audit.verify()[0]} lines" in ask(visit, "/audit/verify")[1], "that it was read is a line, too"
    with scene.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET text = 'another' WHERE number = 7")
    assert "line 7 of the audit trail is not what was written" in ask(visit, "/audit/verify")[1]
