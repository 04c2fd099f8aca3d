"""The door: nobody comes in without an account, nobody does more than the role allows, no foreign form is obeyed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.control import Control
from gateway.model.errors import WrongCall
from gateway.model.person import RIGHTS, Right, Role
from gateway.web.app import Manners, create_app
from gateway.web.door import LONGEST_FORM
from gateway.web.pages import MENU
from tests.web.scene import Scene
from tests.web.visits import PASSWORD, account, browser, csrf, sign_in, signed_in

LOCK = timedelta(minutes=5)
PUBLIC = {"/health/live", "/health/ready", "/sign-in", "/sign-out", "/set-up/{secret}"}
NEEDS = {
    ("GET", "/"): Right.LOOK,
    ("GET", "/live"): Right.LOOK,
    ("GET", "/held"): Right.LOOK,
    ("GET", "/held/live"): Right.LOOK,
    ("GET", "/jobs/{number}"): Right.LOOK,
    ("GET", "/jobs/{number}/live"): Right.LOOK,
    ("GET", "/jobs/{number}/images"): Right.LOOK,
    ("GET", "/jobs/{number}/images/{image}.png"): Right.LOOK,
    ("GET", "/jobs/{number}/images/{image}.u16"): Right.LOOK,
    ("GET", "/jobs/{number}/candidates"): Right.ACT,
    ("POST", "/jobs/{number}/candidates"): Right.ACT,
    ("GET", "/jobs/{number}/explain"): Right.LOOK,
    ("POST", "/jobs/{number}/resend"): Right.ACT,
    ("POST", "/jobs/{number}/review"): Right.ACT,
    ("POST", "/jobs/{number}/{deed}"): Right.ACT,
    ("POST", "/scans/{scan}/replay"): Right.ACT,
    ("POST", "/deliveries/{number}/{deed}"): Right.ACT,
    ("GET", "/charts"): Right.LOOK,
    ("GET", "/charts/{number}"): Right.LOOK,
    ("POST", "/charts/{number}/restart"): Right.ACT,
    ("GET", "/routes"): Right.LOOK,
    ("GET", "/routes/versions/{number}"): Right.LOOK,
    ("POST", "/routes/check"): Right.STEER,
    ("POST", "/routes/apply"): Right.STEER,
    ("POST", "/routes/rollback/{number}"): Right.STEER,
    ("GET", "/audit"): Right.AUDIT,
    ("POST", "/audit/verify"): Right.AUDIT,
    ("GET", "/people"): Right.MANAGE,
    ("POST", "/people/invite"): Right.MANAGE,
    ("POST", "/people/withdraw"): Right.MANAGE,
    ("POST", "/people/role"): Right.MANAGE,
    ("POST", "/people/close"): Right.MANAGE,
    ("POST", "/people/open"): Right.MANAGE,
    ("POST", "/people/unlock"): Right.MANAGE,
    ("POST", "/people/sign-out"): Right.MANAGE,
    ("GET", "/tokens"): Right.MANAGE,
    ("POST", "/tokens/create"): Right.MANAGE,
    ("POST", "/tokens/{number}/revoke"): Right.MANAGE,
    ("GET", "/account"): Right.READ,
    ("POST", "/account/password"): Right.READ,
    ("POST", "/account/sign-out-elsewhere"): Right.READ,
    ("GET", "/studies"): Right.READ,
    ("POST", "/studies"): Right.STUDY,
    ("GET", "/studies/{number}"): Right.STUDY,
    ("POST", "/studies/{number}/readers"): Right.STUDY,
    ("POST", "/studies/{number}/close"): Right.STUDY,
    ("POST", "/studies/{number}/delete"): Right.STUDY,
    ("POST", "/studies/{number}/export"): Right.STUDY,
    ("GET", "/studies/{number}/remarks.csv"): Right.STUDY,
    ("GET", "/studies/{number}/scores.csv"): Right.STUDY,
    ("POST", "/studies/{number}/key.csv"): Right.STUDY,
    ("GET", "/reading/{number}"): Right.READ,
    ("POST", "/reading/{number}/finish"): Right.READ,
    ("GET", "/reading/{number}/{code}"): Right.READ,
    ("POST", "/reading/{number}/{code}"): Right.READ,
    ("GET", "/reading/{number}/{code}/images/{image}.u16"): Right.READ,
}


def _routes(app: FastAPI) -> list[APIRoute]:
    found: list[APIRoute] = []
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        else:
            pending += getattr(getattr(route, "original_router", None), "routes", [])
    return found


def test_every_address_is_public_by_decision_or_needs_a_right(guarded: FastAPI) -> None:
    there = {(method, route.path) for route in _routes(guarded) for method in route.methods or ()}
    assert {pair for pair in there if pair[1] not in PUBLIC} == set(NEEDS)


def _address(path: str) -> str:
    return path.format(number=1, image=1, deed="hold", scan="0" * 32, code="0" * 32)


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_strangers_see_nothing(guarded: FastAPI, scene: Scene, method: str, path: str) -> None:
    scene.scan()
    answer = browser(guarded).request(method, _address(path))
    assert (answer.status_code, answer.headers.get("location")) in {(303, "/sign-in"), (401, None)}
    assert "t2_tse" not in answer.text


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_it_is_for_and_nothing_else(guarded: FastAPI, control: Control, role: Role) -> None:
    visit = signed_in(guarded, control.people, role)
    form = {"csrf": csrf(visit, "/account"), "base": "0"}
    for (method, path), right in NEEDS.items():
        answer = visit.request(method, _address(path), data=form if method == "POST" else None)
        elsewhere = path == "/" and answer.headers.get("location") == "/studies"  # who only reads begins there
        assert (answer.status_code == 403 or elsewhere) is (right not in RIGHTS[role]), (method, path)
        assert answer.status_code < 500


def test_without_accounts_everybody_may_look_and_nobody_can_do_anything(scene: Scene) -> None:
    visit = browser(create_app(scene.queries))
    assert visit.get("/").status_code == 200
    assert {visit.post(path).status_code for path in ("/routes/apply", "/jobs/1/hold", "/sign-in")} == {404}


def test_where_strangers_may_look_they_still_cannot_act(scene: Scene, control: Control) -> None:
    scene.scan()
    visit = browser(create_app(scene.queries, control=control, manners=Manners(strangers_look=True)))
    assert visit.get("/jobs/1").status_code == 200
    assert visit.post("/jobs/1/hold").status_code == 401


def test_the_menu_leads_strangers_to_every_page_that_they_may_open_and_to_no_other(
    scene: Scene, control: Control
) -> None:
    visit = browser(create_app(scene.queries, control=control, manners=Manners(strangers_look=True)))
    menu = visit.get("/").text.partition('<nav class="menu"')[2].partition("</nav>")[0]
    for address, _, _ in MENU:
        opens = visit.get(address).status_code == 200
        assert (f'href="{address}"' in menu) is opens, address
    assert 'href="/sign-in"' in menu


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(guarded: FastAPI, control: Control) -> None:
    account(control.people, "anna", Role.VIEWER)
    visit = browser(guarded)
    wrong, unknown = (visit.post("/sign-in", data={"name": who, "password": "x"}) for who in ("anna", "anno"))
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text.replace("anna", "anno") == unknown.text
    assert not visit.cookies


def test_after_five_wrong_passwords_the_right_one_does_not_help_for_a_while(
    guarded: FastAPI, control: Control, scene: Scene
) -> None:
    account(control.people, "anna", Role.VIEWER)
    visit = browser(guarded)
    assert [sign_in(visit, "anna", "wrong") for _ in range(5)] == [401] * 5
    assert sign_in(visit, "anna") == 401
    scene.clock.now += LOCK
    assert sign_in(visit, "anna") == 303


def test_a_session_ends_when_nobody_uses_it_and_in_any_case_after_half_a_day(
    guarded: FastAPI, control: Control, scene: Scene
) -> None:
    visit = signed_in(guarded, control.people, Role.VIEWER)
    scene.clock.now += timedelta(minutes=14)
    assert visit.get("/").status_code == 200
    scene.clock.now += timedelta(minutes=14)
    assert visit.get("/").status_code == 200
    scene.clock.now += timedelta(minutes=16)
    assert visit.get("/").status_code == 303
    assert sign_in(visit, "viewer") == 303
    for _ in range(60):
        scene.clock.now += timedelta(minutes=12)
        visit.get("/")
    assert visit.get("/").status_code == 303


def test_a_page_that_refreshes_itself_keeps_no_session_open(guarded: FastAPI, control: Control, scene: Scene) -> None:
    visit = signed_in(guarded, control.people, Role.VIEWER)
    for _ in range(2):
        scene.clock.now += timedelta(minutes=7)
        assert visit.get("/", headers={"X-Refresh": "1"}).status_code == 200
    scene.clock.now += timedelta(minutes=2)
    assert visit.get("/").status_code == 303


def test_signing_out_ends_the_session_on_our_side(guarded: FastAPI, control: Control) -> None:
    visit = signed_in(guarded, control.people, Role.VIEWER)
    kept = dict(visit.cookies)
    assert visit.post("/sign-out").status_code == 303
    thief = browser(guarded)
    thief.cookies.update(kept)
    assert thief.get("/").status_code == 303


def test_another_role_or_a_closed_account_ends_the_sessions(guarded: FastAPI, control: Control) -> None:
    signed_in(guarded, control.people, Role.ADMIN)
    visit = signed_in(guarded, control.people, Role.OPERATOR)
    control.people.change("operator", role=Role.VIEWER, who="test")
    assert visit.get("/").status_code == 303
    assert sign_in(visit, "operator") == 303
    control.people.change("operator", disabled=True, who="test")
    assert visit.get("/").status_code == 303
    assert sign_in(visit, "operator") == 401


def test_the_last_administrator_stays_one(guarded: FastAPI, control: Control) -> None:
    visit = signed_in(guarded, control.people, Role.ADMIN)
    for change in ({"role": Role.VIEWER}, {"disabled": True}):
        with pytest.raises(WrongCall, match="last administrator"):
            control.people.change("admin", who="test", **change)
    assert visit.get("/routes").status_code == 200


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({}, "0" * 43),
        ({}, "\xfc"),
        ({"origin": "https://evil.example"}, None),
        ({"sec-fetch-site": "cross-site"}, None),
        ({"sec-fetch-site": "same-site"}, None),
    ],
)
def test_a_foreign_form_is_not_obeyed(
    guarded: FastAPI, control: Control, scene: Scene, headers: dict[str, str], token: str | None
) -> None:
    job = scene.scan()
    visit = signed_in(guarded, control.people, Role.ADMIN)
    form = {"csrf": csrf(visit) if token is None else token}
    assert visit.post(f"/jobs/{job}/hold", data=form, headers=headers).status_code == 403
    assert scene.queries.job(job or 0).state == "QUEUED"


def test_a_form_that_is_too_large_is_refused(guarded: FastAPI, control: Control) -> None:
    visit = signed_in(guarded, control.people, Role.ADMIN)
    form = {"csrf": csrf(visit), "text": "#" * LONGEST_FORM}
    assert visit.post("/routes/check", data=form).status_code == 413
    assert visit.post("/routes/check", data={f"f{number}": "" for number in range(40)}).status_code == 413


@pytest.mark.parametrize(("secure", "name"), [(True, "__Host-gateway-session"), (False, "gateway-session")])
def test_the_cookie_is_kept_from_scripts_and_other_sites(
    scene: Scene, control: Control, secure: bool, name: str
) -> None:
    account(control.people, "anna", Role.VIEWER)
    visit = browser(create_app(scene.queries, control=control, manners=Manners(secure=secure)))
    cookie = visit.post("/sign-in", data={"name": "anna", "password": PASSWORD}).headers["set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert ("Secure" in cookie) is secure


def test_a_link_makes_one_account_once(guarded: FastAPI, control: Control) -> None:
    link = f"/set-up/{control.people.invite('anna', Role.ADMIN, who='test')}"
    visit = browser(guarded)
    assert "anna" in visit.get(link).text
    assert visit.post(link, data={"password": PASSWORD, "again": PASSWORD}).status_code == 303
    assert visit.get("/routes").status_code == 200
    assert browser(guarded).get(link).status_code == 404
    assert browser(guarded).post(link, data={"password": PASSWORD, "again": PASSWORD}).status_code == 404


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [
        ("short", "short", "12 to 256 characters"),
        ("correct horse", "correct horze", "Both entries"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "too easy"),
        ("anna-password-123456", "anna-password-123456", "too easy"),
    ],
)
def test_a_poor_password_is_refused_and_the_link_stays_good(
    guarded: FastAPI, control: Control, password: str, again: str, words: str
) -> None:
    link = f"/set-up/{control.people.invite('anna', Role.VIEWER, who='test')}"
    visit = browser(guarded)
    answer = visit.post(link, data={"password": password, "again": again})
    assert answer.status_code == 422
    assert words in answer.text
    assert visit.get(link).status_code == 200


def test_a_link_expires(guarded: FastAPI, control: Control, scene: Scene) -> None:
    link = f"/set-up/{control.people.invite('anna', Role.VIEWER, who='test')}"
    scene.clock.now += timedelta(hours=73)
    assert browser(guarded).get(link).status_code == 404


def test_no_secret_is_in_the_database_or_on_the_trail(guarded: FastAPI, control: Control, scene: Scene) -> None:
    secret = control.people.invite("anna", Role.ADMIN, who="test")
    visit = browser(guarded)
    visit.post(f"/set-up/{secret}", data={"password": PASSWORD, "again": PASSWORD})
    sign_in(visit, "anna", "a wrong one that was typed")
    (session,) = visit.cookies.values()
    dump = "\n".join(scene.engine.raw_connection().driver_connection.iterdump())  # type: ignore[union-attr]
    assert "$argon2id$" in dump
    for canary in (secret, session, PASSWORD, "a wrong one"):
        assert canary not in dump


def test_everything_that_people_do_is_on_the_trail(guarded: FastAPI, control: Control, scene: Scene) -> None:
    job = scene.scan()
    visit = signed_in(guarded, control.people, Role.ADMIN)
    visit.post(f"/jobs/{job}/hold", data={"csrf": csrf(visit), "reason": "wrong patient?"})
    sign_in(visit, "admin", "wrong")
    done = [(line.deed.who, line.deed.what) for line in reversed(control.audit.newest(10))]
    assert done == [
        ("test", "person invited"),
        ("admin@test", "password set"),
        ("admin@testclient", "signed in"),
        ("admin@testclient", f"jobs {job} held"),
        ("admin@testclient", "sign-in refused"),
    ]
    assert control.audit.verify()[0] == 5


@pytest.mark.parametrize("code", ["%00", "%1b", "%7f", "%c2%9b"])
def test_a_form_with_control_characters_is_refused_in_a_sentence(guarded: FastAPI, control: Control, code: str) -> None:
    visit = signed_in(guarded, control.people, Role.ADMIN)
    token = csrf(visit)
    for method, path in NEEDS:
        if method == "POST":
            content = f"csrf={token}&name=a{code}b&reason=a{code}b&recipe=a{code}&text=a{code}&candidate={code}"
            answer = visit.post(_address(path), content=content)
            assert (answer.status_code, "control characters" in answer.text) == (422, True), path
    assert visit.post("/sign-in", content=f"name=a{code}&password=x").status_code == 422
    assert visit.post(f"/scans/{code}/replay", data={"csrf": token}).status_code == 404
    assert visit.get(f"/set-up/{code}").status_code == 404


def test_lines_and_cells_of_a_text_are_no_control_characters(guarded: FastAPI, control: Control) -> None:
    visit = signed_in(guarded, control.people, Role.ADMIN)
    text = "# a\tb\r\n\r\n# c\n"
    assert visit.post("/routes/check", data={"csrf": csrf(visit), "text": text}).status_code == 200
