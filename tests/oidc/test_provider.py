"""A token that is not signed by the provider, for us, for this errand and for now lets nobody in."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.model.errors import NotVouched
from gateway.model.person import Role
from gateway.model.sign_on import Errand, Guest
from gateway.oidc.claims import Reading
from gateway.oidc.fetch import LONGEST_ANSWER, Fetcher
from gateway.oidc.kept import REST_S, Kept
from gateway.oidc.provider import Client, OidcProvider
from tests.oidc.provider import CLIENT, OTHERS, OURS, SECRET, Claims, SmallProvider, running_provider

READING = Reading(roles={Role.VIEWER: frozenset({"radiographers"}), Role.ADMIN: frozenset({"mri-admins"})})


@pytest.fixture
def realm() -> Iterator[SmallProvider]:
    with running_provider() as realm:
        yield realm


def ours(realm: SmallProvider, reading: Reading = READING) -> OidcProvider:
    client = Client(
        issuer=realm.url,
        client_id=CLIENT,
        client_secret=SECRET,
        redirect_uri="http://127.0.0.1:8002/sign-in/provider/back",
        scopes=("openid", "profile"),
        label="hospital account",
    )
    return OidcProvider(client, reading, Fetcher(timeout_s=10))


def visit(realm: SmallProvider, provider: OidcProvider) -> Guest:
    """Go to the provider as a browser does, and come back."""
    url, errand = provider.begin()
    assert url.startswith(f"{realm.url}/authorize?")
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    assert (query["state"], query["nonce"]) == (errand.state, errand.nonce)
    assert errand.verifier not in url
    back = parse_qs(urlsplit(realm.authorize(query)).query)
    assert back["state"] == [errand.state]
    return provider.finish(back["code"][0], errand)


def test_who_comes_back_is_known_by_number_and_has_the_role_of_a_group(realm: SmallProvider) -> None:
    assert visit(realm, ours(realm)) == Guest(subject=f"{realm.url} 4711", name="maria", role=Role.VIEWER)


def without(name: str) -> object:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def but(**other: object) -> object:
    return lambda claims: {**claims, **other}


LIES = {
    "another nonce": but(nonce="of another errand"),
    "no nonce": without("nonce"),
    "for somebody else": but(aud="another-client"),
    "for us and others, on behalf of others": but(aud=[CLIENT, "other"], azp="other"),
    "for us and others, on nobody's behalf": but(aud=[CLIENT, "other"]),
    "for nobody": without("aud"),
    "from another issuer": but(iss="https://elsewhere.example"),
    "too old": but(exp=int(time.time()) - 3600),
    "without an end": without("exp"),
    "with an end that is no number": but(exp="tomorrow"),
    "from the future": but(iat=int(time.time()) + 3600, nbf=int(time.time()) + 3600),
    "of nobody": without("sub"),
    "of an empty number": but(sub=""),
    "of a list": but(sub=["4711"]),
    "of a number without end": but(sub="9" * 10_000),
    "of a number with control characters": but(sub="4711\x00"),
    "with another access token's digest": but(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_says_what_is_not_so_lets_nobody_in(realm: SmallProvider, lie: str) -> None:
    realm.lie = LIES[lie]  # type: ignore[assignment]
    with pytest.raises(NotVouched) as refused:
        visit(realm, ours(realm))
    assert "maria" not in str(refused.value)
    assert len(str(refused.value)) < 100


def bare(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def by_secret(secret: str) -> object:
    return lambda claims: jwt.encode({"alg": "HS256", "kid": "first"}, claims, OctKey.import_key(secret))


FORGERIES = {
    "nobody signed it": lambda claims: f"{bare({'alg': 'none'})}.{bare(claims)}.",
    "nobody signed it, in capitals": lambda claims: f"{bare({'alg': 'None', 'kid': 'first'})}.{bare(claims)}.",
    "another key under the same name": lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, OTHERS),
    "a key that it brings along": lambda claims: jwt.encode(
        {"alg": "RS256", "jwk": OTHERS.as_dict(private=False)}, claims, OTHERS
    ),
    "a key that nobody has heard of": lambda claims: jwt.encode({"alg": "RS256", "kid": "third"}, claims, OURS),
    "our secret": by_secret(SECRET),
    "the public key as a secret": by_secret(OURS.as_pem(private=False).decode()),
    "changed afterwards": lambda claims: _changed(jwt.encode({"alg": "RS256", "kid": "first"}, claims, OURS)),
    "no token at all": lambda _claims: "no token",
    "an empty one": lambda _claims: "",
    "a list": lambda _claims: ["a.b.c"],
    "very deep": lambda _claims: f"{bare({'alg': 'RS256'})}.{'W1' * 50_000}.x",
}


def _changed(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{bare({**claims, 'groups': ['mri-admins']})}.{signature}"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_token_that_the_provider_has_not_signed_lets_nobody_in(realm: SmallProvider, forgery: str) -> None:
    realm.sign = FORGERIES[forgery]  # type: ignore[assignment]
    with pytest.raises(NotVouched):
        visit(realm, ours(realm))


def test_a_code_is_good_once_and_only_with_the_verifier_that_began_it(realm: SmallProvider) -> None:
    provider = ours(realm)
    url, errand = provider.begin()
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    code = parse_qs(urlsplit(realm.authorize(query)).query)["code"][0]
    with pytest.raises(NotVouched, match="answered 400"):
        provider.finish(code, Errand(state=errand.state, nonce=errand.nonce, verifier="x" * 43))
    with pytest.raises(NotVouched, match="answered 400"):
        provider.finish(code, errand)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"issuer": "https://elsewhere.example"}, "calls itself other"),
        ({"authorization_endpoint": "http://login.example/authorize"}, "is not encrypted"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "names no"),
        ({"authorization_endpoint": None}, "names no"),
    ],
)
def test_a_provider_that_is_not_itself_gets_no_browser(realm: SmallProvider, told: Claims, why: str) -> None:
    realm.metadata = told
    with pytest.raises(NotVouched, match=why):
        ours(realm).begin()


def test_a_secret_goes_nowhere_in_the_clear(realm: SmallProvider) -> None:
    realm.metadata = {"token_endpoint": "http://login.example/token"}
    with pytest.raises(NotVouched, match="token_endpoint of the identity provider is not encrypted"):
        visit(realm, ours(realm))


def test_groups_that_only_userinfo_tells_count_and_those_of_somebody_else_do_not(realm: SmallProvider) -> None:
    realm.told_later = ("groups",)
    assert visit(realm, ours(realm)).role is Role.VIEWER
    realm.told_later = ("groups", "sub")
    realm.lie = lambda claims: {**claims, "sub": "4712"}
    with pytest.raises(NotVouched, match="somebody else"):
        visit(realm, ours(realm))


def test_a_provider_that_is_down_is_asked_once_in_a_while(realm: SmallProvider) -> None:
    realm.down = True
    provider = ours(realm)
    for _ in range(5):
        with pytest.raises(NotVouched, match="answered 503"):
            provider.begin()
    assert len(realm.asked) == 1


def test_what_is_kept_is_asked_for_anew_when_it_is_old() -> None:
    now, answers = [0.0], iter([{"n": 1}, {"n": 2}, {"n": 3}])
    kept = Kept(lambda: next(answers), lambda: now[0])
    assert (kept(), kept(), kept.fresh()) == ({"n": 1}, {"n": 1}, {"n": 1})
    now[0] = REST_S + 1
    assert (kept(), kept.fresh()) == ({"n": 1}, {"n": 2})
    now[0] = 2 * 3_600.0
    assert kept() == {"n": 3}


@pytest.mark.parametrize("content", [b"[]", b"{", b"[" * 100_000, b'{"a": "' + b"x" * LONGEST_ANSWER + b'"}', b"\xff"])
def test_an_answer_that_is_no_small_object_is_none(realm: SmallProvider, content: bytes) -> None:
    from gateway.oidc.fetch import _object  # noqa: PLC0415 - the reader alone

    with pytest.raises(NotVouched):
        _object(content, 200, realm.url)


@pytest.mark.parametrize(
    ("reading", "claims", "name", "role"),
    [
        (READING, {"preferred_username": "x", "groups": "mri-admins"}, "x", Role.ADMIN),
        (READING, {"preferred_username": "x", "groups": ["radiographers", "mri-admins"]}, "x", Role.ADMIN),
        (READING, {"preferred_username": "x", "groups": ["Radiographers"]}, "x", None),
        (READING, {"preferred_username": "x", "groups": [["radiographers"], None, 5]}, "x", None),
        (READING, {"preferred_username": "x", "groups": {"radiographers": True}}, "x", None),
        (READING, {"preferred_username": "x", "groups": 5}, "x", None),
        (READING, {"preferred_username": " \x00evil", "groups": []}, "4711", None),
        (READING, {"preferred_username": ["x"]}, "4711", None),
        (READING, {"preferred_username": "é" * 100}, "é" * 64, None),
        (Reading(), {"preferred_username": "x", "groups": ["radiographers"]}, "x", None),
        (
            Reading(groups="realm_access.roles", roles={Role.OPERATOR: frozenset({"mri"})}),
            {"realm_access": {"roles": ["mri"]}},
            "4711",
            Role.OPERATOR,
        ),
        (
            Reading(groups="https://hospital.example/groups", roles={Role.OPERATOR: frozenset({"mri"})}),
            {"https://hospital.example/groups": ["mri"]},
            "4711",
            Role.OPERATOR,
        ),
    ],
)
def test_a_claim_says_who_somebody_is_whatever_it_looks_like(
    reading: Reading, claims: Claims, name: str, role: Role | None
) -> None:
    assert reading.guest({"iss": "i", "sub": "4711", **claims}) == Guest(subject="i 4711", name=name, role=role)
