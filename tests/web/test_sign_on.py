"""Signing in by an identity provider, over real sockets: who is vouched for comes in, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI
from playwright.sync_api import expect
from starlette.testclient import TestClient

from gateway.control import Control
from gateway.model.errors import Overtaken
from gateway.model.person import Role
from gateway.site import Site
from gateway.web.app import create_app
from tests.oidc.certified import certified_provider, need_provider
from tests.oidc.provider import SmallProvider, running_provider
from tests.oidc.test_provider import ours
from tests.web.chromium import barriers, chromium, serving, shoot, visiting
from tests.web.scene import Scene
from tests.web.test_door import NEEDS, PUBLIC, _routes
from tests.web.visits import PASSWORD, account, browser, sign_in

BACK = "/sign-in/provider/back"


@pytest.fixture
def realm() -> Iterator[SmallProvider]:
    with running_provider() as realm:
        yield realm


@pytest.fixture
def guarded(scene: Scene, control: Control, site: Site, realm: SmallProvider) -> FastAPI:
    """The page with a second door."""
    app = create_app(scene.queries, site=site, control=replace(control, provider=ours(realm)))
    app.state.live.close()
    return app


def come(visit: TestClient, realm: SmallProvider, begin: str = "/sign-in/provider") -> tuple[int, str]:
    """Go to the provider and back; give how it ends, and what is said."""
    away = visit.get(begin)
    assert away.status_code == 303, away.text
    query = dict(away.next_request.url.params)
    back = visit.get(BACK, params=dict(p.split("=") for p in realm.authorize(query).partition("?")[2].split("&")))
    return back.status_code, back.text


def trail(control: Control) -> list[tuple[str, str, str]]:
    return [(line.deed.who, line.deed.what, line.deed.text) for line in reversed(control.audit.newest(50))]


def test_the_second_door_has_three_addresses_that_anybody_may_call(guarded: FastAPI) -> None:
    there = {(method, route.path) for route in _routes(guarded) for method in route.methods or ()}
    more = {pair for pair in there if pair[1] not in PUBLIC} - set(NEEDS)
    assert more == {("GET", "/sign-in/provider"), ("GET", BACK), ("GET", "/sign-in/provider/leave")}


def test_who_is_in_a_group_comes_in_with_its_role_and_is_on_the_trail(
    guarded: FastAPI, control: Control, realm: SmallProvider
) -> None:
    visit = browser(guarded)
    status, text = come(visit, realm)
    assert (status, 'content="0; url=/"' in text) == (200, True)  # a redirect would lose the strict cookie
    assert visit.get("/").status_code == 200
    (maria,) = control.people.all()
    assert (maria.name, maria.role, maria.mapped) == ("maria", Role.VIEWER, True)
    assert trail(control) == [
        ("identity provider", "person added", "maria as viewer"),
        ("maria@testclient", "signed in", "by the identity provider"),
    ]
    assert "the gateway knows no password of yours" in visit.get("/account").text


def test_who_is_in_no_group_stays_out_and_that_is_on_the_trail(
    guarded: FastAPI, control: Control, realm: SmallProvider
) -> None:
    realm.person["groups"] = ["cleaners"]
    visit = browser(guarded)
    status, text = come(visit, realm)
    assert (status, "none of their groups has a role" in text) == (401, True)
    assert control.people.all() == []
    assert visit.get("/").status_code == 303
    assert [what for _, what, _ in trail(control)] == ["sign-in refused"]


def test_a_person_follows_their_groups_and_loses_everything_with_the_last(
    guarded: FastAPI, control: Control, realm: SmallProvider
) -> None:
    earlier, later = browser(guarded), browser(guarded)
    come(earlier, realm)
    realm.person["groups"] = ["mri-admins"]
    realm.person["preferred_username"] = "maria married"
    assert come(later, realm)[0] == 200
    assert earlier.get("/").status_code == 303  # another role ends what was open
    (maria,) = control.people.all()
    assert (maria.name, maria.role) == ("maria", Role.ADMIN)
    with pytest.raises(Overtaken, match="comes from groups at the identity provider"):
        control.people.change("maria", role=Role.VIEWER, who="test")
    realm.person["groups"] = []
    assert come(browser(guarded), realm)[0] == 401
    assert later.get("/").status_code == 303


def test_a_closed_account_stays_closed(guarded: FastAPI, control: Control, realm: SmallProvider) -> None:
    account(control.people, "chief", Role.ADMIN)
    come(browser(guarded), realm)
    control.people.change("maria", disabled=True, who="test")
    status, text = come(browser(guarded), realm)
    assert (status, "the account is closed" in text) == (401, True)


def test_nobody_gets_the_account_of_a_namesake(guarded: FastAPI, control: Control, realm: SmallProvider) -> None:
    account(control.people, "maria", Role.ADMIN)
    realm.person["groups"] = ["mri-admins"]
    status, text = come(browser(guarded), realm)
    assert (status, "somebody else here has this name" in text) == (401, True)
    realm.person["sub"] = "4712"
    assert come(browser(guarded), realm)[0] == 401


def test_a_one_time_link_ties_an_account_to_who_comes_back_and_ends_its_password(
    guarded: FastAPI, control: Control, realm: SmallProvider
) -> None:
    account(control.people, "maria.old", Role.OPERATOR)
    realm.person["groups"] = []
    secret = control.people.invite("maria.old", Role.AUDITOR, who="test")
    link = f"/sign-in/provider?invitation={secret}"
    assert f'href="{link}"' in browser(guarded).get(f"/set-up/{secret}").text
    assert come(browser(guarded), realm, link)[0] == 200
    (maria,) = control.people.all()
    assert (maria.name, maria.role, maria.mapped) == ("maria.old", Role.AUDITOR, False)
    assert sign_in(browser(guarded), "maria.old") == 401
    assert sign_in(browser(guarded), "maria.old", "") == 401
    assert come(browser(guarded), realm)[0] == 200  # known now, whatever the groups say
    assert come(browser(guarded), realm, link)[0] == 401  # it works once
    realm.person["sub"] = "4712"
    other = control.people.invite("other", Role.VIEWER, who="test")
    assert come(browser(guarded), realm, f"/sign-in/provider?invitation={other}")[0] == 200
    again = control.people.invite("third", Role.VIEWER, who="test")
    assert come(browser(guarded), realm, f"/sign-in/provider?invitation={again}")[0] == 401  # one person, one account


def test_the_password_of_nobody_opens_no_account_without_a_password(guarded: FastAPI, realm: SmallProvider) -> None:
    come(browser(guarded), realm)
    assert sign_in(browser(guarded), "maria", "the password of nobody") == 401


def test_only_the_browser_that_went_may_come_back_once_and_in_time(
    guarded: FastAPI, control: Control, realm: SmallProvider, scene: Scene
) -> None:
    visit = browser(guarded)
    query = dict(visit.get("/sign-in/provider").next_request.url.params)
    back = realm.authorize(query).partition("?")[2]
    assert browser(guarded).get(f"{BACK}?{back}").status_code == 401  # somebody else's browser, with the same address
    assert visit.get(f"{BACK}?{back.replace('state=', 'state=x')}").status_code == 401
    visit = browser(guarded)
    assert come(visit, realm)[0] == 200
    query = dict(visit.get("/sign-in/provider").next_request.url.params)
    scene.clock.now += timedelta(minutes=11)
    assert visit.get(f"{BACK}?{realm.authorize(query).partition('?')[2]}").status_code == 401
    refused = [text for _, what, text in trail(control) if what == "sign-in refused"]
    assert any("another browser" in text for text in refused)


@pytest.mark.parametrize("query", ["", "?error=access_denied&state=x", "?code=x&state=y", "?state=%00", "?code=%ff"])
def test_whoever_comes_back_with_nothing_good_gets_a_sentence(guarded: FastAPI, query: str) -> None:
    answer = browser(guarded).get(BACK + query)
    assert answer.status_code == 401
    assert "Nobody was signed in" in answer.text


def test_a_provider_that_does_not_answer_leaves_the_other_door_open(
    guarded: FastAPI, control: Control, realm: SmallProvider
) -> None:
    realm.down = True
    account(control.people, "anna", Role.VIEWER)
    visit = browser(guarded)
    answer = visit.get("/sign-in/provider")
    assert (answer.status_code, "answered 503" in answer.text) == (401, True)
    assert sign_in(visit, "anna", PASSWORD) == 303
    assert visit.get("/sign-in/provider/leave").headers["location"] == "/sign-in"


@pytest.mark.peer("chromium")
def test_a_person_signs_in_by_the_provider_looks_around_and_signs_out_of_both(
    scene: Scene, control: Control, site: Site, realm: SmallProvider
) -> None:
    realm.asks = True
    scene.finish()
    provider = ours(realm)
    app = create_app(scene.queries, site=site, control=replace(control, provider=provider))
    with chromium() as chrome, serving(app) as url:
        provider._client = replace(provider._client, redirect_uri=f"{url}{BACK}")  # noqa: SLF001 - its port is new
        with visiting(chrome, url) as page:
            page.goto("/")
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            assert barriers(page) == []
            shoot(page, "sign-in-provider")
            page.get_by_role("link", name="Sign in with the hospital account").click()
            page.get_by_role("button", name="I am Maria").click()
            page.wait_for_url(f"{url}/")
            expect(page.locator("main")).to_contain_text("t2_tse_tra")
            cookies = {one["name"]: one for one in page.context.cookies()}
            assert (list(cookies), cookies["gateway-session"]["sameSite"]) == (["gateway-session"], "Strict")
            page.goto("/account")
            expect(page.locator("main")).to_contain_text("You sign in with the hospital account")
            page.get_by_role("button", name="Sign out", exact=True).click()
            expect(page.get_by_role("status")).to_contain_text("You are signed out here")
            shoot(page, "signed-out-provider")
            page.get_by_role("link", name="sign out there, too").click()
            page.wait_for_url(f"{url}/sign-in")
    assert "/leave" in realm.asked


@pytest.mark.peer("chromium")
def test_a_person_signs_in_by_a_certified_provider_and_signs_out_of_both(
    scene: Scene, control: Control, site: Site
) -> None:
    need_provider()
    provider = ours(SmallProvider(url="http://127.0.0.1"))
    app = create_app(scene.queries, site=site, control=replace(control, provider=provider))
    with chromium() as chrome, serving(app) as url, certified_provider(url) as issuer:
        provider._client = replace(provider._client, issuer=issuer, redirect_uri=f"{url}{BACK}")  # noqa: SLF001 - new ports
        with visiting(chrome, url) as page:
            page.goto("/sign-in")
            page.get_by_role("link", name="Sign in with the hospital account").click()
            page.get_by_placeholder("Enter any login").fill("maria")
            page.get_by_placeholder("and password").fill("any")
            page.get_by_role("button", name="Sign-in").click()
            page.get_by_role("button", name="Continue").click()
            page.wait_for_url(f"{url}/")
            page.goto("/account")
            expect(page.locator("main")).to_contain_text("You sign in with the hospital account")
            page.get_by_role("button", name="Sign out", exact=True).click()
            page.get_by_role("link", name="sign out there, too").click()
            page.get_by_role("button", name="Yes, sign me out").click()
            page.wait_for_url(f"{url}/sign-in**")
    (maria,) = control.people.all()
    assert (maria.name, maria.role, maria.subject) == ("maria", Role.VIEWER, f"{issuer} maria")
