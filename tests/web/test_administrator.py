"""A morning of an administrator, in a real browser before a real gateway: from the set-up link to the way back."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit
from playwright.sync_api import Page, expect

from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.running import Gateway, configured, running
from tests.web.chromium import chromium, shoot, visiting
from tests.web.visits import PASSWORD

pytestmark = pytest.mark.peer("chromium")
A_LITTLE = 200_000
"""Bytes after which the scanner pauses."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of which nobody has an account, and whose only rule is for knees."""
    config = configured(tmp_path, {"archive": {"kind": "folder", "path": "series"}})
    settings = tomlkit.parse(config.read_text())
    settings["web"]["allow_unauthenticated"] = False
    config.write_text(tomlkit.dumps(settings))
    routes = tomlkit.parse((tmp_path / "routes.toml").read_text())
    routes["rules"][0]["match"] = {"protocol": "*knee*"}
    (tmp_path / "routes.toml").write_text(tomlkit.dumps(routes))
    with running(config) as site:
        yield site


def scan() -> bytes:
    """A head, as a scanner sends it."""
    acquisition, header = head_phantom(PhantomScan(n_slices=3))
    session = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    return b"".join(write_session(session))


def first_steps(page: Page, site: Gateway) -> None:
    """Choose a password by the link that the first start has printed; it works once."""
    link = re.search(r"http://\S+/set-up/\S+", site.config.with_suffix(".log").read_text())
    assert link
    page.goto(link[0])
    for label in ("Password, 12", "The same again"):
        page.get_by_label(label).fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.locator("main")).to_contain_text("Nothing has arrived yet")
    assert page.request.get(link[0]).status == 404


def watch_it_arrive(page: Page, site: Gateway) -> None:
    """See bytes and readouts grow while the scanner sends, and the job held at the end: no rule is for heads."""
    stream = scan()
    with socket.create_connection(("127.0.0.1", site.listener)) as scanner:
        scanner.sendall(stream[:A_LITTLE])
        expect(page.locator("#arriving")).to_contain_text("200 kB")
        shoot(page, "story-1-arriving")
        scanner.sendall(stream[A_LITTLE:])
        scanner.shutdown(socket.SHUT_WR)
        while scanner.recv(65_536):
            pass
    expect(page.locator("#waiting")).to_contain_text("no rule matches")
    shoot(page, "story-2-held")


def edit(page: Page, before: str, after: str) -> None:
    """Type in the editor."""
    editor = page.locator("#text")
    editor.fill(editor.input_value().replace(before, after))


def mend_the_routes(page: Page) -> None:
    """Edit wrongly, see it beside the line, edit rightly, see who would go elsewhere, apply."""
    page.get_by_role("link", name="Routes").click()
    expect(page.locator("#verdict")).to_contain_text("All well")
    edit(page, "*knee*", "*")
    expect(page.locator("#verdict")).to_contain_text("These 1 of the last 1 scans would go elsewhere")
    edit(page, "protocol =", "protocl =")
    expect(page.locator("#verdict")).to_contain_text("this cannot be applied")
    expect(page.locator("#gutter .faulty")).to_have_count(1)
    expect(page.locator("#paint .note")).to_contain_text("did you mean 'protocol'?")
    shoot(page, "story-3-wrong")
    page.get_by_role("button", name="Line ").click()
    assert "protocl" in page.evaluate("getSelection().toString()")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert").first).to_contain_text("unknown key")
    edit(page, "protocl =", "protocol =")
    expect(page.locator("#verdict")).to_contain_text("would go elsewhere")
    page.get_by_label("Why").fill("heads, too")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("main")).to_contain_text("Version 1 is in force")
    shoot(page, "story-4-applied")


def let_it_go(page: Page) -> None:
    """Work through what is held, and look at what becomes of it."""
    page.get_by_role("link", name="Held", exact=True).click()
    expect(page.locator("#held")).to_contain_text("no rule matches")
    expect(page.locator("body")).to_have_attribute("data-live", "yes")  # its scripts have run: keys are heard
    page.keyboard.press("j")
    expect(page.locator("#held a:focus")).to_contain_text("Job 1: head")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="explain by those in force now").click()
    expect(page.locator("main")).to_contain_text("takes it")
    page.go_back()
    page.get_by_label("Why").fill("the routes know it now")
    page.get_by_role("button", name="Release").click()
    expect(page.locator("#head")).to_contain_text("at every destination")
    expect(page.locator('[data-caption="a"]')).to_contain_text("1 of 3")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-caption="a"]')).to_contain_text("2 of 3")
    expect(page.locator("#log")).to_contain_text("end=hold")  # the attempt before the release
    shoot(page, "story-5-images")


def reconstruct_it_again(page: Page) -> None:
    """Let another job be made of the same scan, and compare the two."""
    first = page.url
    page.get_by_role("button", name="Reconstruct again").click()
    page.wait_for_url(lambda url: url != first)
    expect(page.locator("#head")).to_contain_text("at every destination")
    other = page.locator('[data-pick="b"] option', has_text="(job 1, fft)")
    page.locator('[data-pick="b"]').select_option(value=other.get_attribute("value"))
    page.get_by_role("checkbox", name="Difference").check()
    expect(page.locator('[data-caption="d"]')).to_contain_text(": 0.0 % (root mean square)")
    shoot(page, "story-6-compared")


def go_back(page: Page) -> None:
    """Put the version before in force again, but not by accident."""
    page.get_by_role("link", name="Routes").click()
    expect(page.locator("#verdict")).to_contain_text("All well")
    edit(page, '"*"', '"*head*"')
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("main")).to_contain_text("Version 2 is in force")
    page.get_by_role("link", name="Version 1").click()
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()  # not yet: nobody has said that it is meant
    page.get_by_label("I have read what changes").check()
    shoot(page, "story-7-back")
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.locator("main")).to_contain_text("Version 3 is in force")


def test_an_administrator_steers_without_touching_code(site: Gateway) -> None:
    with chromium() as browser, visiting(browser, f"http://127.0.0.1:{site.page}") as page:
        first_steps(page, site)
        watch_it_arrive(page, site)
        mend_the_routes(page)
        let_it_go(page)
        reconstruct_it_again(page)
        go_back(page)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
