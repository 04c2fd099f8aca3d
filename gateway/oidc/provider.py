"""The provider: discovery, the authorisation code with PKCE, and a token that has to be signed, fresh and for us.

OpenID Connect Core 1.0 (section 3.1) and Discovery 1.0 (section 4); RFC 6749, RFC 7636, RFC 9207; RFC 8725 for what a
token must not be trusted to say about itself.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from gateway.model.errors import NotVouched
from gateway.model.sign_on import Errand, Guest
from gateway.oidc.claims import Reading
from gateway.oidc.fetch import Fetcher, is_here
from gateway.oidc.kept import Kept

DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with a key that only the provider has; never none, never one with a secret that both sides know."""

SECRET_BYTES = 32
LONGEST_NUMBER = 255
"""Characters of a subject (OpenID Connect Core 1.0, section 2)."""
LEEWAY_S = 60
"""So much two clocks may differ."""

_SIGNED = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How the provider knows us."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scopes: tuple[str, ...]
    label: str
    """What people call the account that they have there."""


class OidcProvider:
    """One identity provider."""

    def __init__(self, client: Client, reading: Reading, fetcher: Fetcher) -> None:
        self._client = client
        self._reading = reading
        self._fetcher = fetcher
        self._metadata = Kept(self._discover)
        self._keys = Kept(lambda: self._fetcher.get(self._place("jwks_uri")))

    @property
    def label(self) -> str:
        """What people call the account that they have there."""
        return self._client.label

    def begin(self) -> tuple[str, Errand]:
        """Say where to send a browser, and what has to come back.

        Raises
        ------
        NotVouched
            The provider does not answer, or not as one.
        """
        state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
        url = prepare_grant_uri(
            self._place("authorization_endpoint"),
            client_id=self._client.client_id,
            response_type="code",
            redirect_uri=self._client.redirect_uri,
            scope=" ".join(self._client.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return str(url), Errand(state=state, nonce=nonce, verifier=verifier)

    def finish(self, code: str, errand: Errand) -> Guest:
        """Turn the code that a browser brought back into somebody.

        Raises
        ------
        NotVouched
            The provider does not know the code, or its token is not good.
        """
        answer = self._fetcher.post(self._place("token_endpoint"), *self._exchange(code, errand))
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise NotVouched("the identity provider gave no token that says who it is")
        claims = self._checked(token, errand.nonce, access)
        if self._reading.lacks(claims) and isinstance(access, str):
            claims = self._asked(claims, access)
        return self._reading.guest(claims)

    def leave(self) -> str | None:
        """Say where people sign out there (OpenID Connect RP-Initiated Logout 1.0); nothing where nobody can."""
        try:
            place = self._place("end_session_endpoint")
        except NotVouched:
            return None
        back = self._client.redirect_uri.removesuffix(urlsplit(self._client.redirect_uri).path) + "/sign-in"
        asked = {"client_id": self._client.client_id, "post_logout_redirect_uri": back}
        return str(add_params_to_uri(place, list(asked.items())))

    def check(self) -> None:
        """Ask for everything that signing in needs, and let nobody in.

        Raises
        ------
        NotVouched
            Something of it is missing.
        """
        for name in ("authorization_endpoint", "token_endpoint"):
            self._place(name)
        _key_set(self._keys.fresh())

    def _discover(self) -> dict[str, Any]:
        found = self._fetcher.get(self._client.issuer.rstrip("/") + DISCOVERY)
        if found.get("issuer") != self._client.issuer:
            raise NotVouched("the identity provider calls itself other than oidc.issuer does")
        return found

    def _place(self, name: str) -> str:
        """Find an address of the provider; a browser or a secret goes there, so it has to be encrypted."""
        url = self._metadata().get(name)
        where = urlsplit(url) if isinstance(url, str) else None
        if where is None or not where.hostname:
            raise NotVouched(f"the identity provider names no {name}")
        if where.scheme != "https" and not (where.scheme == "http" and is_here(where.hostname)):
            raise NotVouched(f"the {name} of the identity provider is not encrypted")
        return str(url)

    def _exchange(self, code: str, errand: Errand) -> tuple[dict[str, str], dict[str, str]]:
        """Write what the code is exchanged with: form and headers."""
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": errand.verifier,
        }
        if not client.client_secret:
            return {**form, "client_id": client.client_id}, {}
        ways = self._metadata().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" not in ways:
            return {**form, "client_id": client.client_id, "client_secret": client.client_secret}, {}
        return form, {"Authorization": _basic(client.client_id, client.client_secret)}

    def _checked(self, token: str, nonce: str, access: object) -> dict[str, Any]:
        """Read a token that is signed by the provider, for us, for this errand, and not too old."""
        try:
            read = self._decoded(token)
            options: Any = {
                "iss": {"essential": True, "value": self._client.issuer},
                "aud": {"essential": True, "value": self._client.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            known = {"nonce": nonce, "client_id": self._client.client_id, "access_token": access}
            CodeIDToken(read.claims, read.header, options, known).validate(leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
            raise NotVouched(f"the token of the identity provider is not good: {_why(fault)}") from fault
        number = read.claims.get("sub")
        if not isinstance(number, str) or not 0 < len(number) <= LONGEST_NUMBER or not number.isprintable():
            raise NotVouched("the token of the identity provider is not good: sub")
        return dict(read.claims)

    def _decoded(self, token: str) -> jwt.Token:
        """Check the signature; a key that we do not know yet is asked for once."""
        try:
            return jwt.decode(token, _key_set(self._keys()), registry=_SIGNED)
        except InvalidKeyIdError:
            return jwt.decode(token, _key_set(self._keys.fresh()), registry=_SIGNED)

    def _asked(self, claims: Mapping[str, Any], access: str) -> dict[str, Any]:
        """Add what the provider tells only when asked (section 5.3): of the same person, or not at all."""
        if not self._metadata().get("userinfo_endpoint"):
            return dict(claims)
        more = self._fetcher.get(self._place("userinfo_endpoint"), bearer=access)
        if more.get("sub") != claims["sub"]:
            raise NotVouched("the identity provider tells of somebody else")
        return {**more, **claims}


def _basic(client_id: str, client_secret: str) -> str:
    """Write id and secret as RFC 6749, section 2.3.1, has it: escaped first."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _key_set(keys: Mapping[str, Any]) -> KeySet:
    """Take the keys that sign, and of those the ones that we can use: others are none of our affair."""
    found = []
    for one in keys.get("keys") or ():
        if isinstance(one, dict) and one.get("use", "sig") == "sig" and one.get("kty") != "oct":
            try:
                found += KeySet.import_key_set({"keys": [one]}).keys
            except (JoseError, ValueError, TypeError, KeyError):
                continue
    if not found:
        raise NotVouched("the identity provider shows no key that signs")
    return KeySet(found)


def _why(fault: Exception) -> str:
    """Say in one word what was wrong with a token, without repeating anything of it."""
    return str(getattr(fault, "claim", "") or getattr(fault, "error", "") or type(fault).__name__)
